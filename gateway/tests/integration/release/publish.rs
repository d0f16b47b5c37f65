//! A release in a registry: that of crane, on loopback.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use super::{AARCH64, Binaries, VERSION, linked, said, workspace};
use crate::{image::archive::X86_64, process::until};

/// Killed when dropped.
struct Registry {
    server: Child,
    crane: String,
    address: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Registry {
    /// None, and a word about it, if there is no crane or no helm.
    fn start() -> Option<Self> {
        let (Ok(crane), Ok(_)) = (std::env::var("CRANE"), std::env::var("HELM")) else {
            crate::skip("CRANE and HELM are not set (CRANE=$(scripts/tools crane) HELM=$(scripts/tools helm))");
            return None;
        };
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = Command::new(&crane);
        command.args(["registry", "serve", "--address", &address]).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { server: command.spawn().unwrap(), crane, address };
        until("the registry listens", || std::net::TcpStream::connect(&registry.address).is_ok());
        Some(registry)
    }

    fn publish(&self, folder: &Path) -> Output {
        let mut command = Command::new(workspace().join("scripts/publish"));
        command.arg(folder).arg(format!("{}/team", self.address)).output().unwrap()
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.crane).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn a_registry_gives_each_node_its_image_by_the_digest_of_the_release_and_keeps_what_it_has() {
    let Some(registry) = Registry::start() else { return };
    let binaries = Binaries::new([X86_64, AARCH64], &linked("axum"));
    let (folder, output) = binaries.release("a");
    assert!(output.status.success(), "{}", said(&output));
    let published = registry.publish(&folder);
    assert!(published.status.success(), "{}", said(&published));
    let image = format!("{}/team/signal-gateway:{VERSION}", registry.address);
    let images = std::fs::read_to_string(folder.join("images.txt")).unwrap();
    assert!(images.contains(&format!("signal-gateway:{VERSION}@{}\n", registry.ask(&["digest", &image]))), "{images}");
    let of = |platform| registry.ask(&["digest", "--platform", platform, &image]);
    assert_ne!(of("linux/amd64"), of("linux/arm64"));
    registry.ask(&["manifest", &format!("{}/team/charts/signal-gateway:{VERSION}", registry.address)]);

    let again = registry.publish(&folder);
    assert_eq!((again.status.success(), &again.stdout), (true, &published.stdout), "{}", said(&again));
    let other = Binaries::new([X86_64, AARCH64], &linked("hyper"));
    let other = registry.publish(&other.release("b").0);
    assert_eq!(other.status.code(), Some(1));
    assert!(said(&other).contains("is there already"), "{}", said(&other));
}

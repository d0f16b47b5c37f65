//! The binary where there is nothing else: no shell, no certificates of authorities.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
};

use rstest::rstest;

use crate::process::on_any_ports;

/// The binary, with nothing but its own environment and no authorities.
fn binary(datastorage: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.env_clear().env("GATEWAY__DATASTORAGE__URL", datastorage).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|variable| (variable, "/nowhere")));
    command
}

/// A gateway that sends its audit trail to `datastorage`, before a Kubernetes API that is not there.
fn start(datastorage: &str, folder: &std::path::Path) -> Child {
    // As in a pod, the API's own authority is known.
    let authority = rcgen::generate_simple_self_signed(["kubernetes".to_owned()]).unwrap();
    std::fs::write(folder.join("ca.crt"), authority.cert.pem()).unwrap();
    let kubeconfig = folder.join("kubeconfig");
    let nowhere = "{apiVersion: v1, kind: Config, current-context: a, users: [{name: a, user: {}}], \
        clusters: [{name: a, cluster: {server: 'https://127.0.0.1:9', certificate-authority: ca.crt}}], \
        contexts: [{name: a, context: {cluster: a, user: a}}]}";
    std::fs::write(&kubeconfig, nowhere).unwrap();
    let mut command = binary(datastorage);
    command.env("KUBECONFIG", kubeconfig);
    command.envs([("POD_NAME", "gateway-0"), ("POD_NAMESPACE", "kubernaut-system")]);
    on_any_ports(&mut command).spawn().unwrap()
}

#[rstest]
#[case::plain("http://127.0.0.1:9", None)]
#[case::encrypted("https://127.0.0.1:9", Some("set SSL_CERT_FILE to a PEM file"))]
fn only_an_encrypted_audit_trail_needs_authorities(#[case] datastorage: &str, #[case] complaint: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = start(datastorage, folder.path());
    // Its end closes the pipe, so this ends in any case.
    let started = BufReader::new(gateway.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("gateway started"));
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    let mut said = String::new();
    gateway.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(started, complaint.is_none(), "{said}");
    assert!(said.contains(complaint.unwrap_or_default()), "{said}");
    // Who is asked before knows it, too.
    let checked = binary(datastorage).args(["config", "check"]).output().unwrap();
    let said = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.success(), complaint.is_none(), "{said}");
    assert!(said.contains(complaint.unwrap_or_default()), "{said}");
}

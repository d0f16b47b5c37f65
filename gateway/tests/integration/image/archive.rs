//! The container image that `scripts/image` writes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// An ELF header for x86-64 with `headers` program headers of the type `kind`.
fn elf(headers: u16, kind: u32) -> Vec<u8> {
    elf_for(X86_64, headers, kind)
}

/// The same for another `machine`.
pub(crate) fn elf_for(machine: u16, headers: u16, kind: u32) -> Vec<u8> {
    let mut elf = vec![0; 64];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[18..20].copy_from_slice(&machine.to_le_bytes());
    elf[32..40].copy_from_slice(&64_u64.to_le_bytes());
    elf[54..56].copy_from_slice(&56_u16.to_le_bytes());
    elf[56..58].copy_from_slice(&headers.to_le_bytes());
    for _ in 0..headers {
        elf.extend(kind.to_le_bytes());
        elf.extend([0; 52]);
    }
    elf
}

pub(crate) const X86_64: u16 = 62;
pub(crate) const LOADED: u32 = 1;
const INTERPRETER: u32 = 3;

struct Case {
    folder: TempDir,
}

impl Case {
    fn new(binary: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("binary"), binary).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, output: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/image");
        Command::new(script)
            .args(["--reference", "registry.test/gateway:t1", "--binary"])
            .arg(self.path("binary"))
            .arg("--output")
            .arg(self.path(output))
            .output()
            .expect("scripts/image runs (it needs python3)")
    }

    fn unpack(&self, archive: &str, into: &str) {
        fs::create_dir(self.path(into)).unwrap();
        let untar = Command::new("tar").arg("-xf").arg(self.path(archive)).arg("-C").arg(self.path(into)).status();
        assert!(untar.unwrap().success());
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Where in the archive the content of `descriptor` is, whose digest and size it must have.
    fn blob(&self, descriptor: &Value) -> String {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let name = format!("blobs/sha256/{digest}");
        let content = fs::read(self.path(&format!("image/{name}"))).unwrap();
        assert_eq!(sha256(&content), digest);
        assert_eq!(content.len() as u64, descriptor["size"].as_u64().unwrap());
        name
    }
}

pub(crate) fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_reader_finds_the_binary_by_digests_that_are_right() {
    let binary = elf(2, LOADED);
    let case = Case::new(&binary);
    let output = case.write("image.tar");
    assert!(output.status.success(), "{}", said(&output));
    case.unpack("image.tar", "image");

    let index = case.json("image/index.json");
    assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], "registry.test/gateway:t1");
    let manifest = case.json(&format!("image/{}", case.blob(&index["manifests"][0])));
    let (config, layer) = (case.blob(&manifest["config"]), case.blob(&manifest["layers"][0]));
    let docker = case.json("image/manifest.json");
    assert_eq!((&docker[0]["Config"], &docker[0]["Layers"][0]), (&config.as_str().into(), &layer.as_str().into()));
    assert_eq!(docker[0]["RepoTags"][0], "registry.test/gateway:t1");

    let config = case.json(&format!("image/{config}"));
    assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"], "the layer is not compressed");
    assert_eq!((&config["architecture"], &config["os"]), (&"amd64".into(), &"linux".into()));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/gateway"]));

    case.unpack(&format!("image/{layer}"), "root");
    let files: Vec<_> = fs::read_dir(case.path("root")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["gateway"]);
    assert!(fs::read(case.path("root/gateway")).unwrap() == binary);
}

#[test]
fn the_same_binary_gives_the_same_bytes() {
    let case = Case::new(&elf(1, LOADED));
    assert!(case.write("a.tar").status.success() && case.write("b.tar").status.success());
    assert!(fs::read(case.path("a.tar")).unwrap() == fs::read(case.path("b.tar")).unwrap());
}

#[test]
fn what_cannot_run_in_an_empty_image_is_refused() {
    for (binary, why) in
        [(elf(1, INTERPRETER), "linked dynamically"), (b"#!/bin/sh\n".to_vec(), "no 64-bit executable")]
    {
        let case = Case::new(&binary);
        let output = case.write("image.tar");
        assert!(!output.status.success() && said(&output).contains(why), "{}", said(&output));
        assert!(!case.path("image.tar").exists());
    }
}

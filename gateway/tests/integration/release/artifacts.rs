//! The files of a release.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{AARCH64, Binaries, VERSION, linked, said};
use crate::{
    chart::{helm::Helm, monitoring::RUNBOOK},
    image::archive::{LOADED, X86_64, elf_for, sha256},
};

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// The members of an archive, as `tar` finds them.
fn unpack(archive: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let untar = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(untar.success(), "{}", archive.display());
    folder
}

#[test]
fn a_release_is_complete_and_the_same_bytes_every_time() {
    let binaries = Binaries::new([X86_64, AARCH64], &linked("axum"));
    let (folder, output) = binaries.release("a");
    assert!(output.status.success(), "{}", said(&output));
    let (again, _) = binaries.release("b");
    let (files, again) = (files(&folder), files(&again));
    let mut expected: Vec<String> = [
        "NOTES.md",
        "SHA256SUMS",
        "alerts.yaml",
        "config.example.yaml",
        "dashboard.json",
        "images.txt",
        "openapi.yaml",
    ]
    .map(str::to_owned)
    .into();
    expected.push("remediationrequests.kubernaut.ai.yaml".to_owned());
    expected.push(format!("signal-gateway-{VERSION}.tgz"));
    expected.extend(["signal-gateway", "signal-gateway-sim"].map(|image| format!("{image}-{VERSION}-image.tar")));
    for (program, arch) in [("gateway", "amd64"), ("gateway", "arm64"), ("sim", "amd64"), ("sim", "arm64")] {
        expected.extend(["tar.gz", "cdx.json"].map(|kind| format!("{program}-{VERSION}-linux-{arch}.{kind}")));
    }
    expected.sort();
    assert_eq!(files.keys().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    assert!(files == again, "two runs differ");

    let sums = String::from_utf8(files["SHA256SUMS"].clone()).unwrap();
    let of_files = files.iter().filter(|(name, _)| *name != "SHA256SUMS");
    let expected: Vec<String> = of_files.map(|(name, content)| format!("{}  {name}", sha256(content))).collect();
    assert_eq!(sums.lines().collect::<Vec<_>>(), expected);
    let unpacked = unpack(&folder.join(format!("sim-{VERSION}-linux-arm64.tar.gz")));
    assert!(fs::read(unpacked.path().join("sim")).unwrap().starts_with(b"\x7fELF"));
    let licenses = fs::read_to_string(unpacked.path().join("THIRD-PARTY-LICENSES")).unwrap();
    for of in ["mimalloc@", "kube-client@", "Apache License", "Permission is hereby granted"] {
        assert!(licenses.contains(of), "{of}");
    }
}

#[test]
fn one_name_in_a_registry_leads_to_the_image_of_each_architecture() {
    let binaries = Binaries::new([X86_64, AARCH64], &linked("axum"));
    let (folder, output) = binaries.release("a");
    assert!(output.status.success(), "{}", said(&output));
    let layout = unpack(&folder.join(format!("signal-gateway-{VERSION}-image.tar")));
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let content = fs::read(layout.path().join("blobs/sha256").join(digest)).unwrap();
        assert_eq!((sha256(&content).as_str(), content.len() as u64), (digest, descriptor["size"].as_u64().unwrap()));
        content
    };
    let parse = |content: &[u8]| serde_json::from_slice::<Value>(content).unwrap();
    let entries = parse(&fs::read(layout.path().join("index.json")).unwrap());
    let [entry] = &entries["manifests"].as_array().unwrap()[..] else { panic!("{entries}") };
    assert_eq!(entry["annotations"]["io.containerd.image.name"], format!("signal-gateway:{VERSION}"));
    let index = parse(&blob(entry));
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let images = index["manifests"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    for (image, (arch, machine)) in images.iter().zip([("amd64", X86_64), ("arm64", AARCH64)]) {
        assert_eq!(image["platform"], json!({ "architecture": arch, "os": "linux" }));
        let manifest = parse(&blob(image));
        assert_eq!(parse(&blob(&manifest["config"]))["architecture"], arch);
        let layer = blob(&manifest["layers"][0]);
        assert!(layer.windows(8).any(|window| window == &elf_for(machine, 1, LOADED)[16..24]), "{arch}");
    }
}

#[test]
fn the_bill_of_materials_has_what_is_linked_and_not_what_only_builds_or_tests() {
    let binaries = Binaries::new([X86_64, AARCH64], &linked("axum"));
    let (folder, output) = binaries.release("a");
    assert!(output.status.success(), "{}", said(&output));
    let file = folder.join(format!("gateway-{VERSION}-linux-arm64.cdx.json"));
    let document: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let components = document["components"].as_array().unwrap();
    let named = |name: &str| components.iter().find(|component| component["name"] == name);
    for name in ["kube-client", "ring", "tikv-jemalloc-sys", "rust-std"] {
        assert!(named(name).is_some(), "{name}");
    }
    for name in ["serde_derive", "cc", "proptest", "harness", "mimalloc", "gateway"] {
        assert!(named(name).is_none(), "{name}");
    }
    let ring = named("ring").unwrap();
    assert!(ring["purl"].as_str().unwrap().starts_with("pkg:cargo/ring@") && ring["hashes"][0]["alg"] == "SHA-256");
    let mut described: Vec<&Value> = components.iter().map(|component| &component["bom-ref"]).collect();
    described.push(&document["metadata"]["component"]["bom-ref"]);
    for dependency in document["dependencies"].as_array().unwrap() {
        assert!(dependency["dependsOn"].as_array().unwrap().iter().all(|on| described.contains(&on)), "{dependency}");
    }
}

#[rstest]
#[case::of_a_crate_that_is_not_listed([X86_64, AARCH64], "left-pad-1.0.0", "has code of left-pad@1.0.0")]
#[case::for_another_machine([X86_64, X86_64], "axum-0.8.9", "arm64/gateway is for amd64, not for arm64")]
fn a_binary_is_not_released(#[case] machines: [u16; 2], #[case] crate_name: &str, #[case] why: &str) {
    let (folder, output) = Binaries::new(machines, crate_name).release("a");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(why), "{}", said(&output));
    assert!(!folder.join("SHA256SUMS").exists());
}

#[test]
fn links_of_a_release_lead_to_the_runbook_of_its_version_where_the_repository_can_be_read() {
    let binaries = Binaries::new([X86_64, AARCH64], &linked("axum"));
    let (plain, _) = binaries.release("a");
    let (folder, output) = binaries.release_with("b", &["--repository", "https://git.test/team/gateway"]);
    assert!(output.status.success(), "{}", said(&output));
    let runbook = format!("https://git.test/team/gateway/blob/v{VERSION}/gateway/docs/runbook.md");
    for file in ["alerts.yaml", "dashboard.json"] {
        let [plain, linked] = [&plain, &folder].map(|folder| fs::read_to_string(folder.join(file)).unwrap());
        assert!(plain.contains(RUNBOOK) && !linked.contains(RUNBOOK), "{file}");
        assert!(linked.contains(&format!("{runbook}#gatewayabsent")), "{file}");
    }
    let Some(helm) = Helm::find() else { return };
    let values = "prometheusRule: {enabled: true}";
    let of = |folder: &Path| {
        let chart = unpack(&folder.join(format!("signal-gateway-{VERSION}.tgz")));
        let release =
            helm.try_render_chart(&chart.path().join("signal-gateway"), values).unwrap_or_else(|e| panic!("{e}"));
        release.named("PrometheusRule", "gateway")["spec"]["groups"][0]["rules"][0]["annotations"]["runbook_url"]
            .clone()
    };
    assert_eq!(of(&folder), format!("{runbook}#gatewayabsent"));
    assert_eq!(of(&plain), Value::Null);
}

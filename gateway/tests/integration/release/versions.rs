//! One version, wherever it is stated.

use std::{fs, process::Command};

use rstest::rstest;
use tempfile::TempDir;

use super::{VERSION, run, said, workspace};

/// What states the version, and the script that compares it.
const STATED: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "CHANGELOG.md",
    "gateway/deploy/chart/Chart.yaml",
    "gateway/deploy/Dockerfile",
    "gateway/docs/api/openapi.yaml",
    "scripts/release",
];

fn copy() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in STATED {
        let to = copy.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(workspace().join(file), to).unwrap();
    }
    let modules = workspace().join("scripts/releases");
    assert!(Command::new("cp").arg("-r").arg(modules).arg(copy.path().join("scripts")).status().unwrap().success());
    copy
}

#[test]
fn the_binary_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_gateway")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("gateway {}\n", gateway::version::version()));
    assert!(gateway::version::version().starts_with(VERSION));
}

#[test]
fn every_file_that_states_the_version_states_the_same_one() {
    let output = run(&workspace().join("scripts/release"), &["--check"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), VERSION, "{}", said(&output));
}

#[rstest]
#[case::manifest("Cargo.toml", "version = \"@\"", "version = \"9.9.9\"", "Chart.yaml: appVersion is @, but")]
#[case::chart(STATED[3], "\nversion: @", "\nversion: 9.9.9", "Chart.yaml: version is 9.9.9, but")]
#[case::app(STATED[3], "appVersion: @", "appVersion: 9.9.9", "Chart.yaml: appVersion is 9.9.9, but")]
#[case::image(STATED[3], "signal-gateway:@", "signal-gateway:9.9.9", "artifacthub.io/images is 9.9.9, but")]
#[case::api(STATED[5], "version: @", "version: 9.9.9", "openapi.yaml: info.version is 9.9.9, but")]
fn a_version_that_differs_is_named_with_what_to_do(
    #[case] file: &str,
    #[case] stated: &str,
    #[case] other: &str,
    #[case] complaint: &str,
) {
    let (copy, [stated, complaint]) = (copy(), [stated, complaint].map(|text| text.replace('@', VERSION)));
    let path = copy.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(&stated), "{stated}");
    fs::write(&path, text.replacen(&stated, other, 1)).unwrap();
    let output = run(&copy.path().join("scripts/release"), &["--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(&complaint) && said(&output).contains("; change one of them"), "{}", said(&output));
}

#[rstest]
#[case::not_written(
    "## Unreleased",
    "v{VERSION}",
    Some("the first heading is `## Unreleased`; make it `## {VERSION} - YYYY-MM-DD`")
)]
#[case::another(
    "## {VERSION} - 2026-12-01",
    "v9.9.9",
    Some("the tag is v9.9.9, but the version in Cargo.toml is {VERSION}")
)]
#[case::as_it_should_be("## {VERSION} - 2026-12-01", "v{VERSION}", None)]
fn a_tag_is_the_version_with_a_section_of_the_changelog(
    #[case] heading: &str,
    #[case] tag: &str,
    #[case] complaint: Option<&str>,
) {
    let filled = |text: &str| text.replace("{VERSION}", VERSION);
    let copy = copy();
    fs::write(copy.path().join("CHANGELOG.md"), format!("# Changelog\n\n{}\n\n- a\n", filled(heading))).unwrap();
    let output = run(&copy.path().join("scripts/release"), &["--check", "--tag", &filled(tag)]);
    assert_eq!(output.status.success(), complaint.is_none(), "{}", said(&output));
    assert!(said(&output).contains(&filled(complaint.unwrap_or_default())), "{}", said(&output));
}

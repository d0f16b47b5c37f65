//! What the documents point to is there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every Markdown file, but of what is built or kept by tools.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

/// The targets of links that lead into the repository, and code that is a path.
fn paths(text: &str) -> Vec<String> {
    let fence = Regex::new(r"(?s)```.*?```").unwrap();
    let text = fence.replace_all(text, "");
    let link = Regex::new(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)").unwrap();
    let plain = link.replace_all(&text, "");
    let code = Regex::new(r"`((?:[\w.-]+/)+[\w.-]*)`").unwrap();
    let links = link.captures_iter(&text).map(|found| found[1].to_owned()).filter(|target| !target.contains("://"));
    let known = ["gateway/", "harness/", "sim/", "benches/", "scripts/", ".ci/", ".cargo/"];
    let is_path = |code: &String| code.ends_with(".rs") || known.iter().any(|folder| code.starts_with(folder));
    links.chain(code.captures_iter(&plain).map(|found| found[1].to_owned()).filter(is_path)).collect()
}

/// Documents name files from the root, from beside themselves, or within the sources of their crate.
fn exists(document: &Path, path: &str) -> bool {
    let beside = document.parent().unwrap().ancestors().take_while(|folder| folder.starts_with(workspace()));
    let mut folders = beside.flat_map(|folder| [folder.to_owned(), folder.join("src")]);
    folders.any(|folder| folder.join(path).exists())
}

#[test]
fn every_file_that_a_document_names_exists() {
    let mut missing = Vec::new();
    let mut named = 0;
    for document in documents(workspace()) {
        for path in paths(&fs::read_to_string(&document).unwrap()) {
            named += 1;
            if !exists(&document, &path) {
                missing.push(format!("{}: {path}", document.strip_prefix(workspace()).unwrap().display()));
            }
        }
    }
    assert!(named > 50, "only {named} paths were found: the documents are read wrongly");
    assert!(missing.is_empty(), "what these name is not there:\n{}", missing.join("\n"));
}

/// The gateway's code, files of tests left out, with texts that go on in the next line joined.
fn said(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            text += &said(&path);
        } else if path.is_file() && !path.ends_with("tests.rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    Regex::new(r"\\\n\s*").unwrap().replace_all(&text, "").into_owned()
}

#[test]
fn what_the_runbook_looks_for_in_logs_is_what_the_gateway_says() {
    let runbook = fs::read_to_string(workspace().join("gateway/docs/runbook.md")).unwrap();
    let said = said(&workspace().join("gateway/src"));
    let searched = Regex::new(r#"grep\s+'([^'"]+)'"#).unwrap();
    let mut count = 0;
    for words in searched.captures_iter(&runbook) {
        assert!(said.contains(&words[1]), "nothing says `{}`", &words[1]);
        count += 1;
    }
    assert!(count >= 5, "{count}");
}

#[test]
fn links_and_code_that_is_a_path_are_found_and_examples_are_not() {
    let text = "[`b/c.rs`](x/y.md#z) [b](https://example.org/c) `gateway/src/lib.rs` `dedup/view.rs` `a/b` `cargo run` \
        \n```\n[c](no.md) `gateway/nowhere.rs`\n```\n";
    assert_eq!(paths(text), ["x/y.md", "gateway/src/lib.rs", "dedup/view.rs"]);
    assert!(!exists(&workspace().join("README.md"), "gateway/nowhere.rs"));
}

/// The end-to-end test runs them.
#[test]
fn every_command_to_type_is_run_by_a_test_or_is_on_the_list_of_those_that_cannot_be() {
    let script = workspace().join("scripts/e2e/documents.py");
    let Ok(checked) = Command::new("python3").arg(script).arg("--check").output() else {
        crate::skip("python3 not found");
        return;
    };
    let [said, errors] = [checked.stdout, checked.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(checked.status.success(), "{said}{errors}");
}

//! A configuration file: no panic, and an error that says something.
use std::fs;

use gateway::config::Config;

pub(crate) fn check(text: &[u8]) {
    let path = std::env::temp_dir().join(format!("gateway-fuzz-{}.yaml", std::process::id()));
    fs::write(&path, text).expect("a temporary file");
    match Config::load(Some(&path), std::iter::empty()) {
        Ok(config) => config.validate().expect("what was loaded is valid"),
        Err(error) => assert!(error.to_string().len() < 100_000 + 20 * text.len()),
    }
}

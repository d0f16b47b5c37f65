//! A configuration file as it is written.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde_json::{Map, Value};

use super::error::Error;

/// Bytes of a file: a hundred times the documented example, and what a ConfigMap holds at most.
const BYTES_MAX: u64 = 1 << 20;

/// The text of the file at `path`.
///
/// # Errors
/// If it cannot be read.
pub fn text(path: &Path) -> Result<String, Error> {
    bounded(path).map_err(|source| Error::Read { path: path.display().to_string(), source })
}

/// The text of a file that may be none: a device or a pipe can have no end.
///
/// # Errors
/// If it cannot be read, is no text or has more than a mebibyte.
pub(crate) fn bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// The keys of `text`, which is that of the file at `path`.
///
/// # Errors
/// If it is not a mapping in YAML.
pub(super) fn mapping(path: &Path, text: &str) -> Result<Map<String, Value>, Error> {
    let unusable = |message: String| Error::Yaml { path: path.display().to_string(), message };
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Map::new());
    }
    // The line that is wrong may hold a password.
    let options = serde_saphyr::options! { with_snippet: false };
    match serde_saphyr::from_str_with_options(text, options) {
        Ok(Value::Object(root)) => Ok(root),
        Ok(_) => Err(unusable("it is not a mapping of keys to values".to_owned())),
        Err(error) => Err(unusable(error.to_string())),
    }
}

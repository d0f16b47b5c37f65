//! The environment of the process.

use std::{env, ffi::OsString};

use super::{error::Error, keys::PREFIX};

/// The variables that are text. Any program may have set others, which are none of ours; one that is meant for the gateway
/// must be text.
///
/// # Errors
/// If a variable of the gateway is not UTF-8, naming it.
pub fn all() -> Result<impl Iterator<Item = (String, String)>, Error> {
    texts(env::vars_os())
}

fn texts(all: impl Iterator<Item = (OsString, OsString)>) -> Result<impl Iterator<Item = (String, String)>, Error> {
    let mut texts = Vec::new();
    for (name, value) in all {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => texts.push((name, value)),
            Err(_) if name.starts_with(PREFIX) || name.starts_with("POD_") => {
                return Err(Error::NotUtf8 { variable: name });
            }
            Err(_) => {}
        }
    }
    Ok(texts.into_iter())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn variable(name: &[u8], value: &[u8]) -> (OsString, OsString) {
        (OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec()))
    }

    #[test]
    fn variables_of_others_that_are_no_text_are_left_out() {
        let all = [variable(b"\xff", b"a"), variable(b"LESS", b"\xff"), variable(b"POD_NAME", "ü".as_bytes())];
        let texts: Vec<_> = texts(all.into_iter()).unwrap().collect();
        assert_eq!(texts, [("POD_NAME".to_owned(), "ü".to_owned())]);
    }

    #[test]
    fn a_variable_of_the_gateway_that_is_no_text_is_an_error_that_names_it() {
        for name in ["GATEWAY__LOGGING__LEVEL", "GATEWAY__NO_SUCH_KEY", "POD_NAME", "POD_UID"] {
            let error = texts([variable(name.as_bytes(), b"a\xff")].into_iter()).err().unwrap().to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
        }
    }
}

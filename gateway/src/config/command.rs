//! `gateway config`: what a start would make of a configuration.

use std::{fmt::Write as _, path::Path};

use super::{
    env,
    error::{Error, Problem},
    load::Loaded,
    origin::Files,
    settings::Config,
};

const STDIN: &str = "/dev/stdin";

/// Checks the configuration of `file` and the environment as a start would; says what was checked. What is wrong inside the files
/// that it names, `inside` tells: a line each, which begins with the key.
///
/// # Errors
/// All that is wrong with it, for people.
pub fn check(file: Option<&Path>, files: Files, inside: impl FnOnce(&Config) -> Vec<String>) -> Result<String, String> {
    let loaded = load(file, files)?;
    let wrong = if files == Files::Required { inside(&loaded.config) } else { Vec::new() };
    if !wrong.is_empty() {
        return Err(report(&Error::Invalid(wrong.into_iter().map(Problem::of_line).collect()), file));
    }
    let (from_file, from_environment) = loaded.counts();
    let keys = |count: usize| if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
    let environment = format!("{} from the environment", keys(from_environment));
    Ok(match file {
        Some(path) => format!("{} is valid: {} from the file, {environment}", path.display(), keys(from_file)),
        None => format!("no configuration file: the environment is valid, {environment}"),
    })
}

/// The configuration of `file`, which `named_by` named, and of the environment as YAML with the origin of each value.
///
/// # Errors
/// All that is wrong with it, for people.
pub fn print(file: Option<&Path>, named_by: &str) -> Result<String, String> {
    let loaded = load(file, Files::Unchecked)?;
    let mut yaml = format!("# effective configuration of gateway {}\n", env!("CARGO_PKG_VERSION"));
    let _ = match file {
        Some(path) => writeln!(yaml, "# file: {} ({named_by})", path.display()),
        None => writeln!(yaml, "# file: none"),
    };
    yaml.push_str(&loaded.to_yaml());
    Ok(yaml)
}

fn load(file: Option<&Path>, files: Files) -> Result<Loaded, String> {
    let path = file.map(|path| if path == Path::new("-") { Path::new(STDIN) } else { path });
    env::all().and_then(|env| Loaded::load(path, env, files)).map_err(|error| report(&error, file))
}

fn report(error: &Error, file: Option<&Path>) -> String {
    match (error, file) {
        (Error::Invalid(problems), Some(file)) => {
            let count = problems.len();
            let count = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
            format!("{} is not valid: {count}\n{error}", file.display())
        }
        _ => error.to_string(),
    }
}

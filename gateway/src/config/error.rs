//! Why a configuration, or the environment, is not valid.

use std::fmt;

/// The gateway cannot start with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        /// The path as given on the command line or in the environment.
        path: String,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is not YAML, or not a mapping.
    #[error("the configuration file {path} is not usable: {message}")]
    Yaml {
        /// The path as given on the command line or in the environment.
        path: String,
        /// The parser's message, without the file's content.
        message: String,
    },
    /// The value of an environment variable is not UTF-8.
    #[error("{variable}: its value is not UTF-8")]
    NotUtf8 {
        /// Name of the environment variable.
        variable: String,
    },
    /// Keys, variables and values that are not usable, alone or together: all of them.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// The replica does not know who it is.
    #[error(
        "{variable}: {problem}\nhint: set it with the downward API: \
         `env: [{{name: {variable}, valueFrom: {{fieldRef: {{fieldPath: {field_path}}}}}}}]`"
    )]
    Identity {
        /// `POD_NAME` or `POD_NAMESPACE`.
        variable: &'static str,
        /// What is wrong: not set, or not an RFC 1123 name.
        problem: String,
        /// The downward API's `fieldPath` for it, such as `metadata.name`.
        field_path: &'static str,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `server.listenAddr`, or the variable that belongs to no key.
    pub key: String,
    /// The value that was given, and what is allowed.
    pub message: String,
    /// The environment variable that set the value, if one did.
    pub variable: Option<String>,
    /// A value that would do.
    pub hint: Option<String>,
}

impl Problem {
    /// Of a line that begins with the key.
    pub(super) fn of_line(line: String) -> Self {
        let (key, message) = line.split_once(": ").unwrap_or(("", &line));
        Self { key: key.to_owned(), message: message.to_owned(), ..Self::default() }
    }

    /// Whether it is about `key`, or says something about it.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.key == key || self.message.contains(key)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, message, variable, hint } = self;
        write!(f, "{key}: {message}")?;
        if let Some(variable) = variable {
            write!(f, " (set by {variable})")?;
        }
        if let Some(hint) = hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

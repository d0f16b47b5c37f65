//! Why a configuration, or the environment, is of no use.

/// The gateway cannot start with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        /// As given.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not YAML, or not a mapping.
    #[error("the configuration file {path} is not usable: {message}")]
    Yaml {
        /// As given.
        path: String,
        /// What the parser says.
        message: String,
    },
    /// A key is unknown, or its value of the wrong type.
    #[error("{key}: {message}{origin}")]
    Key {
        /// Such as `server.listenAddr`.
        key: String,
        /// What is wrong with it.
        message: String,
        /// The environment variable that set it, in brackets, if one did.
        origin: String,
    },
    /// A variable is no text.
    #[error("{variable}: its value is not UTF-8")]
    NotUtf8 {
        /// Its name.
        variable: String,
    },
    /// A variable looks like a key's, but there is no such key.
    #[error("{variable}: no configuration key has this variable\nhint: the nearest one is {nearest}")]
    UnknownVariable {
        /// Its name.
        variable: String,
        /// The most similar one that exists.
        nearest: String,
    },
    /// Values that are no good, alone or together; each message names its key.
    #[error("{}", problems.join("\n"))]
    Invalid {
        /// One line each.
        problems: Vec<String>,
    },
    /// The replica does not know who it is.
    #[error(
        "{variable}: {problem}\nhint: set it by the downward API: \
         `env: [{{name: {variable}, valueFrom: {{fieldRef: {{fieldPath: {field_path}}}}}}}]`"
    )]
    Identity {
        /// `POD_NAME` or `POD_NAMESPACE`.
        variable: &'static str,
        /// Missing, or no name.
        problem: String,
        /// What the downward API calls it.
        field_path: &'static str,
    },
}

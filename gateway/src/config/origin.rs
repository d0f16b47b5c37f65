//! Where values come from, and what must be there besides.

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File,
    /// This environment variable.
    Environment(String),
}

/// Whether the files that a configuration names must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Each file must exist: the gateway runs on this machine.
    Required,
    /// The files are not checked: the configuration is for another machine.
    Unchecked,
}

//! Which gateway this is.

use std::sync::LazyLock;

/// The commit that it was built from, if the build was told (`GATEWAY_COMMIT`, by `scripts/release`).
pub const COMMIT: Option<&str> = option_env!("GATEWAY_COMMIT");

/// As `--version` prints it: the version, and the commit if it is known.
#[must_use]
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| described(env!("CARGO_PKG_VERSION"), COMMIT));
    &VERSION
}

fn described(version: &str, commit: Option<&str>) -> String {
    commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_named_where_it_is_known() {
        assert_eq!(described("0.1.0", Some("5fc1616")), "0.1.0 (5fc1616)");
        assert_eq!(described("0.1.0", None), "0.1.0");
    }
}

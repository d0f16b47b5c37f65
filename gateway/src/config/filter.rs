//! Which events are logged.

use tracing_subscriber::EnvFilter;

use super::settings::Logging;

/// `logging.level` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{level}` is not a valid log filter such as `info` or `gateway=debug,kube=warn`: {message}")]
pub struct InvalidFilter {
    level: String,
    message: String,
}

impl Logging {
    /// The filter that `level` says; an empty one would silently turn everything off but errors.
    ///
    /// # Errors
    /// If it is none, or names a level that there is not.
    pub fn filter(&self) -> Result<EnvFilter, InvalidFilter> {
        let level = self.level.as_str();
        let bad = |message: String| InvalidFilter { level: level.to_owned(), message };
        if level.trim().is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        // A bare word is read as the target of that name: a misspelt level would log nothing of ours.
        let known = ["off", "error", "warn", "info", "debug", "trace"];
        for word in level.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
            let is_level = known.iter().any(|name| name.eq_ignore_ascii_case(word));
            if !is_level {
                return Err(bad(format!("`{word}` is not a level")));
            }
        }
        EnvFilter::builder().parse(level).map_err(|error| bad(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::level("info", true)]
    #[case::targets("info,gateway=debug,kube=warn", true)]
    #[case::misspelt("inof", false)]
    #[case::bad_level("gateway=loud", false)]
    #[case::empty(" ", false)]
    fn a_bad_filter_is_an_error_that_names_it(#[case] level: &str, #[case] good: bool) {
        match (Logging { level: level.to_owned(), ..Logging::default() }).filter() {
            Ok(_) => assert!(good, "{level} was taken"),
            Err(error) => {
                assert!(
                    !good && error.to_string().starts_with(&format!("`{level}` is not a valid log filter")),
                    "{error}"
                );
            }
        }
    }
}

//! What the environment may set.

use std::{str::FromStr, time::Duration};

/// How the embedded API behaves, and how large a burst is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `BENCH_READ_MS`: a get, list or watch.
    pub read: Duration,
    /// `BENCH_WRITE_MS`: everything else.
    pub write: Duration,
    /// `BENCH_LIST_WAIT_MS`: between the progress notifications that a consistent list waits for if the newest write
    /// was one of another resource, as Kubernetes does since 1.34.
    pub list_wait: Duration,
    /// `BENCH_BURST`: signals at once.
    pub burst: usize,
}

impl Default for Settings {
    /// About what an idle kube-apiserver takes beside its etcd.
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { read: ms(1), write: ms(4), list_wait: ms(100), burst: 30 }
    }
}

/// A variable that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    variable: &'static str,
    text: String,
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={:?} is not a whole number of a sensible size", self.variable, self.text)
    }
}

impl std::error::Error for Unusable {}

/// Longer latencies would run into the gateway's own deadlines, larger bursts into its limits.
const MS_MAX: u64 = 1_000;
const BURST_MAX: usize = 500;

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// If a variable is no number, or too large.
    pub fn from_env() -> Result<Self, Unusable> {
        Self::read_from(|variable| std::env::var(variable).ok())
    }

    fn read_from(get: impl Fn(&str) -> Option<String>) -> Result<Self, Unusable> {
        let Self { read, write, list_wait, burst } = Self::default();
        let ms = |variable, default: Duration| {
            let default = u64::try_from(default.as_millis()).unwrap_or(MS_MAX);
            number(&get, variable, default, 0, MS_MAX).map(Duration::from_millis)
        };
        Ok(Self {
            read: ms("BENCH_READ_MS", read)?,
            write: ms("BENCH_WRITE_MS", write)?,
            list_wait: ms("BENCH_LIST_WAIT_MS", list_wait)?,
            burst: number(&get, "BENCH_BURST", burst, 1, BURST_MAX)?,
        })
    }
}

fn number<N: FromStr + PartialOrd>(
    get: impl Fn(&str) -> Option<String>,
    variable: &'static str,
    default: N,
    least: N,
    most: N,
) -> Result<N, Unusable> {
    let Some(text) = get(variable) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (&least..=&most).contains(&number));
    number.ok_or(Unusable { variable, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_environment_does_not_set_is_the_default() {
        assert_eq!(Settings::read_from(|_| None), Ok(Settings::default()));
    }

    #[test]
    fn the_environment_decides() {
        let read = Settings::read_from(|variable| (variable == "BENCH_WRITE_MS").then(|| "20".to_owned()));
        assert_eq!(read, Ok(Settings { write: Duration::from_millis(20), ..Settings::default() }));
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for text in ["many", "0", "501", "-1"] {
            let read = Settings::read_from(|variable| (variable == "BENCH_BURST").then(|| text.to_owned()));
            let message = read.unwrap_err().to_string();
            assert!(message.starts_with("BENCH_BURST=") && message.contains(text), "{message}");
        }
    }
}

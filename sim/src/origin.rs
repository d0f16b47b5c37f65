//! What made a page: the command, the commit, and when.

use std::{env, path::Path, process::Command};

use jiff::Timestamp;

/// What a page says of itself. Two pages of one run differ in nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// As it would be typed.
    pub(crate) command: String,
    /// As `git describe` names it.
    pub(crate) commit: String,
    /// In UTC, to the second.
    pub(crate) date: String,
}

impl Origin {
    /// Of a page that this process writes now.
    pub(crate) fn of_this_process() -> Self {
        let program = env::args().next().unwrap_or_default();
        let program = Path::new(&program).file_name().map_or_else(|| "sim".into(), |name| name.to_string_lossy());
        let words: Vec<String> = [program.into_owned()].into_iter().chain(env::args().skip(1)).map(quoted).collect();
        let date = date(env::var("SOURCE_DATE_EPOCH").ok().as_deref());
        Self { command: words.join(" "), commit: commit(), date }
    }
}

/// The commit: `SIM_COMMIT` of the build's environment, else that of the work tree in which this program runs. `cargo run`
/// builds what is there, so that is what was run.
pub(crate) fn commit() -> String {
    option_env!("SIM_COMMIT").map_or_else(of_the_work_tree, str::to_owned)
}

fn of_the_work_tree() -> String {
    let is_ours = |root: &String| Path::new(root).join("sim/src/origin.rs").is_file();
    git(&["rev-parse", "--show-toplevel"])
        .filter(is_ours)
        .and_then(|_| git(&["describe", "--always", "--dirty", "--abbrev=12"]))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    text.lines().next().map(str::to_owned)
}

/// Now, or `SOURCE_DATE_EPOCH`, for pages that are to be the same to the byte.
#[allow(clippy::disallowed_methods, reason = "a page is written in real time, whatever it is about")]
fn date(epoch: Option<&str>) -> String {
    let given = epoch.and_then(|seconds| seconds.parse().ok()).and_then(|seconds| Timestamp::from_second(seconds).ok());
    given.unwrap_or_else(Timestamp::now).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// As a shell takes it for one word.
fn quoted(word: String) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("--seed", "--seed")]
    #[case("", "''")]
    #[case("effect 1.1, answer 1.1", "'effect 1.1, answer 1.1'")]
    #[case("it's; rm *", r"'it'\''s; rm *'")]
    fn words_are_quoted_where_a_shell_would_part_or_expand_them(#[case] word: &str, #[case] expected: &str) {
        assert_eq!(quoted(word.to_owned()), expected);
    }

    #[test]
    fn the_date_is_the_one_that_reproducible_builds_name() {
        assert_eq!(date(Some("1700000000")), "2023-11-14 22:13:20 UTC");
        assert_ne!(date(Some("not a number")), date(Some("0")));
    }
}

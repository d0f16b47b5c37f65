//! Who else writes a RemediationRequest gets a write of its own through, however many signals come.

use super::oracle::{Oracle, Progress};

/// A controller that reads, works for 20 ms and writes what it read gets through within this.
const TIMEOUT_MS: i64 = 1000;

/// Judges each write of a neighbour.
#[derive(Debug, Default)]
pub struct Neighbours;

impl Oracle for Neighbours {
    fn name(&self) -> &'static str {
        "neighbours"
    }

    fn on_neighbour(&mut self, progress: &Progress<'_>) -> Option<String> {
        let Progress { user, object, since_ms, at_ms, tries, done } = progress;
        let waited_ms = at_ms - since_ms;
        let how = if *done { "got a write through" } else { "has not got a write through" };
        (waited_ms > TIMEOUT_MS).then(|| format!("{user} {how} on {object} in {tries} tries within {waited_ms} ms"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::at_once(30, true, false)]
    #[case::within_a_second(1000, true, false)]
    #[case::too_late(1001, true, true)]
    #[case::not_yet(600, false, false)]
    #[case::starved(1001, false, true)]
    fn a_neighbour_waits_a_second_at_most(#[case] at_ms: i64, #[case] done: bool, #[case] violated: bool) {
        let progress = Progress { user: "controller", object: "a", since_ms: 0, at_ms, tries: 9, done };
        assert_eq!(Neighbours.on_neighbour(&progress).is_some(), violated);
    }
}

//! What is wrong with the results.

/// Problems that are told; the others are counted.
const PROBLEMS_MAX: usize = 20;
/// Characters of a problem, which may quote what was read.
const PROBLEM_CHARS_MAX: usize = 500;

/// Problems, as many as anybody reads.
#[derive(Default)]
pub(super) struct Problems {
    shown: Vec<String>,
    more: u64,
}

impl Problems {
    pub(super) fn add(&mut self, problem: &str) {
        if self.shown.len() < PROBLEMS_MAX {
            self.shown.push(problem.chars().take(PROBLEM_CHARS_MAX).collect());
        } else {
            self.more += 1;
        }
    }

    pub(super) fn told(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.shown.iter().cloned().chain(more).collect()
    }
}

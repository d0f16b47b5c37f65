//! A circuit breaker: when requests go unanswered to their deadlines one after the other, further ones fail at once.
//!
//! An API server that refuses connections fails fast by itself. One that swallows them would hold every signal, and its
//! place among the requests under way, to the end of its deadline.

use std::time::Duration;

use crate::context::Monotonic;

/// Deadlines in a row, of any requests, after which the circuit opens.
const DEADLINES_MAX: u32 = 5;
/// How long it stays open before one request may try.
const OPEN: Duration = Duration::from_secs(2);
/// A request that had less time than this says nothing about the API server when it runs out of it.
pub(super) const MEANINGFUL_WAIT: Duration = Duration::from_secs(1);

/// The state of a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Requests are sent.
    #[default]
    Closed,
    /// One request was let through to try; the others fail at once.
    HalfOpen,
    /// Requests fail at once.
    Open,
}

impl State {
    /// The value of `gateway_circuit_breaker_state`.
    pub(super) const fn value(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// A circuit breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    deadlines: u32,
    /// When an open circuit lets one request try, or a half open one another.
    retry_at: Monotonic,
}

impl Breaker {
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Whether a request may be sent at `now`.
    pub(super) fn admits(&mut self, now: Monotonic) -> bool {
        match self.state {
            State::Closed => true,
            State::Open | State::HalfOpen if now < self.retry_at => false,
            State::Open | State::HalfOpen => {
                self.state = State::HalfOpen;
                // If the one that tries is dropped on the way, another may try later.
                self.retry_at = now + OPEN;
                true
            }
        }
    }

    /// The API server answered, or refused to: it is there, or fails fast.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// A request went unanswered to its deadline.
    pub(super) fn unanswered(&mut self, now: Monotonic) {
        self.deadlines = self.deadlines.saturating_add(1);
        if self.deadlines >= DEADLINES_MAX {
            self.state = State::Open;
            self.retry_at = now + OPEN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(secs))
    }

    fn opened(now: Monotonic) -> Breaker {
        let mut breaker = Breaker::default();
        (0..DEADLINES_MAX).for_each(|_| breaker.unanswered(now));
        breaker
    }

    #[test]
    fn it_opens_after_several_deadlines_in_a_row_only() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            (1..DEADLINES_MAX).for_each(|_| breaker.unanswered(at(1)));
            assert!(breaker.admits(at(1)));
            breaker.answered();
        }
        assert_eq!(opened(at(1)).state(), State::Open);
        assert!(!opened(at(1)).admits(at(2)));
    }

    #[test]
    fn after_a_while_one_request_tries_for_all() {
        let mut breaker = opened(at(1));
        assert!(breaker.admits(at(3)));
        assert_eq!(breaker.state(), State::HalfOpen);
        assert!(!breaker.admits(at(3)), "the others fail at once");
        breaker.answered();
        assert!(breaker.admits(at(3)));
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_try_that_goes_unanswered_opens_it_again() {
        let mut breaker = opened(at(1));
        assert!(breaker.admits(at(3)));
        breaker.unanswered(at(18));
        assert!(!breaker.admits(at(19)));
        assert!(breaker.admits(at(20)));
    }

    #[test]
    fn a_try_that_is_never_heard_of_again_does_not_block_for_good() {
        let mut breaker = opened(at(1));
        assert!(breaker.admits(at(3)));
        assert!(!breaker.admits(at(4)));
        assert!(breaker.admits(at(5)));
    }
}

//! A circuit breaker: while an API server does not respond to any request, requests fail at once, and one probe at a time
//! checks whether it is back.
//!
//! An API server that refuses connections fails fast by itself. One that swallows them would hold every signal, and its
//! place among the requests under way, to the end of its deadline.
//!
//! A request that goes unanswered to its deadline proves little while others are answered: it may have been slow alone. If
//! nothing at all was answered since it was sent, the server is *suspected*: a probe asks it at once, for [`TIMEOUT_MIN`].
//! Only if that goes unanswered, too, the circuit *opens*: requests under way are given up, and further ones are not sent.
//! Probes then wait longer and longer, so that a server that is merely slow closes the circuit again as well.

use std::time::Duration;

use crate::context::Monotonic;

/// A request that had less time than this says nothing about the API server when it runs out of it.
pub(super) const MEANINGFUL_WAIT: Duration = Duration::from_secs(1);
/// How long the first probe waits: with it, a circuit is open this long after the first unanswered deadline.
pub(super) const TIMEOUT_MIN: Duration = Duration::from_millis(500);
/// How long a probe waits at most. A server that takes longer for one read answers no signal in its time.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_secs(10);
/// Between two probes, before jitter.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// The state of a circuit, with the value of `gateway_circuit_breaker_state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Requests are sent.
    #[default]
    Closed = 0,
    /// Requests are sent, and the first probe is under way.
    Suspected = 1,
    /// Requests fail at once, and probes are sent.
    Open = 2,
}

/// A circuit breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// The newest answer of any kind.
    answered: Option<Monotonic>,
    /// Somebody sends probes.
    probing: bool,
}

impl Breaker {
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// The API server answered, whatever it said.
    pub(super) fn answered(&mut self, now: Monotonic) {
        self.state = State::Closed;
        self.answered = Some(now);
    }

    /// A request that was sent at `sent` went unanswered; whether to begin to probe.
    pub(super) fn unanswered(&mut self, sent: Monotonic) -> bool {
        let others_were = self.answered.is_some_and(|answered| answered >= sent);
        if self.state != State::Closed || others_were {
            return false;
        }
        self.state = State::Suspected;
        !std::mem::replace(&mut self.probing, true)
    }

    /// A probe that was sent at `sent` went unanswered; whether there is to be another.
    pub(super) fn probe_failed(&mut self, sent: Monotonic) -> bool {
        self.probing = self.state != State::Closed;
        // If the server has responded meanwhile and is suspected again, only a newer probe may open the circuit.
        if self.probing && self.answered.is_none_or(|answered| answered < sent) {
            self.state = State::Open;
        }
        self.probing
    }

    pub(super) fn probe_answered(&mut self, now: Monotonic) {
        self.probing = false;
        self.answered(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(secs))
    }

    #[test]
    fn a_request_that_was_slow_alone_says_nothing() {
        let mut breaker = Breaker::default();
        breaker.answered(at(2));
        assert!(!breaker.unanswered(at(1)));
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn the_first_unanswered_request_has_one_probe_sent_and_the_others_none() {
        let mut breaker = Breaker::default();
        breaker.answered(at(1));
        assert!(breaker.unanswered(at(2)));
        assert!(!breaker.unanswered(at(3)));
        assert_eq!(breaker.state(), State::Suspected);
    }

    #[test]
    fn it_opens_when_the_probe_goes_unanswered_too_and_closes_at_the_first_answer() {
        let mut breaker = Breaker::default();
        assert!(breaker.unanswered(at(2)));
        assert!(breaker.probe_failed(at(17)));
        assert_eq!(breaker.state(), State::Open);
        assert!(breaker.probe_failed(at(19)), "and is asked again");
        breaker.answered(at(20));
        assert_eq!(breaker.state(), State::Closed);
        assert!(!breaker.probe_failed(at(19)), "a probe that fails late does not open it again");
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn there_is_one_probe_at_a_time_though_it_is_suspected_again_before_the_first_has_ended() {
        let mut breaker = Breaker::default();
        assert!(breaker.unanswered(at(2)));
        breaker.answered(at(18));
        assert!(!breaker.unanswered(at(19)), "the first still probes");
        assert!(breaker.probe_failed(at(17)), "and goes on");
        assert_eq!(breaker.state(), State::Suspected, "but what it found is older than the answer");
        breaker.probe_answered(at(22));
        assert!(breaker.unanswered(at(23)));
    }
}

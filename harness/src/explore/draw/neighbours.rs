//! Neighbours that are hostile and within their rights: which of them take part is drawn too.

use rand::RngExt;

use super::{Draw, SETTLED_MS, Span};
use crate::explore::scenario::{Actor, Adopted, Arrival, Clocks, Fault, Network, Refusal, Scenario, What, When};

/// Between two signals of a stream.
const STREAM_MS: u64 = 20;
const STREAM_MAX: u64 = 150;
/// A replica may be suspended for less than *D*, and hear nothing from its watch until that ends by itself.
const HALF_OPEN_MAX_MS: u64 = 40_000;
const KINDS: [fn(&mut Draw, Span, &mut Scenario); 9] = [
    Draw::typed,
    Draw::maps,
    Draw::adopted,
    Draw::rolls,
    Draw::crowd,
    Draw::refusals,
    Draw::suspensions,
    Draw::old_crd,
    Draw::lease_store,
];

impl Draw {
    /// At least one of them.
    pub(super) fn neighbours(&mut self, span: Span, scenario: &mut Scenario) {
        let certain = self.rng.random_range(0..KINDS.len());
        for (number, takes_part) in KINDS.iter().enumerate() {
            if self.one_in(4) || number == certain {
                takes_part(self, span, scenario);
            }
        }
        if self.one_in(4) {
            self.stream(span, scenario);
        }
        scenario.signals.sort_by_key(|signal| signal.at_ms);
        // Drawn last, so that all else stays what it was before these were thought of.
        if self.one_in(8) {
            self.not_found(span, scenario);
        }
        scenario.ready_only = self.one_in(4);
    }

    fn at(&mut self, span: Span) -> When {
        When::AtMs(self.rng.random_range(0..span.ms))
    }

    fn some_replica(&mut self, scenario: &Scenario) -> usize {
        self.rng.random_range(0..scenario.replicas.len())
    }

    /// One resource's signals at 50 a second.
    fn stream(&mut self, span: Span, scenario: &mut Scenario) {
        let count = self.rng.random_range(10..=(span.ms / STREAM_MS).clamp(11, STREAM_MAX));
        let begins = self.rng.random_range(0..=span.ms.saturating_sub(count * STREAM_MS));
        for number in 0..count {
            let (at_ms, replica) = (begins + number * STREAM_MS, self.some_replica(scenario));
            scenario.signals.push(Arrival { at_ms: at_ms.min(span.ms), replica, resource: 0, retries: 1 });
        }
    }

    fn typed(&mut self, span: Span, scenario: &mut Scenario) {
        let most = (span.ms / 20).clamp(10, 2_000);
        scenario.actors.push(Actor::Typed { pause_ms: self.rng.random_range(5..=most) });
        if self.one_in(2) {
            self.lose_answers(scenario);
        }
    }

    /// What is written between an effect and the look whether there was one tells most.
    fn lose_answers(&mut self, scenario: &mut Scenario) {
        let Network { answer_lost, slow_answer, slow_max_ms, .. } = &mut scenario.network;
        (*answer_lost, *slow_answer) = (self.rng.random_range(100..=300), self.rng.random_range(100..=500));
        *slow_max_ms = self.rng.random_range(50..=500);
    }

    fn maps(&mut self, span: Span, scenario: &mut Scenario) {
        let most = (span.ms / 20).clamp(10, 5_000);
        scenario.actors.push(Actor::Maps { pause_ms: self.rng.random_range(5..=most) });
    }

    /// At most one of a resource is active: the predecessor service has ended before this one begins.
    fn adopted(&mut self, span: Span, scenario: &mut Scenario) {
        for resource in 0..scenario.resources() {
            let active = self.one_in(2);
            for number in 0..self.rng.random_range(0..=3) {
                let count = self.rng.random::<bool>().then(|| self.rng.random_range(1..=9));
                let age_s = self.rng.random_range(60..7_200);
                scenario.adopted.push(Adopted { resource, terminal: !active || number > 0, count, age_s });
            }
        }
        if scenario.adopted.is_empty() || self.one_in(3) {
            scenario.actors.push(Actor::Restorer { pause_ms: (span.ms / 4).clamp(5, 20_000) });
        }
    }

    fn rolls(&mut self, span: Span, scenario: &mut Scenario) {
        for replica in 0..scenario.replicas.len() {
            for _ in 0..self.rng.random_range(1..=4) {
                let (when, down_ms) = (self.at(span), self.rng.random_range(0..100));
                scenario.faults.push(Fault { when, what: What::Roll { replica, down_ms } });
            }
        }
    }

    /// More writers of one object than anybody would think of, and signals for all of them. Seldom: it takes long.
    fn crowd(&mut self, span: Span, scenario: &mut Scenario) {
        if !self.one_in(4) {
            return;
        }
        let count = self.rng.random_range(33..=40);
        self.lose_answers(scenario);
        scenario.replicas.resize(count, Clocks::default());
        let begins = self.rng.random_range(0..span.ms / 2);
        for replica in 0..count {
            let at_ms = begins + self.rng.random_range(0..=(span.ms / 2).min(100));
            scenario.signals.push(Arrival { at_ms, replica, resource: 0, retries: 1 });
        }
    }

    fn refusals(&mut self, span: Span, scenario: &mut Scenario) {
        for _ in 0..self.rng.random_range(1..=2) {
            let refusal = [Refusal::Quota, Refusal::Policy, Refusal::StatusNotFound][self.rng.random_range(0..3)];
            let (when, for_ms) = (self.at(span), self.rng.random_range(20..=(span.ms / 2).clamp(21, 20_000)));
            scenario.faults.push(Fault { when, what: What::Refuse { refusal, for_ms } });
        }
    }

    fn not_found(&mut self, span: Span, scenario: &mut Scenario) {
        self.lose_answers(scenario);
        for _ in 0..self.rng.random_range(1..=3) {
            let refusal = [Refusal::CounterNotFound, Refusal::ObjectNotFound][self.rng.random_range(0..2)];
            let (when, for_ms) = (self.at(span), self.rng.random_range(5..=(span.ms / 4).clamp(6, 5_000)));
            scenario.faults.push(Fault { when, what: What::Refuse { refusal, for_ms } });
        }
    }

    fn suspensions(&mut self, span: Span, scenario: &mut Scenario) {
        let replica = self.some_replica(scenario);
        let most = [500, 5_000, SETTLED_MS - HALF_OPEN_MAX_MS][self.rng.random_range(0..3)];
        let for_ms = self.rng.random_range(100..=most);
        let half_open_ms = self.rng.random_range(0..=HALF_OPEN_MAX_MS);
        let when = if self.rng.random() { self.at(span) } else { When::Request(replica, self.rng.random_range(2..30)) };
        scenario.faults.push(Fault { when, what: What::Suspend { replica, for_ms, half_open_ms } });
    }

    fn old_crd(&mut self, span: Span, scenario: &mut Scenario) {
        self.lose_answers(scenario);
        let (when, for_ms) = (self.at(span), self.rng.random_range(20..=(span.ms / 2).clamp(21, 20_000)));
        scenario.faults.push(Fault { when, what: What::OldCrd { for_ms } });
    }

    fn lease_store(&mut self, _span: Span, scenario: &mut Scenario) {
        scenario.lease_store = Some(if self.rng.random() { 1 } else { 1_000_000 });
    }
}

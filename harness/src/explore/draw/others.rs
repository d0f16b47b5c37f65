//! Who else takes part, and what the protocol does not promise to survive.

use rand::RngExt;

use super::{Draw, SETTLED_MS, Span};
use crate::explore::{
    fault_profile::FaultProfile,
    scenario::{Actor, Arrival, Caches, Fault, Network, Scenario, What, When},
};

/// Signals that come evenly throughout where the assumptions are left.
const EVEN_SIGNALS: u64 = 24;

impl Draw {
    pub(super) fn actors(&mut self, span: Span) -> Vec<Actor> {
        let mut actors = Vec::new();
        let pause_ms = (span.ms / 20).clamp(5, 5_000);
        if self.has() {
            actors.push(Actor::Controller { pause_ms, full_put: self.one_in(4) });
        }
        // Nobody deletes within *D* of a creation or termination (protocol: assumptions).
        let time_to_delete = span.ms > SETTLED_MS;
        if time_to_delete && (self.has() || self.one_in(2)) {
            actors.push(Actor::Retention { after_ms: SETTLED_MS, signals: 0, around_ms: 0 });
        }
        if time_to_delete && (self.has() || self.one_in(2)) {
            actors.push(Actor::User { after_ms: SETTLED_MS });
        }
        actors
    }

    /// Who else creates; drawn last, so that all else stays what it was before these actors were thought of.
    pub(super) fn creators(&mut self, span: Span, scenario: &mut Scenario) {
        if self.profile != FaultProfile::Light && self.has() {
            let pause_ms = (span.ms / 10).clamp(5, 10_000);
            let think_ms = [0, 20, 2_000, 40_000][self.rng.random_range(0..4)];
            scenario.actors.push(Actor::Peer { pause_ms, think_ms, releases: self.rng.random() });
        }
        self.signals_around_deletions(scenario);
        if self.profile == FaultProfile::Foreign {
            scenario.actors.push(Actor::Foreign { pause_ms: (span.ms / 5).clamp(5, 20_000) });
        }
    }

    /// A deletion tells most while signals come that need a successor, and where remediations end so that there is something
    /// to delete.
    fn signals_around_deletions(&mut self, scenario: &mut Scenario) {
        let deletes = |actor: &Actor| matches!(actor, Actor::Retention { .. });
        if !scenario.actors.iter().any(deletes) || self.one_in(4) {
            return;
        }
        let (count, most_ms) = (self.rng.random_range(2..=6), [5, 50, 1_000, 10_000][self.rng.random_range(0..4)]);
        for actor in &mut scenario.actors {
            if let Actor::Retention { signals, around_ms, .. } = actor {
                (*signals, *around_ms) = (count, most_ms);
            }
        }
        if !scenario.actors.iter().any(|actor| matches!(actor, Actor::Controller { .. })) {
            scenario.actors.push(Actor::Controller { pause_ms: self.rng.random_range(5..5_000), full_put: false });
        }
    }

    /// At least one thing that the protocol does not promise to survive, while remediations come and go: what is late does
    /// harm only where it was forgotten.
    pub(super) fn break_bounds(&mut self, span: Span, scenario: &mut Scenario) {
        let pause_ms = self.rng.random_range(2_000..20_000);
        scenario.actors.push(Actor::Controller { pause_ms, full_put: false });
        let step = span.ms / EVEN_SIGNALS;
        for at_ms in (0..EVEN_SIGNALS).map(|number| number * step) {
            let replica = self.rng.random_range(0..scenario.replicas.len());
            scenario.signals.push(Arrival { at_ms, replica, resource: 0, retries: 2 });
        }
        scenario.signals.sort_by_key(|signal| signal.at_ms);
        let kinds = self.rng.random_range(1..8);
        if kinds & 1 != 0 {
            let Network { slow, slow_max_ms, .. } = &mut scenario.network;
            *slow = self.rng.random_range(20..=150);
            *slow_max_ms = self.rng.random_range(SETTLED_MS..=SETTLED_MS * 3);
        }
        if kinds & 2 != 0 {
            let after_ms = self.rng.random_range(0..=SETTLED_MS / 2);
            scenario.actors.push(Actor::Retention { after_ms, signals: 3, around_ms: 100 });
        }
        if kinds & 4 != 0 {
            let replica = self.rng.random_range(0..scenario.replicas.len());
            let when = When::Request(replica, self.rng.random_range(2..30));
            let for_ms = self.rng.random_range(SETTLED_MS..=SETTLED_MS * 3);
            scenario.faults.push(Fault { when, what: What::Pause { replica, for_ms } });
            scenario.heal_at_ms += for_ms;
        }
        // Drawn last, as above.
        if self.one_in(4) {
            scenario.actors.push(Actor::Finalizers { pause_ms: self.rng.random_range(100..5_000) });
        }
    }

    /// Backups, and what is lost when etcd is restored from them: remediations begin, end and go all the while.
    pub(super) fn restores(&mut self, span: Span, scenario: &mut Scenario) {
        let pause_ms = self.rng.random_range(20..=(span.ms / 8).clamp(21, 10_000));
        scenario.actors.push(Actor::Controller { pause_ms, full_put: false });
        let step = span.ms / EVEN_SIGNALS;
        for at_ms in (0..EVEN_SIGNALS).map(|number| number * step) {
            let (replica, resource) = (self.rng.random_range(0..scenario.replicas.len()), 0);
            scenario.signals.push(Arrival { at_ms, replica, resource, retries: 2 });
        }
        scenario.signals.sort_by_key(|signal| signal.at_ms);
        // One after the other: a backup that is younger than what was restored last would bring back what had been undone.
        let count = self.rng.random_range(1..=2);
        let share = span.ms / count;
        for number in 0..count {
            let for_ms = self.rng.random_range(1..share);
            let when = When::AtMs(number * share + self.rng.random_range(0..share - for_ms));
            let caches = match self.rng.random_range(0..3) {
                0 => Caches::Anew,
                1 => Caches::Passed,
                _ => Caches::Stay { for_ms: self.rng.random_range(10..=share.max(10)) },
            };
            scenario.faults.push(Fault { when, what: What::Restore { for_ms, caches } });
        }
    }
}

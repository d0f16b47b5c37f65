//! Draws a scenario from a seed. The profile itself is drawn too (swarm testing): most runs have a few kinds of faults, often.

mod neighbours;
mod others;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    fault_profile::FaultProfile,
    scenario::{Arrival, Clocks, Fault, Network, Promise, Scenario, What, When},
};

/// *D* of the protocol with the default configuration, in milliseconds, and a tenth for clocks that run slow.
pub const SETTLED_MS: u64 = 176_000;
/// A sent request takes effect within this, or never (protocol: assumptions).
const REQUEST_LIFE_MS: u64 = 60_000;
/// By then an undisturbed replica has synchronised its view.
const READY_MS: u64 = 50;

/// The scenario of `seed` under `profile`.
pub fn draw(seed: u64, profile: FaultProfile) -> Scenario {
    Draw { rng: StdRng::seed_from_u64(seed), profile, seed }.scenario()
}

/// How long the faults last: most that can go wrong does so within seconds, deletions need minutes.
#[derive(Clone, Copy)]
struct Span {
    ms: u64,
}

struct Draw {
    rng: StdRng,
    profile: FaultProfile,
    seed: u64,
}

impl Draw {
    fn scenario(mut self) -> Scenario {
        if self.profile == FaultProfile::None {
            return self.undisturbed();
        }
        let span = self.span();
        let replicas = self.rng.random_range(1..=4);
        let resources = self.rng.random_range(1..=2);
        let signals = self.signals(span, replicas, resources);
        let network = self.network();
        let faults = self.faults(span, replicas);
        let actors = self.actors(span);
        let replicas = (0..replicas).map(|_| self.clocks()).collect();
        let (seed, promise) = (self.seed, self.profile.promise());
        let mut scenario = Scenario {
            seed,
            replicas,
            signals,
            network,
            faults,
            actors,
            heal_at_ms: span.ms,
            promise,
            ..Scenario::default()
        };
        self.creators(span, &mut scenario);
        if self.profile == FaultProfile::Neighbours {
            self.neighbours(span, &mut scenario);
        }
        if self.profile == FaultProfile::Beyond {
            self.break_bounds(span, &mut scenario);
        }
        if self.profile == FaultProfile::Restored {
            self.restores(span, &mut scenario);
        }
        scenario
    }

    /// Three replicas that are ready, ten signals on one resource, all within a few milliseconds.
    fn undisturbed(mut self) -> Scenario {
        let arrival = |i: usize| Arrival {
            at_ms: READY_MS + self.rng.random_range(0..20),
            replica: i % 3,
            resource: 0,
            retries: 0,
        };
        let mut signals: Vec<Arrival> = (0..10).map(arrival).collect();
        signals.sort_by_key(|signal| signal.at_ms);
        let network = Network { latency_min_ms: 1, latency_max_ms: 8, ..Network::default() };
        let replicas = vec![Clocks::default(); 3];
        let (faults, actors) = (Vec::new(), Vec::new());
        let (seed, heal_at_ms, promise) = (self.seed, READY_MS + 100, Promise::Unique);
        Scenario { seed, replicas, signals, network, faults, actors, heal_at_ms, promise, ..Scenario::default() }
    }

    /// One in `n`.
    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_range(0..n) == 0
    }

    /// Whether a kind of fault is part of the profile.
    fn has(&mut self) -> bool {
        match self.profile {
            FaultProfile::None => false,
            FaultProfile::Light => self.one_in(6),
            FaultProfile::Heavy => true,
            FaultProfile::Swarm
            | FaultProfile::Neighbours
            | FaultProfile::Foreign
            | FaultProfile::Beyond
            | FaultProfile::Restored => self.one_in(3),
        }
    }

    /// In thousandths; mostly small.
    fn share(&mut self) -> u16 {
        if !self.has() {
            return 0;
        }
        let most = if self.profile == FaultProfile::Light { 20 } else { [30, 100, 400][self.rng.random_range(0..3)] };
        self.rng.random_range(1..=most)
    }

    fn span(&mut self) -> Span {
        let ms = match self.rng.random_range(0..10) {
            // What is late by *D* must find that others have gone on.
            _ if self.profile == FaultProfile::Beyond => self.rng.random_range(SETTLED_MS * 2..SETTLED_MS * 5),
            0..=6 => self.rng.random_range(200..4_000),
            7..=8 => self.rng.random_range(4_000..70_000),
            _ => self.rng.random_range(SETTLED_MS * 3 / 2..SETTLED_MS * 4),
        };
        Span { ms }
    }

    fn clocks(&mut self) -> Clocks {
        let offset_ms = if self.has() { self.rng.random_range(-120_000..=120_000) } else { 0 };
        let rate_ppm = if self.has() { self.rng.random_range(-50_000..=50_000) } else { 0 };
        Clocks { offset_ms, rate_ppm }
    }

    /// Some in bursts, some apart.
    fn signals(&mut self, span: Span, replicas: usize, resources: usize) -> Vec<Arrival> {
        let count = self.rng.random_range(2..=14);
        let mut at_ms = 0;
        let mut signals = Vec::new();
        for _ in 0..count {
            at_ms += match self.rng.random_range(0..6) {
                0..=3 => self.rng.random_range(0..8),
                4 => self.rng.random_range(0..200),
                _ => self.rng.random_range(0..=span.ms / 3),
            };
            signals.push(Arrival {
                at_ms: at_ms.min(span.ms),
                replica: self.rng.random_range(0..replicas),
                resource: self.rng.random_range(0..resources),
                retries: self.rng.random_range(0..=2),
            });
        }
        signals
    }

    fn network(&mut self) -> Network {
        let latency_min_ms = self.rng.random_range(0..=2);
        let latency_max_ms = latency_min_ms + [0, 3, 10, 50][self.rng.random_range(0..4)];
        let slow_max_ms = [200, 5_000, REQUEST_LIFE_MS - 1_000][self.rng.random_range(0..3)];
        let lag_max_ms = [20, 500, 20_000][self.rng.random_range(0..3)];
        Network {
            latency_min_ms,
            latency_max_ms,
            latency_step_ms: if self.has() { self.rng.random_range(1..=20) } else { 0 },
            slow: self.share(),
            slow_max_ms,
            slow_answer: self.share(),
            lost: self.share(),
            answer_lost: self.share(),
            refused: self.share(),
            timed_out: self.share(),
            lagging: self.share(),
            late_event: self.share(),
            lag_max_ms,
            broken_watch: self.share(),
            event_lag_ms: if self.has() { self.rng.random_range(1..=200) } else { 0 },
        }
    }

    fn faults(&mut self, span: Span, replicas: usize) -> Vec<Fault> {
        let mut faults = Vec::new();
        for kind in 0..8 {
            if !self.has() {
                continue;
            }
            for _ in 0..self.rng.random_range(1..=3) {
                faults.push(self.fault(kind, span, replicas));
            }
        }
        faults
    }

    fn fault(&mut self, kind: u32, span: Span, replicas: usize) -> Fault {
        let replica = self.rng.random_range(0..replicas);
        let at = When::AtMs(self.rng.random_range(0..span.ms));
        // The first requests of a replica are those of its start: list, watch.
        let request = When::Request(self.rng.random_range(0..replicas), self.rng.random_range(2..30));
        let for_ms = [50, 700, 8_000, 45_000][self.rng.random_range(0..4)];
        let for_ms = self.rng.random_range(for_ms / 2..=for_ms * 2);
        let lands = self.rng.random();
        let what = match kind {
            0 => What::Crash { replica, lands, down_ms: for_ms, new_pod: false },
            1 => What::Crash { replica, lands, down_ms: for_ms, new_pod: true },
            2 => What::Restart { replica, down_ms: for_ms },
            3 => What::Pause { replica, for_ms },
            4 => What::Cut { replica, for_ms },
            5 => What::Down { for_ms },
            6 => What::HoldWatches { replica, for_ms },
            _ if self.rng.random() => What::BreakWatches { replica },
            _ => What::Compact,
        };
        let when = if self.rng.random() { request } else { at };
        // A crash or pause at a request is most telling for the replica that sends it.
        let what = match (when, what) {
            (When::Request(sender, _), What::Crash { lands, down_ms, new_pod, .. }) => {
                What::Crash { replica: sender, lands, down_ms, new_pod }
            }
            (When::Request(sender, _), What::Pause { for_ms, .. }) => What::Pause { replica: sender, for_ms },
            (_, what) => what,
        };
        Fault { when, what }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::explore::scenario::Actor;

    #[test]
    fn a_seed_always_draws_the_same_scenario() {
        for profile in FaultProfile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
            for seed in 0..50 {
                assert_eq!(draw(seed, profile), draw(seed, profile));
                assert_ne!(draw(seed, profile), draw(seed + 1, profile));
                assert_eq!(draw(seed, profile).is_undisturbed(), profile == FaultProfile::None);
            }
        }
    }

    #[test]
    fn a_swarm_draws_every_kind_of_fault_and_actor_sooner_or_later() {
        let scenarios: Vec<Scenario> = (0..300).map(|seed| draw(seed, FaultProfile::Swarm)).collect();
        let kinds = |name: &str| scenarios.iter().filter(|s| format!("{s:?}").contains(name)).count();
        for kind in ["Crash", "Restart", "Pause", "Cut", "Down", "HoldWatches", "BreakWatches", "Compact"] {
            assert!((10..290).contains(&kinds(kind)), "{kind}: {}", kinds(kind));
        }
        for kind in ["Controller", "Retention", "User", "Peer"] {
            assert!(kinds(kind) >= 5, "{kind}: {}", kinds(kind));
        }
    }

    #[test]
    fn every_kind_of_neighbour_takes_part_sooner_or_later() {
        let scenarios: Vec<Scenario> = (0..300).map(|seed| draw(seed, FaultProfile::Neighbours)).collect();
        for kind in [
            "Typed",
            "Maps",
            "Restorer",
            "Adopted",
            "Roll",
            "Suspend",
            "Quota",
            "Policy",
            "StatusNotFound",
            "CounterNotFound",
            "ObjectNotFound",
            "OldCrd",
            "ready_only: true",
        ] {
            let drawn = scenarios.iter().filter(|scenario| format!("{scenario:?}").contains(kind)).count();
            assert!((10..290).contains(&drawn), "{kind}: {drawn}");
        }
        assert!(scenarios.iter().any(|scenario| scenario.replicas.len() > 32));
        assert!(scenarios.iter().any(|scenario| scenario.lease_store.is_some()));
    }

    #[rstest]
    #[case::light(FaultProfile::Light, false)]
    #[case::heavy(FaultProfile::Heavy, false)]
    #[case::swarm(FaultProfile::Swarm, false)]
    #[case::neighbours(FaultProfile::Neighbours, false)]
    #[case::foreign(FaultProfile::Foreign, true)]
    #[case::beyond(FaultProfile::Beyond, true)]
    #[case::restored(FaultProfile::Restored, true)]
    fn only_fault_profiles_of_their_own_leave_the_assumptions(#[case] profile: FaultProfile, #[case] leaves: bool) {
        for seed in 0..300 {
            let Scenario { network, faults, actors, promise, .. } = draw(seed, profile);
            let pauses = faults.iter().any(|i| matches!(i.what, What::Pause { for_ms, .. } if for_ms >= SETTLED_MS));
            let restored = faults.iter().any(|i| matches!(i.what, What::Restore { .. }));
            let other = actors.iter().any(|actor| match actor {
                Actor::Retention { after_ms, .. } | Actor::User { after_ms } => *after_ms < SETTLED_MS,
                Actor::Foreign { .. } => true,
                _ => false,
            });
            assert_eq!(pauses || restored || other || network.slow_max_ms >= REQUEST_LIFE_MS, leaves, "seed {seed}");
            assert_eq!(promise == Promise::Detected, leaves);
        }
    }

    #[test]
    fn a_scenario_survives_being_written_down() {
        let scenario = draw(7, FaultProfile::Heavy);
        let text = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), scenario);
    }
}

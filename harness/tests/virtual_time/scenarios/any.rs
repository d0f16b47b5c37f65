//! Scenarios within the protocol's assumptions, as data that shrinks: fewer replicas, signals, faults.

use harness::explore::scenario::{Actor, Arrival, Clocks, Fault, Network, Promise, Scenario, What, When};
use proptest::{collection::vec, prelude::*};

const REPLICAS_MAX: usize = 3;

/// Any scenario of a few seconds.
pub(crate) fn scenario() -> impl Strategy<Value = Scenario> {
    let parts = (
        0_u64..1000,
        vec(clocks(), 1..=REPLICAS_MAX),
        vec(arrival(), 1..10),
        network(),
        vec(fault(), 0..4),
        vec(actor(), 0..3),
        100_u64..3_000,
    );
    parts.prop_map(|(seed, replicas, mut signals, network, mut faults, actors, heal_at_ms)| {
        let places = replicas.len();
        signals.iter_mut().for_each(|signal| signal.replica %= places);
        signals.sort_by_key(|signal| signal.at_ms);
        for Fault { when, what } in &mut faults {
            if let When::Request(replica, _) = when {
                *replica %= places;
            }
            if let Some(replica) = what.replica_mut() {
                *replica %= places;
            }
        }
        Scenario {
            seed,
            replicas,
            signals,
            network,
            faults,
            actors,
            heal_at_ms,
            promise: Promise::Unique,
            ..Scenario::default()
        }
    })
}

fn clocks() -> impl Strategy<Value = Clocks> {
    let wrong = (-120_000_i64..120_000, -50_000_i32..50_000);
    prop_oneof![
        2 => Just(Clocks::default()),
        1 => wrong.prop_map(|(offset_ms, rate_ppm)| Clocks { offset_ms, rate_ppm }),
    ]
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let at_ms = prop_oneof![3 => 0_u64..100, 1 => 0_u64..3_000];
    (at_ms, 0..REPLICAS_MAX, 0_usize..2, 0_u32..3).prop_map(|(at_ms, replica, resource, retries)| Arrival {
        at_ms,
        replica,
        resource,
        retries,
    })
}

/// A share in thousandths, mostly none.
fn share() -> impl Strategy<Value = u16> {
    prop_oneof![3 => Just(0_u16), 1 => 1_u16..200]
}

fn network() -> impl Strategy<Value = Network> {
    let times = (0_u64..3, 0_u64..20, 0_u64..20, 1_u64..59_000, 1_u64..20_000, 0_u64..100);
    let requests = (share(), share(), share(), share(), share(), share());
    let watches = (share(), share(), share());
    (times, requests, watches).prop_map(|(times, requests, watches)| {
        let (latency_min_ms, more_ms, latency_step_ms, slow_max_ms, lag_max_ms, event_lag_ms) = times;
        let (slow, slow_answer, lost, answer_lost, refused, timed_out) = requests;
        let (lagging, late_event, broken_watch) = watches;
        let latency_max_ms = latency_min_ms + more_ms;
        Network {
            latency_min_ms,
            latency_max_ms,
            latency_step_ms,
            slow,
            slow_max_ms,
            slow_answer,
            lost,
            answer_lost,
            refused,
            timed_out,
            lagging,
            late_event,
            lag_max_ms,
            broken_watch,
            event_lag_ms,
        }
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    let when = prop_oneof![
        (0_u64..3_000).prop_map(When::AtMs),
        (0..REPLICAS_MAX, 2_u64..30).prop_map(|(replica, number)| When::Request(replica, number)),
    ];
    let replica = 0..REPLICAS_MAX;
    let for_ms = 1_u64..45_000;
    let what = (replica, for_ms, any::<bool>(), any::<bool>()).prop_flat_map(|(replica, for_ms, lands, new_pod)| {
        prop_oneof![
            Just(What::Compact),
            Just(What::BreakWatches { replica }),
            Just(What::HoldWatches { replica, for_ms }),
            Just(What::Down { for_ms }),
            Just(What::Cut { replica, for_ms }),
            Just(What::Pause { replica, for_ms }),
            Just(What::Restart { replica, down_ms: for_ms }),
            Just(What::Crash { replica, lands, down_ms: for_ms, new_pod }),
        ]
    });
    (when, what).prop_map(|(when, what)| Fault { when, what })
}

fn actor() -> impl Strategy<Value = Actor> {
    let controller = (5_u64..500, any::<bool>());
    let peer = (5_u64..500, 0_u64..2_000, any::<bool>());
    prop_oneof![
        controller.prop_map(|(pause_ms, full_put)| Actor::Controller { pause_ms, full_put }),
        peer.prop_map(|(pause_ms, think_ms, releases)| Actor::Peer { pause_ms, think_ms, releases }),
    ]
}

//! From the body of a real Alertmanager to the fingerprints of its alerts: no I/O, one thread.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput};
use gateway::{
    remediation::Fingerprint,
    signal::{Parsed, Rules, alertmanager},
};
use jiff::Timestamp;

/// 2027: after the alerts began.
const NOW: Timestamp = Timestamp::constant(1_798_761_600, 0);

/// Bodies as Alertmanager 0.25 sent them, with the alerts in each; see their README.
const BODIES: [(&str, &[u8], usize); 2] = [
    ("1 alert", include_bytes!("../../gateway/tests/fixtures/alertmanager/firing_single.json"), 1),
    ("5 alerts", include_bytes!("../../gateway/tests/fixtures/alertmanager/firing_group.json"), 5),
];

fn fingerprints(body: &[u8], rules: &Rules) -> Vec<Fingerprint> {
    let webhook = alertmanager::parse(body, NOW, rules).expect("a fixture");
    let signals = webhook.alerts.into_iter().filter_map(|alert| match alert {
        Ok(Parsed::Signal(signal)) => Some(signal),
        _ => None,
    });
    signals.map(|signal| signal.as_sent().fingerprint.clone()).collect()
}

fn parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse and fingerprint");
    let rules = Rules::default();
    for (name, body, alerts) in BODIES {
        assert_eq!(fingerprints(body, &rules).len(), alerts, "every alert is usable");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| fingerprints(black_box(body), &rules)));
    }
    group.finish();
}

fn main() {
    let criterion = Criterion::default().without_plots();
    let criterion = criterion.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    let mut criterion = criterion.configure_from_args();
    parsing(&mut criterion);
    criterion.final_summary();
}

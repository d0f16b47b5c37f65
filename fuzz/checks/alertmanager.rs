//! A webhook's body: no panic, the same result each time, and as many results as alerts.
use gateway::{
    config::Config,
    signal::{Parsed, Rules, alertmanager::parse},
};
use jiff::Timestamp;

const NOW: Timestamp = Timestamp::constant(1_793_520_000, 0);

pub(crate) fn check(body: &[u8]) {
    let rules = Rules::new(&Config::default().signal);
    let parsed = parse(body, NOW, &rules);
    assert_eq!(parsed, parse(body, NOW, &rules));
    let Ok(webhook) = parsed else { return };
    assert!((1..=1000).contains(&webhook.alerts.len()));
    for alert in webhook.alerts.into_iter().flatten() {
        if let Parsed::Signal(unresolved) = alert {
            assert!(!unresolved.as_sent().name.is_empty());
            assert!(unresolved.as_sent().original_payload.len() <= body.len().max(64));
        }
    }
}

//! An Event's body: no panic, the same result each time, and a target whose parts can be names.
use gateway::{
    config::Config,
    rfc1123::{is_kind, is_label, is_subdomain},
    signal::{Parsed, Rules, event::parse},
};
use jiff::Timestamp;

const NOW: Timestamp = Timestamp::constant(1_793_520_000, 0);

pub(crate) fn check(body: &[u8]) {
    let rules = Rules::new(&Config::default().signal);
    let parsed = parse(body, NOW, &rules);
    assert_eq!(parsed, parse(body, NOW, &rules));
    if let Ok(Parsed::Signal(unresolved)) = parsed {
        let target = &unresolved.as_sent().target;
        assert!(is_kind(&target.kind) && is_subdomain(&target.name), "{target:?}");
        assert!(target.namespace.is_empty() || is_label(&target.namespace), "{target:?}");
    }
}

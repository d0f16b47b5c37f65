//! The counter of a RemediationRequest: a Lease beside it, in whose annotations signals are counted (protocol: the fast path).
//!
//! Each process has a register of its own there, so that writers never conflict with each other, nor with whoever writes
//! the RemediationRequest itself, nor can a client of that drop what was counted.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::Lease,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::Resource as _;
use serde_json::{Value, json};

use super::{
    crd::RemediationRequest,
    metadata::{COMPONENT_LABEL, COUNTER_COMPONENT, MANAGED_BY, MANAGED_BY_LABEL},
    record::{Record, ResourceVersion},
};

pub(super) const NAME_PREFIX: &str = "gw-count-";
const KEY_PREFIX: &str = "count.gateway.kubernaut.ai/";
/// Signals counted before the counter began.
const BASE: &str = "base";
/// Signals of registers that were folded.
const FOLDED: &str = "folded";
/// Characters of a boot id.
const BOOT_ID_LEN: usize = 16;

/// One boot of a replica, as it names its registers: 16 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(String);

impl BootId {
    /// The boot of which `random` was drawn.
    pub fn new(random: u64) -> Self {
        Self(format!("{random:016x}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let is_one =
            text.len() == BOOT_ID_LEN && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_one.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one boot has counted: `<count>;<sequence>;<time of its newest signal>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register {
    /// Signals that this boot has counted on the RemediationRequest.
    pub count: u64,
    /// Grows with each write of that boot, so that no value ever comes twice.
    pub sequence: u64,
    /// When the newest of the signals was received.
    pub newest: Timestamp,
}

impl Register {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (count, sequence, newest) = (parts.next()?, parts.next()?, parts.next()?);
        let register =
            Self { count: count.parse().ok()?, sequence: sequence.parse().ok()?, newest: newest.parse().ok()? };
        parts.next().is_none().then_some(register)
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, sequence, newest } = self;
        write!(f, "{count};{sequence};{newest}")
    }
}

/// What registers were folded into: `<count>;<sequence>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folded {
    /// Signals counted by them.
    pub count: u64,
    /// Grows with each fold.
    pub sequence: u64,
}

impl Folded {
    fn parse(text: &str) -> Option<Self> {
        let (count, sequence) = text.split_once(';')?;
        Some(Self { count: count.parse().ok()?, sequence: sequence.parse().ok()? })
    }
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, sequence } = self;
        write!(f, "{count};{sequence}")
    }
}

/// A counter as read. What cannot be read of it counts nothing, and is never written over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    /// `metadata.resourceVersion`, of the store of leases: comparable with other counters' alone.
    pub version: ResourceVersion,
    /// `metadata.uid` of the lease, which tells a recreated counter from this one.
    pub uid: String,
    /// What was counted before it began.
    pub base: u64,
    /// What was folded, if anything was.
    pub folded: Option<Folded>,
    /// Registers by boot, those that were folded excluded.
    pub registers: BTreeMap<BootId, Register>,
}

impl Counter {
    /// The counter that `lease` is, if it is one.
    pub fn read(metadata: ObjectMeta) -> Option<Self> {
        let annotations = metadata.annotations.unwrap_or_default();
        let mut counter = Self {
            version: ResourceVersion::parse(metadata.resource_version.as_deref()?)?,
            uid: metadata.uid?,
            base: 0,
            folded: None,
            registers: BTreeMap::new(),
        };
        for (key, value) in annotations {
            match key.strip_prefix(KEY_PREFIX) {
                Some(BASE) => counter.base = value.parse().unwrap_or(0),
                Some(FOLDED) => counter.folded = Folded::parse(&value),
                Some(boot) => {
                    if let (Some(boot), Some(register)) = (BootId::parse(boot), Register::parse(&value)) {
                        counter.registers.insert(boot, register);
                    }
                }
                None => {}
            }
        }
        Some(counter)
    }

    /// Signals counted in all.
    pub fn total(&self) -> u64 {
        let registers = self.registers.values().map(|register| register.count);
        let folded = self.folded.map_or(0, |folded| folded.count);
        registers.fold(self.base.saturating_add(folded), u64::saturating_add)
    }

    /// When the newest signal was received that a register tells of.
    pub fn newest(&self) -> Option<Timestamp> {
        self.registers.values().map(|register| register.newest).max()
    }
}

/// The name of the counter of the RemediationRequest `uid`.
pub fn counter_name(uid: &str) -> String {
    format!("{NAME_PREFIX}{uid}")
}

/// The uid of the RemediationRequest whose counter `name` is.
pub fn counted_by(name: &str) -> Option<&str> {
    name.strip_prefix(NAME_PREFIX)
}

/// A new counter of `object`, with what was counted before and a register of `boot`.
pub fn new_counter(object: &Record, base: u64, boot: &BootId, register: Register) -> Lease {
    let owner = OwnerReference {
        api_version: RemediationRequest::api_version(&()).into_owned(),
        kind: RemediationRequest::kind(&()).into_owned(),
        name: object.name.to_string(),
        uid: object.uid.to_string(),
        ..OwnerReference::default()
    };
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let metadata = ObjectMeta {
        name: Some(counter_name(&object.uid)),
        labels: Some(BTreeMap::from([label(MANAGED_BY_LABEL, MANAGED_BY), label(COMPONENT_LABEL, COUNTER_COMPONENT)])),
        annotations: Some(BTreeMap::from([
            (format!("{KEY_PREFIX}{BASE}"), base.to_string()),
            (format!("{KEY_PREFIX}{boot}"), register.to_string()),
        ])),
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    };
    Lease { metadata, spec: None }
}

/// The JSON patch that puts `new` in place of `old` (none: no such register), if that is still what it is.
pub fn register_patch(boot: &BootId, old: Option<Register>, new: Register) -> Value {
    let path = path(&boot.0);
    json!([
        { "op": "test", "path": path, "value": old.map(|old| old.to_string()) },
        { "op": "add", "path": path, "value": new.to_string() },
    ])
}

/// The JSON patch that folds `boots` of `counter` into one, if all that it reads is still what it is.
pub fn fold_patch(counter: &Counter, boots: &[BootId]) -> Value {
    let registers: Vec<_> = boots.iter().filter_map(|boot| Some((boot, counter.registers.get(boot)?))).collect();
    let before = counter.folded.unwrap_or_default();
    let added = registers.iter().map(|(_, register)| register.count).fold(before.count, u64::saturating_add);
    let after = Folded { count: added, sequence: before.sequence.saturating_add(1) };
    let folded = path(FOLDED);
    let mut steps = vec![json!({
        "op": "test", "path": folded, "value": counter.folded.map(|folded| folded.to_string()),
    })];
    for (boot, register) in registers {
        let path = path(&boot.0);
        steps.push(json!({ "op": "test", "path": path, "value": register.to_string() }));
        steps.push(json!({ "op": "remove", "path": path }));
    }
    steps.push(json!({ "op": "add", "path": folded, "value": after.to_string() }));
    Value::Array(steps)
}

fn path(key: &str) -> String {
    format!("/metadata/annotations/{}{key}", KEY_PREFIX.replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counter(annotations: &[(&str, &str)]) -> Counter {
        let annotations = annotations.iter().map(|(key, value)| (format!("{KEY_PREFIX}{key}"), (*value).to_owned()));
        let metadata = ObjectMeta {
            uid: Some("a".to_owned()),
            resource_version: Some("7".to_owned()),
            annotations: Some(annotations.collect()),
            ..ObjectMeta::default()
        };
        Counter::read(metadata).unwrap()
    }

    #[test]
    fn the_total_is_base_and_registers_and_what_was_folded() {
        let counter = counter(&[
            ("base", "3"),
            ("folded", "20;2"),
            ("00000000000000aa", "100;7;2026-01-01T00:00:00Z"),
            ("00000000000000ab", "1000;1;2026-01-01T00:00:01Z"),
            ("no boot", "1;1;2026-01-01T00:00:01Z"),
            ("00000000000000ac", "odd"),
        ]);
        assert_eq!(counter.total(), 1123);
        assert_eq!(counter.newest(), "2026-01-01T00:00:01Z".parse().ok());
    }

    #[test]
    fn the_slash_of_a_key_is_escaped_in_a_path() {
        let register = Register { count: 1, sequence: 2, newest: Timestamp::UNIX_EPOCH };
        let patch = register_patch(&BootId::new(1), None, register);
        assert_eq!(patch[0]["path"], "/metadata/annotations/count.gateway.kubernaut.ai~10000000000000001");
        assert_eq!(patch[0]["value"], Value::Null);
    }

    proptest! {
        #[test]
        fn a_register_reads_as_it_was_written(count: u64, sequence: u64, second in 0_i64..4_000_000_000) {
            let register = Register { count, sequence, newest: Timestamp::new(second, 5).unwrap() };
            prop_assert_eq!(Register::parse(&register.to_string()), Some(register));
        }

        #[test]
        fn odd_text_is_no_register_and_breaks_nothing(text in "[0-9;:TZ-]{0,30}|.{0,30}") {
            if let Some(register) = Register::parse(&text) {
                prop_assert_eq!(Register::parse(&register.to_string()), Some(register));
            }
        }

        #[test]
        fn a_fold_moves_counts_and_changes_no_total(counts in prop::collection::vec(0_u64..1000, 1..20), folded: Option<u8>) {
            let mut counter = counter(&[("base", "1")]);
            counter.folded = folded.map(|count| Folded { count: count.into(), sequence: 4 });
            for (boot, count) in counts.iter().enumerate() {
                let register = Register { count: *count, sequence: 1, newest: Timestamp::UNIX_EPOCH };
                counter.registers.insert(BootId::new(boot as u64), register);
            }
            let boots: Vec<BootId> = counter.registers.keys().take(counts.len() / 2 + 1).cloned().collect();
            let patch = fold_patch(&counter, &boots);
            let last = patch.as_array().unwrap().last().unwrap()["value"].as_str().unwrap().to_owned();
            let total = counter.total();
            counter.registers.retain(|boot, _| !boots.contains(boot));
            counter.folded = Folded::parse(&last);
            prop_assert_eq!(counter.total(), total);
        }
    }
}

//! What this boot last knew of its registers, beyond the lives of workers.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::protocol::count::Own;
use crate::remediation::Record;

/// Registers remembered at most; one that is forgotten costs a read.
const REGISTERS_MAX: usize = 100_000;

/// Registers by the uid of their RemediationRequest. Each may be a guess, since every write tests it.
#[derive(Debug, Default)]
pub(super) struct Registers {
    known: Mutex<BTreeMap<Box<str>, Own>>,
}

impl Registers {
    /// What is known of the register on `record`, or guessed.
    pub(super) fn of(&self, record: &Record) -> Own {
        let guess = if record.occurrences() == 1 { Own::NoCounter } else { Own::Known(None) };
        self.known.lock().get(&record.uid).copied().unwrap_or(guess)
    }

    /// Notes what is known of the register on the RemediationRequest `uid`.
    pub(super) fn remember(&self, uid: &str, own: Own) {
        let mut known = self.known.lock();
        if known.len() >= REGISTERS_MAX && !known.contains_key(uid) {
            known.pop_first();
        }
        known.insert(uid.into(), own);
    }

    /// Forgets those of RemediationRequests that are not there any more.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.known.lock().retain(|uid, _| is_there(uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Registers {
        fn len(&self) -> usize {
            self.known.lock().len()
        }
    }

    #[test]
    fn no_more_registers_are_remembered_than_there_is_room_for_and_none_of_what_is_gone() {
        let registers = Registers::default();
        for number in 0..=REGISTERS_MAX {
            registers.remember(&number.to_string(), Own::NoCounter);
        }
        assert_eq!(registers.len(), REGISTERS_MAX);
        registers.remember("7", Own::Known(None));
        assert_eq!(registers.len(), REGISTERS_MAX, "one that is known needs no more room");
        registers.retain(|uid| uid == "7");
        assert_eq!(registers.len(), 1);
    }
}

//! 128-bit digests of what happened: two states with the same digest are taken for one.

#![allow(clippy::disallowed_types, reason = "DefaultHasher has fixed keys when it is made by `new`")]

use std::hash::{DefaultHasher, Hash, Hasher};

/// Two independently keyed 64-bit SipHashes. Among a hundred million states the chance of one collision is below 10⁻²².
#[derive(Clone)]
pub(super) struct Digest {
    low: DefaultHasher,
    high: DefaultHasher,
}

impl Digest {
    /// A digest of nothing.
    pub(super) fn new() -> Self {
        let (low, mut high) = (DefaultHasher::new(), DefaultHasher::new());
        // Another prefix makes it another function.
        high.write_u64(0x9e37_79b9_7f4a_7c15);
        Self { low, high }
    }

    /// The digest of `content`.
    pub(super) fn of(content: &(impl Hash + ?Sized)) -> u128 {
        let mut digest = Self::new();
        digest.add(content);
        digest.value()
    }

    /// Appends `content`.
    pub(super) fn add(&mut self, content: &(impl Hash + ?Sized)) {
        content.hash(&mut self.low);
        content.hash(&mut self.high);
    }

    /// The digest so far.
    pub(super) fn value(&self) -> u128 {
        u128::from(self.high.finish()) << 64 | u128::from(self.low.finish())
    }
}

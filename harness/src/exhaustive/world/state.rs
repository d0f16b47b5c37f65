//! What identifies a state: the future depends on nothing else.

use super::{World, replica_number};
use crate::exhaustive::digest::Digest;

impl World {
    /// What identifies the state: the future depends on nothing else.
    pub(in crate::exhaustive) fn digest(&self) -> u128 {
        let mut digest = Digest::new();
        digest.add(&(self.elapsed(), self.store_digest(), self.left, self.stuck));
        for (index, place) in self.places.iter().enumerate() {
            let history = if place.resting { 0 } else { self.scheduler.history(replica_number(index)) };
            digest.add(&(place.replica.is_some(), place.resting, history));
        }
        digest.add(&*self.answers.lock());
        self.scheduler.each(|kind, item, parked| digest.add(&(kind, item, parked.content, parked.orphan)));
        digest.value()
    }

    /// [`World::digest`], and the order in which things wait: all that the default order depends on.
    pub(in crate::exhaustive) fn digest_in_order(&self) -> u128 {
        Digest::of(&(self.digest(), self.scheduler.queue()))
    }

    pub(super) fn store_digest(&self) -> u128 {
        let store = self.store.lock();
        Digest::of(&(store.others, &store.leases, self.names.counts()))
    }
}

//! Memory for parsed alerts, of all webhooks together.
//!
//! A parsed alert takes several times its text, and what is done about it a task and a connection to the Kubernetes API. So
//! alerts are parsed when it is their turn, one after the other of each webhook: a webhook of a single alert waits behind one
//! of each other webhook at most.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::context::{Context, Monotonic};

/// Bytes that a permit stands for.
const UNIT: usize = 1024;
/// For each request that may be worked on at once: two ordinary alerts. As many requests to the Kubernetes API are under way.
const PLACE: usize = 24 * UNIT;
/// A large alert must fit.
const TOTAL_MIN: usize = 1024 * UNIT;
/// For the task of one alert, whatever its size.
const TASK: usize = 8 * UNIT;
/// What a parsed alert takes, in the size of its text: its labels, and the text itself that is kept as payload.
const TIMES_TEXT: usize = 4;

/// The memory of one intake.
pub(super) struct Memory {
    units: usize,
    free: Arc<Semaphore>,
}

impl Memory {
    /// For `places` requests at once.
    pub(super) fn new(places: usize) -> Self {
        let bytes = places.saturating_mul(PLACE).max(TOTAL_MIN);
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self { units, free: Arc::new(Semaphore::new(units)) }
    }

    /// Memory for an alert of `text` bytes, given back when dropped; none if there was none until `deadline`.
    pub(super) async fn reserve(
        &self,
        text: usize,
        context: &Context,
        deadline: Monotonic,
    ) -> Option<OwnedSemaphorePermit> {
        if context.monotonic() >= deadline {
            return None;
        }
        let bytes = text.saturating_mul(TIMES_TEXT).saturating_add(TASK);
        // One that is larger than all takes all.
        let units = u32::try_from(bytes.div_ceil(UNIT).min(self.units)).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(units) {
            return Some(permit);
        }
        let waiting = Arc::clone(&self.free).acquire_many_owned(units);
        context.timeout_at(deadline, waiting).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn alerts_wait_for_memory_until_their_deadline_and_get_what_others_give_back() {
        let (context, memory) = (Context::system(), Memory::new(100));
        let deadline = context.monotonic() + Duration::from_secs(15);
        let mut held = Vec::new();
        while let Some(Some(permit)) = futures::FutureExt::now_or_never(memory.reserve(700, &context, deadline)) {
            held.push(permit);
        }
        assert!((200..300).contains(&held.len()), "{}", held.len());
        assert!(memory.reserve(1 << 20, &context, deadline).await.is_none());
        let later = context.monotonic() + Duration::from_secs(60);
        let (large, ()) = futures::join!(memory.reserve(100 << 20, &context, later), async { drop(held) });
        assert!(large.is_some(), "one that is larger than all takes all");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_begun_at_its_deadline() {
        let (context, memory) = (Context::system(), Memory::new(100));
        assert!(memory.reserve(1, &context, context.monotonic()).await.is_none());
    }
}

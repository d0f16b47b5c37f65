//! Memory for bodies: one budget for all connections together; announcing a body without sending it reserves nothing.
//!
//! The budget is split into [`TIERS`] of pools, so that large bodies cannot keep small ones out: each part of a body comes
//! from the pool of its tier. A part is reserved as a whole when the first byte that needs it arrives, so that no body holds
//! half a part while it waits for the other half.
//!
//! Responses about many alerts, which are as large, are charged to a separate pool until their clients have read them.
//!
//! If a pool is exhausted, a body waits up to `maxQueueWait` for a part. Meanwhile the body that has been received for
//! longest is dropped to make room, if it has taken longer than a well-behaved sender would.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Server,
    context::{Context, Monotonic},
    metrics::Metrics,
};

/// A part of each body, and the memory for these parts.
struct Tier {
    /// Bytes of a body up to which this tier goes; the last one goes to the end.
    up_to: usize,
    /// Eighths of the budget.
    eighths: usize,
    /// A body that has been read for longer than this may be given up for another.
    grace: Duration,
}

/// A webhook of one alert, one of some dozen, and any. What is sent at once takes a round trip or two, a large body a second at
/// 8 Mbit/s.
const TIERS: [Tier; 3] = [
    Tier { up_to: 4 * 1024, eighths: 1, grace: Duration::from_millis(100) },
    Tier { up_to: 64 * 1024, eighths: 2, grace: Duration::from_millis(200) },
    Tier { up_to: usize::MAX, eighths: 5, grace: Duration::from_secs(1) },
];
/// Answers that are not read yet have a quarter as much as bodies.
const ANSWERS_PART: usize = 4;
/// Bytes that a permit stands for.
const UNIT: usize = 1024;
/// Between two looks at whether a body may be given up.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The memory that bodies may take.
pub(super) struct Budget {
    pools: [Arc<Pool>; TIERS.len()],
    answers: Arc<Semaphore>,
    max_body_bytes: usize,
    max_wait: Duration,
    /// Numbers the bodies.
    next: AtomicU64,
    context: Context,
    reserved: IntGauge,
    evictions: IntCounter,
}

struct Pool {
    tier: &'static Tier,
    units: usize,
    free: Arc<Semaphore>,
    /// Bodies of which a part is here and a part is missing, oldest first.
    readers: Mutex<BTreeMap<u64, Reader>>,
}

struct Reader {
    since: Monotonic,
    evicted: CancellationToken,
}

/// There was no memory for a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What a body takes; given back when dropped.
pub(super) struct Charge {
    parts: Vec<OwnedSemaphorePermit>,
    reserved: IntGauge,
}

/// A body that is being read.
pub(super) struct Reading<'a> {
    budget: &'a Budget,
    ordinal: u64,
    since: Monotonic,
    charge: Charge,
    bytes: usize,
    announced: Option<usize>,
    pool: Option<Arc<Pool>>,
    evicted: CancellationToken,
}

impl Budget {
    pub(super) fn new(server: &Server, context: &Context, metrics: &Metrics) -> Self {
        let units = (server.max_buffered_bytes / UNIT).clamp(8, Semaphore::MAX_PERMITS);
        let pool = |tier: &'static Tier| {
            let units = units / 8 * tier.eighths;
            Arc::new(Pool { tier, units, free: Arc::new(Semaphore::new(units)), readers: Mutex::default() })
        };
        Self {
            pools: TIERS.each_ref().map(pool),
            answers: Arc::new(Semaphore::new(units / ANSWERS_PART)),
            max_body_bytes: server.max_body_bytes,
            max_wait: server.max_queue_wait,
            next: AtomicU64::new(0),
            context: context.clone(),
            reserved: metrics.http_body_bytes.clone(),
            evictions: metrics.http_bounds_met.with_label_values(&["slow_body"]),
        }
    }

    /// Begins with a body of `announced` bytes, if its sender says so.
    pub(super) fn begin(&self, announced: Option<u64>) -> Reading<'_> {
        let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
        let charge = Charge { parts: Vec::new(), reserved: self.reserved.clone() };
        Reading {
            budget: self,
            ordinal: self.next.fetch_add(1, Ordering::Relaxed),
            since: self.context.monotonic(),
            charge,
            bytes: 0,
            announced: announced.filter(|bytes| *bytes <= self.max_body_bytes),
            pool: None,
            evicted: CancellationToken::new(),
        }
    }

    /// Memory for a response of `bytes`, if any is left: a response does not wait for other clients to read theirs.
    pub(super) fn answer(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.answers).try_acquire_many_owned(units).ok()
    }

    /// Waits for a part of `pool`.
    async fn acquire(&self, pool: &Pool, bytes: usize) -> Result<OwnedSemaphorePermit, Full> {
        let units = bytes.div_ceil(UNIT).clamp(1, pool.units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&pool.free).try_acquire_many_owned(units) {
            return Ok(permit);
        }
        let until = self.context.monotonic() + self.max_wait;
        let mut waiting = pin!(Arc::clone(&pool.free).acquire_many_owned(units));
        loop {
            let now = self.context.monotonic();
            if pool.evict_oldest(now) {
                self.evictions.inc();
            }
            let pause = until.since(now).min(LOOK_AGAIN);
            match self.context.timeout(pause, waiting.as_mut()).await {
                Ok(permit) => return permit.map_err(|_| Full),
                Err(_) if self.context.monotonic() >= until => return Err(Full),
                Err(_) => {}
            }
        }
    }
}

impl Pool {
    /// Gives up the body that has been read for longest, if it is slow; whether there was one.
    fn evict_oldest(&self, now: Monotonic) -> bool {
        let mut readers = self.readers.lock();
        let oldest = readers.iter().min_by_key(|(_, reader)| reader.since);
        let slow = oldest.filter(|(_, reader)| now.since(reader.since) >= self.tier.grace).map(|(ordinal, _)| *ordinal);
        slow.and_then(|ordinal| readers.remove(&ordinal)).is_some_and(|reader| {
            reader.evicted.cancel();
            true
        })
    }
}

impl Reading<'_> {
    /// Cancelled when this body is to make room.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }

    /// Makes sure that there is memory for the body's first `needed` bytes; how many it may grow to.
    ///
    /// # Errors
    /// If there was none in time.
    pub(super) async fn reserve(&mut self, needed: usize) -> Result<usize, Full> {
        let budget = self.budget;
        while self.bytes < needed {
            let all = self.announced.filter(|bytes| *bytes >= needed).unwrap_or(budget.max_body_bytes).max(needed);
            let Some(pool) = budget.pools.iter().find(|pool| self.bytes < pool.tier.up_to) else { return Err(Full) };
            // It does not stand still while it waits.
            self.leave();
            let end = all.min(pool.tier.up_to);
            let permit = budget.acquire(pool, end - self.bytes).await?;
            self.charge.reserved.add(gauge(&permit));
            self.charge.parts.push(permit);
            self.bytes = end;
            self.enter(pool);
        }
        Ok(self.bytes)
    }

    /// The body is complete.
    pub(super) fn finish(mut self) -> Charge {
        let none = Charge { parts: Vec::new(), reserved: self.charge.reserved.clone() };
        std::mem::replace(&mut self.charge, none)
    }

    fn enter(&mut self, pool: &Arc<Pool>) {
        let reader = Reader { since: self.since, evicted: self.evicted.clone() };
        pool.readers.lock().insert(self.ordinal, reader);
        self.pool = Some(Arc::clone(pool));
    }

    fn leave(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.readers.lock().remove(&self.ordinal);
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.reserved.sub(self.parts.iter().map(gauge).sum());
    }
}

fn gauge(permit: &OwnedSemaphorePermit) -> i64 {
    i64::try_from(permit.num_permits() * UNIT).unwrap_or(i64::MAX)
}

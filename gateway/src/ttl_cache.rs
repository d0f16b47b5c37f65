//! A bounded cache whose values are believed for a while, and loaded once however many ask at the same time.
//!
//! For answers of the Kubernetes API that are asked for again and again: owners, labels, token reviews.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;

use crate::context::{Context, Monotonic};

type Load<V, E> = BoxFuture<'static, Result<V, E>>;

/// The cache; cheap to clone, and the clones share their values.
///
/// `V` and `E` are cloned for everyone who asked: let them be small, or an [`Arc`].
pub struct TtlCache<K, V, E> {
    inner: Arc<Inner<K, V, E>>,
}

struct Inner<K, V, E> {
    context: Context,
    capacity: usize,
    state: Mutex<State<K, V, E>>,
}

struct State<K, V, E> {
    entries: BTreeMap<K, Entry<V>>,
    /// The entries' keys, oldest first.
    order: BTreeMap<u64, K>,
    next_ordinal: u64,
    /// Loads under way. Weak: a load that nobody waits for any more is dropped, not resumed with an old deadline.
    loading: BTreeMap<K, WeakShared<Load<V, E>>>,
}

struct Entry<V> {
    value: V,
    expires: Monotonic,
    ordinal: u64,
}

/// How a value that is not in the cache is to be had.
enum Way<V, E> {
    Shared(Shared<Load<V, E>>),
    /// As many loads as the cache has places are under way: one more is not remembered.
    Alone(Load<V, E>),
}

impl<K, V, E> TtlCache<K, V, E>
where
    K: Clone + Ord + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// A cache of `capacity` values at most (one at least), by `context`'s monotonic clock.
    pub fn new(context: Context, capacity: usize) -> Self {
        let state =
            State { entries: BTreeMap::new(), order: BTreeMap::new(), next_ordinal: 0, loading: BTreeMap::new() };
        Self { inner: Arc::new(Inner { context, capacity: capacity.max(1), state: Mutex::new(state) }) }
    }

    /// The value of `key`, from the cache if it has not expired, else from `load`; believed for `ttl_of` it.
    ///
    /// Whoever asks while a load is under way gets that load's result, also when the first to ask has gone.
    ///
    /// # Errors
    /// That of the load, which is told to all who waited for it and not remembered.
    pub async fn get_or_load<T, F, Fut>(&self, key: K, ttl_of: T, load: F) -> Result<V, E>
    where
        T: FnOnce(&V) -> Duration + Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        if let Some(value) = self.get(&key) {
            return Ok(value);
        }
        match self.way(key, ttl_of, load) {
            Way::Shared(load) => load.await,
            Way::Alone(load) => load.await,
        }
    }

    fn way<T, F, Fut>(&self, key: K, ttl_of: T, load: F) -> Way<V, E>
    where
        T: FnOnce(&V) -> Duration + Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let mut state = self.inner.state.lock();
        if let Some(load) = state.loading.get(&key).and_then(WeakShared::upgrade) {
            return Way::Shared(load);
        }
        if state.loading.len() >= self.inner.capacity {
            state.loading.retain(|_, load| load.upgrade().is_some());
        }
        let shareable = state.loading.len() < self.inner.capacity;
        let inner = Arc::clone(&self.inner);
        let loaded_key = key.clone();
        let load = load();
        let load = async move {
            let result = load.await;
            let mut state = inner.state.lock();
            if shareable {
                state.loading.remove(&loaded_key);
            }
            if let Ok(value) = &result {
                let expires = inner.context.monotonic() + ttl_of(value);
                state.insert(loaded_key, value.clone(), expires, inner.capacity);
            }
            result
        }
        .boxed();
        if !shareable {
            return Way::Alone(load);
        }
        let load = load.shared();
        if let Some(weak) = load.downgrade() {
            state.loading.insert(key, weak);
        }
        Way::Shared(load)
    }

    /// The value of `key`, if it is there and has not expired.
    pub fn get(&self, key: &K) -> Option<V> {
        let now = self.inner.context.monotonic();
        let state = self.inner.state.lock();
        state.entries.get(key).filter(|entry| now < entry.expires).map(|entry| entry.value.clone())
    }

    /// The value of `key`, expired or not: better than nothing where the source cannot tell any more.
    pub fn get_stale(&self, key: &K) -> Option<V> {
        self.inner.state.lock().entries.get(key).map(|entry| entry.value.clone())
    }

    /// Remembers `value` for `ttl`.
    pub fn insert(&self, key: K, value: V, ttl: Duration) {
        let expires = self.inner.context.monotonic() + ttl;
        self.inner.state.lock().insert(key, value, expires, self.inner.capacity);
    }

    /// How many values are remembered, expired ones included.
    pub fn len(&self) -> usize {
        self.inner.state.lock().entries.len()
    }

    /// Whether no value is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Clone + Ord, V, E> State<K, V, E> {
    /// Makes `key` the newest entry; the oldest one goes if there are more than `capacity`.
    fn insert(&mut self, key: K, value: V, expires: Monotonic, capacity: usize) {
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        if let Some(replaced) = self.entries.insert(key.clone(), Entry { value, expires, ordinal }) {
            self.order.remove(&replaced.ordinal);
        }
        self.order.insert(ordinal, key);
        if self.entries.len() > capacity
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }
}

impl<K, V, E> Clone for TtlCache<K, V, E> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V, E> fmt::Debug for TtlCache<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TtlCache").field("capacity", &self.inner.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::context::SimulatedClock;

    const TTL: Duration = Duration::from_secs(10);

    type Numbers = TtlCache<&'static str, u32, &'static str>;

    fn context() -> Context {
        let clock = SimulatedClock { epoch: Timestamp::UNIX_EPOCH, offset: SignedDuration::ZERO, rate_ppm: 1_000_000 };
        #[allow(clippy::disallowed_methods, reason = "the simulation's own start")]
        let start = tokio::time::Instant::now();
        Context::simulated(clock, start, 1)
    }

    /// Counts its loads, each of which takes a second.
    async fn load(
        cache: &Numbers,
        loads: &Arc<AtomicU32>,
        result: Result<u32, &'static str>,
    ) -> Result<u32, &'static str> {
        let (context, loads) = (cache.inner.context.clone(), Arc::clone(loads));
        let load = || async move {
            loads.fetch_add(1, Ordering::Relaxed);
            context.sleep(Duration::from_secs(1)).await;
            result
        };
        cache.get_or_load("key", |_| TTL, load).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_loaded_again_only_after_its_time_and_stays_there_as_stale() {
        let (cache, loads) = (Numbers::new(context(), 2), Arc::default());
        assert_eq!(load(&cache, &loads, Ok(1)).await, Ok(1));
        assert_eq!(load(&cache, &loads, Ok(2)).await, Ok(1), "believed");
        cache.inner.context.sleep(TTL).await;
        assert_eq!((cache.get(&"key"), cache.get_stale(&"key")), (None, Some(1)));
        assert_eq!(load(&cache, &loads, Ok(2)).await, Ok(2));
        assert_eq!(loads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_costs_one_load_and_an_error_is_told_to_all_but_not_remembered() {
        let (cache, loads) = (Numbers::new(context(), 2), Arc::default());
        let burst = futures::future::join_all((0..50).map(|_| load(&cache, &loads, Err("no")))).await;
        assert!(burst.iter().all(|result| *result == Err("no")));
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert_eq!(load(&cache, &loads, Ok(3)).await, Ok(3));
    }

    #[tokio::test(start_paused = true)]
    async fn others_finish_the_load_of_one_who_has_gone_and_a_load_without_waiters_is_dropped() {
        let (cache, loads) = (Numbers::new(context(), 2), Arc::default());
        let context = cache.inner.context.clone();
        let half = Duration::from_millis(500);
        let gone = context.timeout(half, load(&cache, &loads, Ok(1)));
        let (gone, stayed) = futures::join!(gone, load(&cache, &loads, Ok(2)));
        assert_eq!((gone.is_err(), stayed), (true, Ok(1)));

        context.sleep(TTL).await;
        assert!(context.timeout(half, load(&cache, &loads, Ok(3))).await.is_err());
        assert_eq!(load(&cache, &loads, Ok(4)).await, Ok(4), "begun anew");
        assert_eq!(loads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_value_makes_room() {
        let cache = Numbers::new(context(), 2);
        for (key, value) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            cache.insert(key, value, TTL);
        }
        assert_eq!((cache.get(&"a"), cache.get(&"b"), cache.get(&"c")), (Some(3), None, Some(4)));
        assert_eq!(cache.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn more_loads_than_places_are_not_shared_but_done() {
        let cache = Numbers::new(context(), 1);
        let clock = cache.inner.context.clone();
        let slow = |value| {
            let clock = clock.clone();
            move || async move {
                clock.sleep(Duration::from_secs(1)).await;
                Ok(value)
            }
        };
        let (a, b) = futures::join!(cache.get_or_load("a", |_| TTL, slow(1)), cache.get_or_load("b", |_| TTL, slow(2)));
        assert_eq!((a, b), (Ok(1), Ok(2)));
        assert_eq!((cache.len(), cache.inner.state.lock().loading.len()), (1, 0));
    }
}

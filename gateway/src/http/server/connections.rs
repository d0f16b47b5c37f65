//! Limits the open connections of a listener, in total and per address, and picks the one to close for a new one.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use prometheus::IntCounter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::phase::{Phase, Sequence};
use crate::{config, context::Context, metrics::Metrics};

/// Kubelet, Prometheus and a few people, who come and go: what is more is somebody in the way.
const OPERATIONS_MAX: usize = 64;
/// Between two looks for a connection that may make room, while all of them are busy.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How many connections a listener keeps open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most connections at once, from all addresses.
    pub total: usize,
    /// From one address; an IPv6 network of 64 bits counts as one.
    pub per_peer: usize,
    /// Whether a connection serves several requests. If not, a client that keeps sending requests must reconnect for each
    /// one, and queue behind all others.
    pub keep_alive: bool,
}

impl Bounds {
    /// Of the listener of signals.
    pub fn signals(server: &config::Server) -> Self {
        Self { total: server.max_connections, per_peer: server.max_connections_per_peer, keep_alive: true }
    }

    /// Of a listener for those who operate the gateway: apart, so that senders cannot use it up.
    pub const fn operations() -> Self {
        Self { total: OPERATIONS_MAX, per_peer: OPERATIONS_MAX / 2, keep_alive: false }
    }
}

/// The connections of one listener.
pub(super) struct Connections {
    bounds: Bounds,
    places: Arc<Semaphore>,
    context: Context,
    table: Arc<Mutex<Table>>,
    sequence: Sequence,
    evicted: IntCounter,
    refused: IntCounter,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Open>,
    by_peer: BTreeMap<IpAddr, usize>,
}

struct Open {
    peer: IpAddr,
    phase: Phase,
    closed: CancellationToken,
}

/// A connection's place; given back when dropped.
pub(super) struct Place {
    pub(super) phase: Phase,
    /// Cancelled when this connection is to make room.
    pub(super) closed: CancellationToken,
    number: u64,
    table: Arc<Mutex<Table>>,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(bounds: Bounds, context: &Context, metrics: &Metrics) -> Self {
        let bounds = Bounds { total: bounds.total.clamp(1, Semaphore::MAX_PERMITS), ..bounds };
        Self {
            bounds,
            places: Arc::new(Semaphore::new(bounds.total)),
            context: context.clone(),
            table: Arc::default(),
            sequence: Sequence::default(),
            evicted: metrics.http_bounds_met.with_label_values(&["connections"]),
            refused: metrics.http_bounds_met.with_label_values(&["connections_of_peer"]),
        }
    }

    /// A place for a newcomer from `peer`, once there is one; none if those of its own address are all busy.
    pub(super) async fn admit(&self, peer: IpAddr) -> Option<Place> {
        let peer = network(peer);
        if !self.has_room_for(peer) {
            self.refused.inc();
            return None;
        }
        let mut waiting = std::pin::pin!(Arc::clone(&self.places).acquire_owned());
        let permit = loop {
            if self.places.available_permits() == 0 {
                self.make_room();
            }
            if let Ok(permit) = self.context.timeout(LOOK_AGAIN, waiting.as_mut()).await {
                break permit.ok()?;
            }
        };
        let (phase, closed) = (Phase::new(&self.sequence), CancellationToken::new());
        let mut table = self.table.lock();
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Open { peer, phase: phase.clone(), closed: closed.clone() });
        *table.by_peer.entry(peer).or_default() += 1;
        Some(Place { phase, closed, number, table: Arc::clone(&self.table), _permit: permit })
    }

    /// Closes a connection whose request is refused, or else the one that has been idle for longest; if none is, the one whose
    /// head, or else whose body, is awaited for longest, or else whose answer has not been read for longest.
    pub(super) fn make_room(&self) {
        if self.table.lock().close_oldest(|_| true) {
            self.evicted.inc();
        }
    }

    fn has_room_for(&self, peer: IpAddr) -> bool {
        let mut table = self.table.lock();
        if table.by_peer.get(&peer).is_none_or(|open| *open < self.bounds.per_peer) {
            return true;
        }
        let closed = table.close_oldest(|open| open.peer == peer);
        if closed {
            self.evicted.inc();
        }
        closed
    }

    /// Waits until no connection is left.
    pub(super) async fn ended(&self) {
        let all = u32::try_from(self.bounds.total).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(all).await;
    }
}

impl Table {
    fn close_oldest(&mut self, of: impl Fn(&Open) -> bool) -> bool {
        let candidates = self.open.iter().filter(|(_, open)| of(open));
        let oldest = candidates.filter_map(|(number, open)| Some((open.phase.eviction_order()?, *number))).min();
        let Some((_, number)) = oldest else { return false };
        if let Some(open) = self.remove(number) {
            open.closed.cancel();
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Open> {
        let open = self.open.remove(&number)?;
        if let Some(count) = self.by_peer.get_mut(&open.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_peer.remove(&open.peer);
            }
        }
        Some(open)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.lock().remove(self.number);
    }
}

/// Whoever has an IPv6 address mostly has a network of 64 bits.
pub(in crate::http) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one_and_mapped_ones_as_what_they_are() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!((network("10.0.0.7"), network("::ffff:10.0.0.7")), ("10.0.0.7".to_owned(), "10.0.0.7".to_owned()));
    }
}

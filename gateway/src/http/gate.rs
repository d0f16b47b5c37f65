//! Limits how many requests are processed at once, and how many wait.
//!
//! Free places are given to the source addresses in turn, so that an address that floods the gateway delays only itself. If
//! the queue is full, a request of another address replaces the newest one of the address with the most waiting requests.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::sync::oneshot;

use crate::{config::Server, context::Context, metrics::Metrics};

/// Lets `max_concurrent_requests` in at once, and as many again wait in line.
pub(super) struct Gate {
    shared: Arc<Shared>,
    max_wait: Duration,
    context: Context,
}

struct Shared {
    lines: Mutex<Lines>,
    in_flight: IntGauge,
}

/// Who comes from where; senders that are called in process come from nowhere.
type Address = Option<IpAddr>;

/// The requests that wait. Those whose clients have given up stay until their turn, or until the queue is full.
struct Lines {
    free: usize,
    waiting_max: usize,
    /// Of each address, oldest first; none is empty.
    waiting: BTreeMap<Address, VecDeque<oneshot::Sender<Place>>>,
    /// The addresses of those, in the order of their turns.
    turns: VecDeque<Address>,
}

/// A place; given to the next when dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    is_given_up: bool,
}

impl Gate {
    pub(super) fn new(server: &Server, context: &Context, metrics: &Metrics) -> Self {
        let places = server.max_concurrent_requests.max(1);
        let lines = Lines { free: places, waiting_max: places, waiting: BTreeMap::new(), turns: VecDeque::new() };
        let in_flight = metrics.http_requests_in_flight.clone();
        let shared = Arc::new(Shared { lines: Mutex::new(lines), in_flight });
        Self { shared, max_wait: server.max_queue_wait, context: context.clone() }
    }

    /// A place for one who comes from `address`, or none if too many wait already or it took too long.
    pub(super) async fn enter(&self, address: Address) -> Option<Place> {
        let place = {
            let mut lines = self.shared.lines.lock();
            if lines.free > 0 {
                lines.free -= 1;
                return Some(Place::new(&self.shared));
            }
            lines.join(address)?
        };
        self.context.timeout(self.max_wait, place).await.ok()?.ok()
    }
}

impl Lines {
    /// What the place comes by, if there is room to wait for it.
    fn join(&mut self, address: Address) -> Option<oneshot::Receiver<Place>> {
        if self.len() >= self.waiting_max {
            self.forget_those_who_gave_up();
        }
        if self.len() >= self.waiting_max {
            let own = self.waiting.get(&address).map_or(0, VecDeque::len);
            let longest = self.waiting.values_mut().max_by_key(|line| line.len())?;
            if longest.len() <= own + 1 {
                return None;
            }
            // Told by the end of its channel.
            longest.pop_back();
        }
        let (sender, receiver) = oneshot::channel();
        let line = self.waiting.entry(address).or_default();
        if line.is_empty() {
            self.turns.push_back(address);
        }
        line.push_back(sender);
        Some(receiver)
    }

    fn len(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    fn forget_those_who_gave_up(&mut self) {
        self.waiting.retain(|_, line| {
            line.retain(|waiter| !waiter.is_closed());
            !line.is_empty()
        });
        let waiting = &self.waiting;
        self.turns.retain(|address| waiting.contains_key(address));
    }

    /// The request that gets the place that became free; the place stays free if none waits.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        // Requests whose clients have given up must not use up a turn.
        self.forget_those_who_gave_up();
        let Some(address) = self.turns.pop_front() else {
            self.free += 1;
            return None;
        };
        let line = self.waiting.get_mut(&address)?;
        let waiter = line.pop_front();
        if line.is_empty() {
            self.waiting.remove(&address);
        } else {
            self.turns.push_back(address);
        }
        waiter
    }
}

impl Place {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.in_flight.inc();
        Self { shared: Arc::clone(shared), is_given_up: false }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.in_flight.dec();
        if self.is_given_up {
            return;
        }
        while let Some(waiter) = {
            let mut lines = self.shared.lines.lock();
            lines.next()
        } {
            match waiter.send(Self::new(&self.shared)) {
                Ok(()) => return,
                // Whoever it was has given up: it is the next one's.
                Err(mut place) => place.is_given_up = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures::{FutureExt as _, future::BoxFuture};

    use super::*;

    const WAIT: Duration = Duration::from_secs(1);

    fn gate(places: usize) -> (Gate, Context) {
        let server = Server { max_concurrent_requests: places, max_queue_wait: WAIT, ..Server::default() };
        let (context, metrics) = (Context::system(), Metrics::new().unwrap());
        (Gate::new(&server, &context, &metrics), context)
    }

    fn from(number: u8) -> Address {
        Some(Ipv4Addr::new(10, 0, 0, number).into())
    }

    /// One who waits already.
    fn waiting(gate: &Gate, number: u8) -> BoxFuture<'_, Option<Place>> {
        let mut entering = gate.enter(from(number)).boxed();
        assert!((&mut entering).now_or_never().is_none(), "there is a place at once");
        entering
    }

    #[tokio::test(start_paused = true)]
    async fn places_go_to_each_address_in_turn() {
        let (gate, _) = gate(4);
        let mut held: Vec<Place> = Vec::new();
        for _ in 0..4 {
            held.extend(gate.enter(from(1)).await);
        }
        let mut line = [waiting(&gate, 1), waiting(&gate, 1), waiting(&gate, 1), waiting(&gate, 2)];
        let (mut order, mut given) = (Vec::new(), Vec::new());
        for place in held {
            drop(place);
            for (at, one) in line.iter_mut().enumerate().filter(|(at, _)| !order.contains(at)).collect::<Vec<_>>() {
                if let Some(place) = one.now_or_never() {
                    given.push(place);
                    order.push(at);
                }
            }
        }
        assert_eq!(order, [0, 3, 1, 2], "the other address comes second");
        assert!(given.iter().all(Option::is_some));
        drop(given);
        assert_eq!(gate.shared.in_flight.get(), 0);
        assert_eq!(gate.shared.lines.lock().free, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn the_address_of_which_most_wait_makes_room_for_others_and_not_for_its_own() {
        let (gate, _) = gate(3);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(gate.enter(from(1)).await.unwrap());
        }
        let mut line = [waiting(&gate, 1), waiting(&gate, 1), waiting(&gate, 1)];
        assert!(gate.enter(from(1)).now_or_never().unwrap().is_none());
        let mut other = waiting(&gate, 2);
        assert!((&mut line[2]).now_or_never().unwrap().is_none(), "the newest is told to come again");
        assert!((&mut line[1]).now_or_never().is_none());
        assert!(gate.enter(from(2)).now_or_never().unwrap().is_none(), "two of each would be no fairer");
        held.truncate(1);
        assert!((&mut line[0]).now_or_never().unwrap().is_some() && (&mut other).now_or_never().unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_for_too_long_takes_neither_place_nor_room() {
        let (gate, context) = gate(2);
        let held = [gate.enter(from(1)).await, gate.enter(from(1)).await];
        let late = [waiting(&gate, 1), waiting(&gate, 2)];
        for one in late {
            assert!(one.await.is_none());
        }
        let mut next = [waiting(&gate, 1), waiting(&gate, 2)];
        context.sleep(WAIT / 2).await;
        drop(held);
        let places = next.each_mut().map(|one| one.now_or_never().unwrap());
        assert!(places.iter().all(Option::is_some));
        drop(places);
        assert_eq!(gate.shared.lines.lock().free, 2);
    }
}

//! Where requests, answers and events wait until the scheduler lets them go on.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot, watch};

use super::{
    choice::{Access, Item},
    digest::Digest,
};

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// A request, to take effect.
    Effect,
    /// An answer, to arrive.
    Answer,
    /// A watch event, to arrive.
    Event,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Pass,
    /// The connection breaks.
    Lose,
    /// It is answered 503 without effect.
    Refuse,
}

/// Something that waits.
#[derive(Debug)]
pub(super) struct Parked {
    /// For people: verb, resource and name.
    pub(super) label: Arc<str>,
    pub(super) access: Access,
    /// Of an answer or event; of a request once its sender is dead. Else the sender's history tells it.
    pub(super) content: u128,
    /// The HTTP status of an answer.
    pub(super) status: u16,
    /// Its sender has crashed.
    pub(super) orphan: bool,
    /// The order in which things began to wait.
    pub(super) since: u64,
    go: oneshot::Sender<Verdict>,
}

/// What is about to wait.
pub(super) struct Parcel {
    pub(super) kind: Kind,
    pub(super) item: Item,
    pub(super) label: Arc<str>,
    pub(super) access: Access,
    pub(super) content: u128,
    pub(super) status: u16,
}

/// One replica's side.
struct Side {
    /// Nothing waits: it starts, has nothing to do any more, or the run is over.
    open: bool,
    requests: u16,
    events: u16,
    /// It was told of a failure, or missed an answer: it may go on of itself after its signals are answered.
    tainted: bool,
    history: Digest,
}

struct State {
    parked: BTreeMap<(Kind, Item), Parked>,
    sides: Vec<Side>,
    since: u64,
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Scheduler {
    state: Arc<Mutex<State>>,
    acts: Arc<watch::Sender<u64>>,
    acted: Arc<Notify>,
}

impl Scheduler {
    /// Everything passes at first.
    pub(super) fn new(replicas: u8) -> Self {
        let side = |replica| {
            let mut history = Digest::new();
            history.add(&replica);
            Side { open: true, requests: 0, events: 0, tainted: false, history }
        };
        let state = State { parked: BTreeMap::new(), sides: (1..=replicas).map(side).collect(), since: 0 };
        Self { state: Arc::new(Mutex::new(state)), acts: Arc::new(watch::Sender::new(0)), acted: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Notes that a replica did something.
    pub(super) fn act(&self) {
        self.acts.send_modify(|acts| *acts += 1);
        self.acted.notify_waiters();
    }

    /// How often replicas did something.
    pub(super) fn acts(&self) -> u64 {
        *self.acts.borrow()
    }

    /// Completes when a replica next does something.
    pub(super) async fn acted(&self) {
        self.acted.notified().await;
    }

    /// Numbers the next request of `replica`; 0 while nothing waits.
    pub(super) fn next_request(&self, replica: u8) -> Item {
        let mut state = self.state();
        let side = side(&mut state, replica);
        let number = if side.open { 0 } else { side.requests + 1 };
        side.requests = side.requests.max(number);
        Item { replica, number }
    }

    /// Numbers the next event of `replica`; 0 while nothing waits.
    pub(super) fn next_event(&self, replica: u8) -> Item {
        let mut state = self.state();
        let side = side(&mut state, replica);
        let number = if side.open { 0 } else { side.events + 1 };
        side.events = side.events.max(number);
        Item { replica, number }
    }

    /// Waits until the scheduler decides.
    pub(super) async fn pass(&self, parcel: Parcel) -> Verdict {
        let Parcel { kind, item, label, access, content, status } = parcel;
        let (go, gone) = oneshot::channel();
        {
            let mut state = self.state();
            if item.number == 0 || side(&mut state, item.replica).open {
                return Verdict::Pass;
            }
            state.since += 1;
            let since = state.since;
            let parked = Parked { label, access, content, status, orphan: false, since, go };
            state.parked.insert((kind, item), parked);
        }
        self.act();
        match gone.await {
            Ok(verdict) => verdict,
            // Dropped: it never happens.
            Err(_) => std::future::pending().await,
        }
    }

    /// Decides on what waits; tells what it was.
    pub(super) fn decide(&self, kind: Kind, item: Item, verdict: Verdict, now: u128) -> Option<Arc<str>> {
        let mut state = self.state();
        let parked = state.parked.remove(&(kind, item))?;
        let side = side(&mut state, item.replica);
        if !parked.orphan && (kind != Kind::Effect || verdict != Verdict::Pass) {
            let lost = verdict != Verdict::Pass;
            side.tainted |= lost || parked.status >= 500;
            side.history.add(&(kind, item.number, parked.content, parked.status, verdict as u8, now));
        }
        let label = Arc::clone(&parked.label);
        let _ = parked.go.send(verdict);
        Some(label)
    }

    /// Lets `(kind, item)` overtake what has waited longer: that then waits behind all that waits.
    pub(super) fn overtake(&self, kind: Kind, item: Item) {
        let mut state = self.state();
        let state = &mut *state;
        let Some(since) = state.parked.get(&(kind, item)).map(|parked| parked.since) else { return };
        let mut overtaken: Vec<&mut Parked> = state.parked.values_mut().filter(|p| p.since < since).collect();
        overtaken.sort_unstable_by_key(|parked| parked.since);
        for parked in overtaken {
            state.since += 1;
            parked.since = state.since;
        }
    }

    /// The order in which things have begun to wait.
    pub(super) fn queue(&self) -> Vec<(Kind, Item)> {
        let state = self.state();
        let mut queue: Vec<_> = state.parked.iter().map(|(key, parked)| (parked.since, *key)).collect();
        queue.sort_unstable();
        queue.into_iter().map(|(_, key)| key).collect()
    }

    /// Notes that `replica` did not wait for an answer any more.
    pub(super) fn taint(&self, replica: u8) {
        side(&mut self.state(), replica).tainted = true;
    }

    /// Shows all that waits.
    pub(super) fn each(&self, mut show: impl FnMut(Kind, Item, &Parked)) {
        self.state().parked.iter().for_each(|((kind, item), parked)| show(*kind, *item, parked));
    }

    /// Whether nothing of `replica` waits and nothing went wrong for it.
    pub(super) fn rests(&self, replica: u8) -> bool {
        let mut state = self.state();
        let waits = state.parked.keys().any(|(kind, item)| item.replica == replica && *kind != Kind::Event);
        !waits && !side(&mut state, replica).tainted
    }

    /// From now on nothing of `replica` waits, and what does goes on.
    pub(super) fn open(&self, replica: u8) {
        let mut state = self.state();
        side(&mut state, replica).open = true;
        let waiting = std::mem::take(&mut state.parked);
        let (freed, kept): (BTreeMap<_, _>, _) =
            waiting.into_iter().partition(|((_, item), parked)| item.replica == replica && !parked.orphan);
        state.parked = kept;
        drop(state);
        for parked in freed.into_values() {
            let _ = parked.go.send(Verdict::Pass);
        }
    }

    /// From now on all of `replica` waits.
    pub(super) fn close(&self, replica: u8) {
        side(&mut self.state(), replica).open = false;
    }

    /// Drops what was under way to and from a replica that crashed; its requests stay if they land.
    pub(super) fn crash(&self, replica: u8, lands: bool) {
        let mut state = self.state();
        let history = side(&mut state, replica).history.value();
        state.parked.retain(|(kind, item), parked| {
            if item.replica != replica || parked.orphan {
                return true;
            }
            parked.orphan = true;
            // Its sender's history, which told it, ends here.
            parked.content = history;
            lands && *kind == Kind::Effect
        });
    }

    /// The history of a replica that starts again begins with `start`.
    pub(super) fn restart(&self, replica: u8, start: u128) {
        let mut state = self.state();
        let side = side(&mut state, replica);
        side.history = Digest::new();
        side.history.add(&start);
        side.tainted = false;
    }

    /// Appends something to what `replica` has observed.
    pub(super) fn observe(&self, replica: u8, content: u128) {
        side(&mut self.state(), replica).history.add(&content);
    }

    /// What `replica` has observed so far.
    pub(super) fn history(&self, replica: u8) -> u128 {
        side(&mut self.state(), replica).history.value()
    }

    /// Lets all that still waits go on, whoever sent it: the end of the schedule.
    pub(super) fn open_all(&self) {
        let mut state = self.state();
        state.sides.iter_mut().for_each(|side| side.open = true);
        let waiting = std::mem::take(&mut state.parked);
        drop(state);
        for parked in waiting.into_values() {
            let _ = parked.go.send(Verdict::Pass);
        }
    }
}

fn side(state: &mut State, replica: u8) -> &mut Side {
    &mut state.sides[usize::from(replica) - 1]
}

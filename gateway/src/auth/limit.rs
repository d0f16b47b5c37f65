//! Limits TokenReviews per second: senders of made-up tokens must neither load the Kubernetes API nor lock out others.
//!
//! Tokens that were accepted before and are due for another review have a separate share. Within the rest, each source
//! address gets only part. Requests do not queue, apart from the few reviews in flight: those beyond the limit are refused
//! and told to retry.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::context::{Context, Monotonic};

/// Reviews under way of each share: two requests one after the other, milliseconds each.
const CONCURRENT: usize = 8;
/// How long one may wait for these.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// The part of the share of unknown tokens that one address may take: senders are mostly two or three.
const PEER_PART: f64 = 0.25;
/// Addresses that are told apart.
const PEERS_MAX: usize = 1024;

/// Which share of the limit a token's review counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was accepted before.
    Known,
    /// Nothing is known of it but where it comes from.
    Unknown(Option<IpAddr>),
}

/// Cheap to clone, and the clones share their counts.
#[derive(Clone)]
pub(super) struct ReviewLimit {
    inner: Arc<Inner>,
}

struct Inner {
    context: Context,
    known: Share,
    unknown: Share,
    peers: Mutex<BTreeMap<IpAddr, Bucket>>,
    per_peer: f64,
}

struct Share {
    per_second: f64,
    bucket: Mutex<Bucket>,
    under_way: Arc<Semaphore>,
}

/// Reviews that may be begun at once, as of a time.
#[derive(Clone, Copy)]
struct Bucket {
    reviews: f64,
    at: Monotonic,
}

impl Bucket {
    /// One that is full holds what a second brings.
    fn refill(&mut self, per_second: f64, now: Monotonic) {
        let brought = now.since(self.at).as_secs_f64() * per_second;
        self.reviews = (self.reviews + brought).min(per_second.max(1.0));
        self.at = now;
    }

    fn is_empty(&self) -> bool {
        self.reviews < 1.0
    }
}

impl ReviewLimit {
    /// Lets `per_second` reviews begin of each share.
    pub(super) fn new(per_second: u32, context: &Context) -> Self {
        let per_second = f64::from(per_second.max(1));
        let at = context.monotonic();
        let share = || Share {
            per_second,
            bucket: Mutex::new(Bucket { reviews: per_second, at }),
            under_way: Arc::new(Semaphore::new(CONCURRENT)),
        };
        let per_peer = (per_second * PEER_PART).max(1.0);
        let inner =
            Inner { context: context.clone(), known: share(), unknown: share(), peers: Mutex::default(), per_peer };
        Self { inner: Arc::new(inner) }
    }

    /// Lets a review begin, and holds its place until that is over; none if there are too many.
    pub(super) async fn admit(&self, standing: Standing) -> Option<OwnedSemaphorePermit> {
        let Inner { context, known, unknown, .. } = &*self.inner;
        let (share, peer) = match standing {
            Standing::Known => (known, None),
            Standing::Unknown(peer) => (unknown, peer),
        };
        if !self.take(share, peer) {
            return None;
        }
        context.timeout(MAX_WAIT, Arc::clone(&share.under_way).acquire_owned()).await.ok()?.ok()
    }

    fn take(&self, share: &Share, peer: Option<IpAddr>) -> bool {
        let Inner { context, peers, per_peer, .. } = &*self.inner;
        let now = context.monotonic();
        let mut peers = peers.lock();
        let mut bucket = share.bucket.lock();
        bucket.refill(share.per_second, now);
        if bucket.is_empty() {
            return false;
        }
        if let Some(peer) = peer {
            if peers.len() >= PEERS_MAX && !peers.contains_key(&peer) {
                peers.retain(|_, bucket| {
                    bucket.refill(*per_peer, now);
                    bucket.reviews < *per_peer
                });
            }
            // One address more than are told apart has the share of all.
            if peers.len() < PEERS_MAX || peers.contains_key(&peer) {
                let own = peers.entry(peer).or_insert(Bucket { reviews: *per_peer, at: now });
                own.refill(*per_peer, now);
                if own.is_empty() {
                    return false;
                }
                own.reviews -= 1.0;
            }
        }
        bucket.reviews -= 1.0;
        true
    }
}

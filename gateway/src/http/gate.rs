//! How many requests are worked on at once, and how many wait for it.

use std::{sync::Arc, time::Duration};

use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::Server, context::Context, metrics::Metrics};

/// Lets `max_concurrent_requests` in at once, and as many again wait in line.
pub(super) struct Gate {
    /// A place to work, handed out in order of arrival.
    places: Arc<Semaphore>,
    /// A place to work or to wait.
    admissions: Arc<Semaphore>,
    max_wait: Duration,
    context: Context,
    in_flight: IntGauge,
}

/// A place; given back when dropped.
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    _admission: OwnedSemaphorePermit,
    in_flight: IntGauge,
}

impl Gate {
    pub(super) fn new(server: &Server, context: &Context, metrics: &Metrics) -> Self {
        let places = server.max_concurrent_requests.clamp(1, Semaphore::MAX_PERMITS / 2);
        Self {
            places: Arc::new(Semaphore::new(places)),
            admissions: Arc::new(Semaphore::new(places * 2)),
            max_wait: server.max_queue_wait,
            context: context.clone(),
            in_flight: metrics.http_requests_in_flight.clone(),
        }
    }

    /// A place, or none if too many wait already or it took too long.
    pub(super) async fn enter(&self) -> Option<Place> {
        let admission = Arc::clone(&self.admissions).try_acquire_owned().ok()?;
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let waiting = Arc::clone(&self.places).acquire_owned();
                self.context.timeout(self.max_wait, waiting).await.ok()?.ok()?
            }
        };
        self.in_flight.inc();
        Some(Place { _place: place, _admission: admission, in_flight: self.in_flight.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

//! The end of a schedule.
#![allow(clippy::disallowed_methods, reason = "the scheduler owns the clock")]

use std::time::Duration;

use gateway::{dedup::bounds::left_behind_for, http::PROMETHEUS};

use super::World;
use crate::{exhaustive::seed, oracles::Violation, replica::config};

/// Where nothing was left behind: long enough for a projection that waited for another replica once.
const SHORT_REST: Duration = Duration::from_secs(6);

impl World {
    /// Lets everything come to rest after the last choice, sends one more signal, and says what does not hold.
    pub(in crate::exhaustive) async fn finish(&mut self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut violated = |oracle, message| violations.push(Violation { oracle, version: None, message });
        let calm =
            self.left.faults == u8::from(!self.case.faults.is_empty()) && self.left.early == self.case.early_timers;
        let answers = self.answers.lock().clone();
        for status in answers.into_iter().flatten().filter(|status| calm && !matches!(status, 201 | 202)) {
            violated("liveness", format!("a signal is answered {status} although nothing went wrong"));
        }
        self.scheduler.open_all();
        let long = left_behind_for(&config());
        let quick = calm && self.case.existing.is_none() && self.case.action.is_none();
        tokio::time::sleep(if quick { SHORT_REST } else { long }).await;
        if let Some(replica) = self.places.iter().find_map(|place| place.replica.clone()) {
            let (body, fingerprint) = seed::signal();
            let answer = self.fleet.send(&replica, PROMETHEUS, body, fingerprint).await;
            if !matches!(answer.status.as_u16(), 201 | 202) {
                violated("liveness", format!("a signal after everything is answered {}", answer.status));
            }
            tokio::time::sleep(if quick { SHORT_REST } else { long }).await;
        }
        for request in self.fleet.requests() {
            let finalizers = request["metadata"]["finalizers"].as_array();
            if finalizers.is_some_and(|finalizers| !finalizers.is_empty()) {
                violated("claims", format!("{} is still claimed", request["metadata"]["name"]));
            }
        }
        violations.extend(self.fleet.finish());
        violations
    }
}

//! Making a choice.
#![allow(clippy::disallowed_methods, reason = "the scheduler owns the clock and starts the actors")]

use gateway::remediation::RemediationRequest;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch},
};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{TIMEOUT, World};
use crate::{
    exhaustive::{
        choice::{Choice, Item},
        digest::Digest,
        scheduler::{Kind, Verdict},
        seed,
    },
    replica::{NAMESPACE, pod_name},
    trace::Life,
};

impl World {
    /// What a choice is about, such as `create leases`; empty if it is about nothing that waits.
    pub(in crate::exhaustive) fn about(&self, choice: Choice) -> String {
        let (kind, item) = match choice {
            Choice::Effect(item) | Choice::LoseRequest(item) | Choice::Refuse(item) => (Kind::Effect, item),
            Choice::Answer(item) | Choice::LoseAnswer(item) => (Kind::Answer, item),
            Choice::Event(item) => (Kind::Event, item),
            _ => return String::new(),
        };
        let mut about = String::new();
        self.scheduler.each(|waits, waiting, parked| {
            if (waits, waiting) == (kind, item) {
                about = parked.label.to_string();
            }
        });
        about
    }

    /// Makes a choice and lets everything run that follows from it; says what it was, or that it cannot be made.
    pub(in crate::exhaustive) async fn perform(&mut self, choice: Choice) -> Result<String, String> {
        if !self.candidates().iter().any(|candidate| candidate.choice == choice) {
            return Err(format!("{choice} is not possible here"));
        }
        self.overtake(choice);
        let label = match choice {
            Choice::Arrive(signal) => {
                let index = usize::from(signal) - 1;
                self.send(index);
                self.scheduler.observe(self.signals[index].replica, Digest::of(&("arrive", self.elapsed())));
                String::new()
            }
            Choice::Effect(item) => self.decide(Kind::Effect, item, Verdict::Pass),
            Choice::Answer(item) => self.decide(Kind::Answer, item, Verdict::Pass),
            Choice::Event(item) => self.decide(Kind::Event, item, Verdict::Pass),
            Choice::LoseRequest(item) => self.decide(Kind::Effect, item, Verdict::Lose),
            Choice::Refuse(item) => self.decide(Kind::Effect, item, Verdict::Refuse),
            Choice::LoseAnswer(item) => self.decide(Kind::Answer, item, Verdict::Lose),
            Choice::Crash(number) => self.crash(number, false),
            Choice::CrashLanding(number) => self.crash(number, true),
            Choice::Restart(number) => self.restart(number).await,
            Choice::Time => self.pass_time().await,
            Choice::Delete => self.act_as("retention", |api| async move {
                let _ = api.delete(seed::PREDECESSOR, &Default::default()).await;
            }),
            Choice::Complete => self.complete(),
        };
        self.left.faults -= u8::from(choice.is_fault());
        self.left.actions -= u8::from(matches!(choice, Choice::Delete | Choice::Complete));
        self.settle().await;
        Ok(label)
    }

    /// What a choice overtakes goes to the back of the queue.
    fn overtake(&self, choice: Choice) {
        match choice {
            Choice::Effect(item) => self.scheduler.overtake(Kind::Effect, item),
            Choice::Answer(item) => self.scheduler.overtake(Kind::Answer, item),
            Choice::Event(item) => self.scheduler.overtake(Kind::Event, item),
            _ => {}
        }
    }

    fn decide(&self, kind: Kind, item: Item, verdict: Verdict) -> String {
        let now = self.elapsed().as_nanos();
        self.scheduler.decide(kind, item, verdict, now).map(|label| label.to_string()).unwrap_or_default()
    }

    fn crash(&mut self, number: u8, lands: bool) -> String {
        let place = &mut self.places[usize::from(number) - 1];
        place.dead.cancel();
        self.fleet.trace.life(&pod_name(usize::from(number)), Life::Crashed);
        if let Some(replica) = place.replica.take() {
            replica.crash();
        }
        self.scheduler.crash(number, lands);
        for signal in &mut self.signals {
            if signal.replica == number {
                // The connection breaks: whoever sent it sends it again later.
                signal.sender.iter().for_each(JoinHandle::abort);
            }
        }
        String::new()
    }

    async fn restart(&mut self, number: u8) -> String {
        self.start(number).await;
        self.scheduler.restart(number, Digest::of(&("restart", self.elapsed(), self.store_digest())));
        for index in 0..self.signals.len() {
            let unanswered = self.answers.lock()[index].is_none();
            if self.signals[index].replica == number && unanswered && self.signals[index].sender.is_some() {
                self.send(index);
            }
        }
        String::new()
    }

    /// Time goes from timer to timer until a replica does something.
    async fn pass_time(&mut self) -> String {
        let mut waits = false;
        self.scheduler.each(|_, _, _| waits = true);
        let before = self.elapsed();
        let early = waits || !self.arrivals().is_empty() || self.places.iter().any(|place| place.replica.is_none());
        self.left.early -= u8::from(early);
        let acted = tokio::time::timeout(TIMEOUT, self.scheduler.acted()).await.is_ok();
        self.quiesce().await;
        self.stuck = !acted && !early;
        format!("{} ms", (self.elapsed() - before).as_millis())
    }

    fn complete(&self) -> String {
        let Some(name) = self.active() else { return String::new() };
        let label = name.clone();
        self.act_as("remediation-controller", |api| async move {
            let patch = Patch::Merge(json!({ "status": { "overallPhase": "Completed" } }));
            let _ = api.patch_status(&name, &Default::default(), &patch).await;
        });
        label
    }

    /// The name of the RemediationRequest whose phase is not set yet.
    pub(super) fn active(&self) -> Option<String> {
        let requests = self.fleet.requests();
        let active = requests.iter().find(|request| {
            request["status"]["overallPhase"].is_null() && request["metadata"]["deletionTimestamp"].is_null()
        });
        active.and_then(|request| request["metadata"]["name"].as_str()).map(str::to_owned)
    }

    fn act_as<F: Future<Output = ()> + Send + 'static>(
        &self,
        user: &str,
        act: impl FnOnce(Api<DynamicObject>) -> F,
    ) -> String {
        let resource = ApiResource::erase::<RemediationRequest>(&());
        let api = Api::namespaced_with(self.fleet.api.client(user, NAMESPACE), NAMESPACE, &resource);
        tokio::spawn(act(api));
        String::new()
    }
}

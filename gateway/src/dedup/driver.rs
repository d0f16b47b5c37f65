//! Carries out what the machines of [`super::protocol`] say, and tells them what became of it.

use std::sync::Arc;

use super::{
    core::Core,
    history::Asked,
    protocol::{
        Answer, Now,
        count::{Cause, Count, Effect, Event, Outcome},
    },
};
use crate::{context::Monotonic, kubernetes::Operation, remediation::Record};

/// What a batch is refused as.
pub(super) const COUNT: Operation = Operation { verb: "patch", resource: "leases" };

/// Counts a batch on `target`, each request until `deadline` at most.
pub(super) async fn count(core: &Core, machine: &mut Count, target: &Arc<Record>, deadline: Monotonic) -> Outcome {
    let Core { store, context, view, .. } = core;
    let agrees = |asked: &Asked, object: &Answer<Option<Arc<Record>>>| match object {
        Ok(found) => view.agrees_with_get(asked, &target.name, found.as_deref()),
        Err(_) => true,
    };
    let mut event = Event::Begin;
    loop {
        let now = Now { wall: context.now(), monotonic: context.monotonic() };
        let effect = machine.step(event, now);
        tracing::trace!(?effect, "count");
        event = match effect {
            Effect::ReadCounter => Event::Counter(store.counter(&target.uid, deadline).await),
            Effect::ReadObject => {
                let asked = view.asked(&target.fingerprint);
                let object = store.object(&target.name, deadline).await;
                if !agrees(&asked, &object) {
                    return Outcome::Indeterminate(Cause::WentBack);
                }
                Event::Object(object)
            }
            Effect::Write { write, look: false } => {
                Event::Written { counter: store.write(target, &write, deadline).await, object: None }
            }
            Effect::Write { write, look: true } => {
                let asked = view.asked(&target.fingerprint);
                let (write, look) = (store.write(target, &write, deadline), store.object(&target.name, deadline));
                let (counter, object) = futures::join!(write, look);
                if !agrees(&asked, &object) {
                    return Outcome::Indeterminate(Cause::WentBack);
                }
                Event::Written { counter, object: Some(object) }
            }
            Effect::Sleep(pause) => {
                context.sleep(context.jitter(pause, pause * 3 / 2)).await;
                Event::Slept
            }
            Effect::Done(outcome) => return outcome,
        };
    }
}

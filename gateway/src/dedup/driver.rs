//! Carries out what the machines of [`super::protocol`] say, and tells them what became of it.

use std::sync::Arc;

use super::{
    core::Core,
    history::Asked,
    protocol::{
        Answer, Now,
        count::{Cause, Count, Effect, Event, Outcome},
    },
    view::View,
};
use crate::{context::Monotonic, kubernetes::Operation, remediation::Record};

/// What a batch is refused as.
pub(super) const COUNT: Operation = Operation { verb: "patch", resource: "leases" };

/// Counts a batch on `target`, each request until `deadline` at most.
pub(super) async fn count(core: &Core, machine: &mut Count, target: &Arc<Record>, deadline: Monotonic) -> Outcome {
    let Core { store, context, view, .. } = core;
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
                if !is_continued(view, &asked, target, &object) {
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
                if !is_continued(view, &asked, target, &object) {
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

/// Whether what a read says of `target` can be the continuation of what the view knew when it was `asked` for.
fn is_continued(view: &View, asked: &Asked, target: &Record, object: &Answer<Option<Arc<Record>>>) -> bool {
    match object {
        Ok(Some(record)) => view.agrees(asked, record),
        Ok(None) => {
            view.missed(asked, &target.name);
            true
        }
        Err(_) => true,
    }
}

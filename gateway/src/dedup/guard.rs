//! Looks whether etcd, the API servers' lists and the view agree on objects of which they were seen to disagree.

use std::time::Duration;

use kube::{Api, api::ListParams};

use super::{bounds::REQUEST_TIMEOUT, history::Finding, view::View};
use crate::{
    context::Context,
    kubernetes::{Error, Kubernetes, Operation},
    remediation::{Fingerprint, Projected, ResourceVersion},
};

const GET: Operation = Operation { verb: "get", resource: "remediationrequests" };
const LIST: Operation = Operation { verb: "list", resource: "remediationrequests" };
/// What the view is about to learn by itself contradicts nothing.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks whether the API servers are right again.
const PAUSE_IN_DOUBT: Duration = Duration::from_secs(5);

/// Looks at suspects until the instance ends.
pub(super) struct Guard {
    pub(super) view: View,
    pub(super) api: Api<Projected>,
    pub(super) kubernetes: Kubernetes,
    pub(super) context: Context,
}

impl Guard {
    pub(super) async fn run(self) {
        loop {
            self.view.suspected().await;
            let pause = if self.view.is_doubtful() { PAUSE_IN_DOUBT } else { PAUSE };
            self.context.sleep(self.context.jitter(pause, pause + pause / 2)).await;
            for (name, fingerprint) in self.view.all_suspects() {
                let epoch = self.view.epoch();
                let finding = self.look(&name, &fingerprint).await.unwrap_or_else(|error| {
                    tracing::warn!(%name, %error, "it cannot be told whether etcd and the API servers' caches agree");
                    Finding::Open
                });
                tracing::debug!(%name, ?finding, "looked whether etcd, lists and view agree");
                self.view.judge(&name, finding, epoch);
            }
        }
    }

    /// An object that is the same before and after a consistent list was so in between: the list must say so, and a view
    /// that has come as far as the list.
    async fn look(&self, name: &str, fingerprint: &Fingerprint) -> Result<Finding, Error> {
        let before = self.get(name).await?;
        let params = ListParams::default().fields(&format!("metadata.name={name}"));
        let deadline = self.context.monotonic() + REQUEST_TIMEOUT;
        let list = self.kubernetes.call(LIST, deadline, || self.api.list(&params)).await?;
        let version = list.metadata.resource_version.as_deref().and_then(ResourceVersion::parse);
        let listed = list.items.into_iter().next().map(state).transpose()?;
        let caught_up = match version {
            Some(version) => self.view.reached(&self.context, version, PAUSE).await,
            None => false,
        };
        let of_it = self.view.of(fingerprint);
        let viewed = of_it.iter().find(|record| record.name == name);
        let viewed = viewed.map(|record| (record.uid.clone(), record.version));
        let after = self.get(name).await?;
        Ok(match () {
            () if before != after => Finding::Open,
            () if listed != after => Finding::ListContradicts,
            () if !caught_up => Finding::Open,
            () if viewed != after => Finding::ViewContradicts,
            () => Finding::Agreed,
        })
    }

    async fn get(&self, name: &str) -> Result<Option<State>, Error> {
        let deadline = self.context.monotonic() + REQUEST_TIMEOUT;
        let object = self.kubernetes.call(GET, deadline, || self.api.get_opt(name)).await?;
        object.map(state).transpose()
    }
}

/// Which object, in which version.
type State = (String, ResourceVersion);

fn state(object: Projected) -> Result<State, Error> {
    let record = object.record()?;
    Ok((record.uid, record.version))
}

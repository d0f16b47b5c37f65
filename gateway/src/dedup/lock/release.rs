//! Release: deletes a lease in exactly the version that is ours, and never another.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Preconditions};

use super::{LockManager, Shared};
use crate::{
    context::Monotonic,
    kubernetes::{Error, Operation},
    remediation::LeaseName,
};

const DELETE: Operation = Operation { verb: "delete", resource: "leases" };

impl LockManager {
    /// Releases the lock `name`: deletes the lease if it is ours, in the version that is ours. That it is gone, or
    /// another's by now, is success.
    ///
    /// # Errors
    /// If the API server could not be asked, to the end of `deadline`.
    pub async fn release(&self, name: &LeaseName, deadline: Monotonic) -> Result<(), Error> {
        match self.take(name) {
            Some(preconditions) => self.delete(name, preconditions, deadline).await,
            None => self.release_found(name, deadline).await.map(|_| ()),
        }
    }

    /// Gives up what is held under `name`.
    fn take(&self, name: &LeaseName) -> Option<Preconditions> {
        let held = self.state().held.remove(name)?;
        let held_for = self.shared.context.monotonic().since(held.since);
        self.shared.metrics.lock_hold_seconds.observe(held_for.as_secs_f64());
        Some(Preconditions { uid: held.uid, resource_version: held.version })
    }

    /// Releases a lease that this process does not know to hold: of an incarnation before a restart, or of a create
    /// whose answer was lost. Tells whether it is done: it must not be while an acquisition is under way, which may
    /// have made this version its own without having heard of it yet.
    async fn release_found(&self, name: &LeaseName, deadline: Monotonic) -> Result<bool, Error> {
        let Some(lease) = self.get(name, deadline).await? else { return Ok(true) };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
        let acquired_again = self.state().held.contains_key(name);
        if acquired_again || holder != Some(self.shared.holder.identity.as_str()) {
            return Ok(true);
        }
        if self.state().acquiring.contains_key(name) {
            return Ok(false);
        }
        let ObjectMeta { uid, resource_version, .. } = lease.metadata;
        self.delete(name, Preconditions { uid, resource_version }, deadline).await.map(|()| true)
    }

    /// Deletes the lease in exactly one version: by construction never one that another holds.
    async fn delete(&self, name: &LeaseName, version: Preconditions, deadline: Monotonic) -> Result<(), Error> {
        let params = DeleteParams::default().preconditions(version);
        let Shared { api, kubernetes, .. } = &*self.shared;
        match kubernetes.call(DELETE, deadline, || api.delete(name.as_str(), &params)).await {
            Ok(_) | Err(Error::NotFound(_) | Error::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Releases the lock `name` off the critical path, with a time budget of its own and retries.
    pub fn release_in_background(&self, name: &LeaseName) {
        let held = self.take(name);
        let (manager, name) = (self.clone(), name.clone());
        self.state().releasing += 1;
        self.shared.context.spawn(async move {
            manager.release_persistently(&name, held).await;
            manager.state().releasing -= 1;
        });
    }

    async fn release_persistently(&self, name: &LeaseName, held: Option<Preconditions>) {
        let Shared { context, config, .. } = &*self.shared;
        let deadline = context.monotonic() + config.release_timeout;
        let mut backoff = config.initial_backoff;
        loop {
            let released = match &held {
                Some(version) => self.delete(name, version.clone(), deadline).await.map(|()| true),
                None => self.release_found(name, deadline).await,
            };
            if matches!(released, Ok(true)) {
                return;
            }
            if context.monotonic() + backoff >= deadline {
                let error = released.err().map(tracing::field::display);
                tracing::warn!(lease = %name, error, "a lease could not be released; the collector will delete it");
                return;
            }
            context.sleep(context.jitter(backoff / 2, backoff)).await;
            backoff = (backoff * 2).min(config.max_backoff);
        }
    }

    /// Whether nothing is held and no release is under way.
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.held.is_empty() && state.releasing == 0
    }

    /// Starts the release of everything held.
    pub fn release_all(&self) {
        let held: Vec<LeaseName> = self.state().held.keys().cloned().collect();
        for name in held {
            self.release_in_background(&name);
        }
    }
}

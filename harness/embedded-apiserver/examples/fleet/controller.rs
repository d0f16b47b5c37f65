//! The controller: production code, which knows nothing of what it is tested on.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, CustomResource, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use kube_runtime::{
    Controller,
    controller::Action,
    utils::Backoff,
    watcher::{self, DefaultBackoff},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Says to which fleet a worker belongs.
pub(crate) const LABEL: &str = "example.org/fleet";

/// How long a failed reconciliation waits for its next try.
const RETRY: Duration = Duration::from_secs(1);

/// A number of workers, which are ConfigMaps here: nothing has to run for this example.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "example.org", version = "v1", kind = "Fleet", namespaced, status = "FleetStatus")]
pub(crate) struct FleetSpec {
    /// How many workers there should be.
    #[schemars(range(max = 100))]
    pub(crate) replicas: u32,
}

/// What was last seen.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub(crate) struct FleetStatus {
    /// How many workers there are.
    pub(crate) ready: u32,
}

/// Keeps every fleet in the cluster at its number of workers, until dropped.
pub(crate) async fn run(client: Client) {
    run_with(client, DefaultBackoff::default()).await;
}

/// As [`run`], with other waits between the tries of a watch: the default ones are drawn at random.
pub(crate) async fn run_with(client: Client, backoff: impl Backoff + 'static) {
    let fleets = Api::<Fleet>::all(client.clone());
    let workers = Api::<ConfigMap>::all(client.clone());
    Controller::new(fleets, watcher::Config::default())
        .owns(workers, watcher::Config::default().labels(LABEL))
        .trigger_backoff(backoff)
        .run(reconcile, |_, _, _| Action::requeue(RETRY), Arc::new(client))
        .for_each(|_| async {})
        .await;
}

/// Brings the workers of one fleet to their number.
///
/// A worker is named by its index. Whatever this replica has not heard of yet, because the cache is old, an answer was
/// lost, or another replica was faster, it cannot create the same worker twice.
async fn reconcile(fleet: Arc<Fleet>, client: Arc<Client>) -> Result<Action, kube::Error> {
    let namespace = fleet.namespace().unwrap_or_default();
    let workers = Api::<ConfigMap>::namespaced(Client::clone(&client), &namespace);
    let wanted: Vec<String> = (0..fleet.spec.replicas).map(|index| format!("{}-{index}", fleet.name_any())).collect();
    let found = workers.list(&ListParams::default().labels(&format!("{LABEL}={}", fleet.name_any()))).await?;
    for surplus in found.iter().map(ResourceExt::name_any).filter(|name| !wanted.contains(name)) {
        unless(404, workers.delete(&surplus, &DeleteParams::default()).await)?;
    }
    for missing in wanted.iter().filter(|name| !found.iter().any(|worker| worker.name_any() == **name)) {
        unless(409, workers.create(&PostParams::default(), &worker(&fleet, missing)).await)?;
    }
    if fleet.status.as_ref().is_none_or(|status| status.ready != fleet.spec.replicas) {
        let status = json!({"status": FleetStatus { ready: fleet.spec.replicas }});
        let fleets = Api::<Fleet>::namespaced(Client::clone(&client), &namespace);
        fleets.patch_status(&fleet.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
    }
    Ok(Action::await_change())
}

fn worker(fleet: &Fleet, name: &str) -> ConfigMap {
    let mut worker = ConfigMap::default();
    let metadata = worker.meta_mut();
    metadata.name = Some(name.to_owned());
    metadata.labels = Some(BTreeMap::from([(LABEL.to_owned(), fleet.name_any())]));
    // With it, the garbage collector removes the workers of a fleet that is gone.
    metadata.owner_references = Some(fleet.controller_owner_ref(&()).into_iter().collect());
    worker
}

/// Takes the HTTP status `code` for success: it says that what was wanted is so already.
fn unless<T>(code: u16, result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == code => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

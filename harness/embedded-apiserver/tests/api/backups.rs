//! The store restored from a backup, and what clients see of it.

use std::time::Duration;

use crate::support::{
    Events, api, api_with, arrived, change, code_and_reason, incident, incidents, lease, leases, owned_lease, wait_ms,
};
use embedded_apiserver::{EmbeddedApi, Options, Restore};
use futures::StreamExt;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, PostParams, WatchEvent, WatchParams},
};
use rstest::rstest;

type Incidents = Api<DynamicObject>;

async fn create(incidents: &Incidents, name: &str, key: &str) -> DynamicObject {
    incidents.create(&PostParams::default(), &incident(name, key)).await.unwrap()
}

async fn delete(incidents: &Incidents, name: &str) {
    incidents.delete(name, &DeleteParams::default()).await.unwrap();
}

/// Names and keys in a list, and its version.
async fn listed(incidents: &Incidents) -> (Vec<String>, u64) {
    let list = incidents.list(&ListParams::default()).await.unwrap();
    let shown = |object: &DynamicObject| {
        format!("{}={}", object.metadata.name.as_deref().unwrap(), object.data["spec"]["key"].as_str().unwrap())
    };
    (list.items.iter().map(shown).collect(), list.metadata.resource_version.unwrap().parse().unwrap())
}

async fn watch(incidents: &Incidents, version: u64) -> Events {
    incidents.watch(&WatchParams::default(), &version.to_string()).await.unwrap().boxed()
}

/// The events that are there now, as `KIND name`.
async fn ready(events: &mut Events) -> Vec<String> {
    let text = |event| match event {
        Ok(WatchEvent::Bookmark(_)) => "BOOKMARK".to_owned(),
        Ok(WatchEvent::Error(status)) => format!("ERROR {}", status.code),
        Ok(event) => change(&event),
        Err(_) => "broken".to_owned(),
    };
    arrived(events).await.into_iter().map(text).collect()
}

/// A server with the incident `old` in a backup, restored after `old` was deleted and `new` created and changed.
/// What `incidents` are, the version before the restore, and a watch that began before it.
async fn restored(restore: Restore) -> (EmbeddedApi, Incidents, u64, Events) {
    let api = api_with(Options { consistent_list_wait: Duration::ZERO, ..Options::default() });
    let incidents = incidents(api.client("one", "test"));
    create(&incidents, "old", "k").await;
    let backup = api.snapshot();
    delete(&incidents, "old").await;
    create(&incidents, "new", "before").await;
    let version = api.resource_version();
    let events = watch(&incidents, version).await;
    api.restore(&backup, restore);
    (api, incidents, version, events)
}

#[rstest]
#[case::with_everything(Restore::Everything)]
#[case::in_a_busy_cluster(Restore::BUSY)]
#[case::under_a_live_api(Restore::UnderLiveApi)]
#[tokio::test(start_paused = true)]
async fn objects_and_versions_go_back_and_versions_come_again_with_other_content(#[case] restore: Restore) {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let old = create(&incidents, "old", "k").await;
    let backup = api.snapshot();
    delete(&incidents, "old").await;
    let before = create(&incidents, "new", "before").await;
    api.restore(&backup, restore);
    assert_eq!(incidents.get("old").await.unwrap(), old, "under its uid and version");
    assert_eq!(code_and_reason(incidents.get("new").await).0, 404);
    create(&incidents, "other", "k").await;
    let after = create(&incidents, "new", "after").await;
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    assert_ne!(after.metadata.uid, before.metadata.uid, "uids are random");

    api.restore(&backup.with_uids_again(), restore);
    let again = create(&incidents, "again", "k").await;
    assert_eq!(again.metadata.uid, before.metadata.uid, "unless they are asked for");
}

#[tokio::test(start_paused = true)]
async fn with_everything_restored_watches_break_and_lists_show_the_backup() {
    let (_api, incidents, before, mut events) = restored(Restore::Everything).await;
    assert_eq!(ready(&mut events).await, ["broken"]);
    let (items, version) = listed(&incidents).await;
    assert_eq!(items, ["old=k"]);
    assert_eq!(version, before - 2);
    let mut events = watch(&incidents, version - 1).await;
    assert_eq!(ready(&mut events).await, ["ERROR 410"], "the new cache has no history");
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_before_the_restore_is_accepted_and_silent_until_its_version_is_passed() {
    let (_api, incidents, before, _) = restored(Restore::Everything).await;
    let mut events = watch(&incidents, before).await;
    create(&incidents, "a", "k").await;
    wait_ms(120_000).await;
    assert_eq!(ready(&mut events).await, [""; 0], "not even a bookmark");
    create(&incidents, "b", "k").await;
    create(&incidents, "c", "k").await;
    assert_eq!(ready(&mut events).await, ["ADDED c"], "neither what was undone nor what came before");
}

#[tokio::test(start_paused = true)]
async fn in_a_busy_cluster_the_old_version_is_passed_soon() {
    let (api, incidents, before, mut events) = restored(Restore::BUSY).await;
    assert_eq!(ready(&mut events).await, ["broken"]);
    assert!(listed(&incidents).await.1 < before);
    let mut events = watch(&incidents, before).await;
    wait_ms(181).await;
    assert!(api.resource_version() > before);
    create(&incidents, "a", "k").await;
    assert_eq!(ready(&mut events).await, ["ADDED a"], "that `old` is back and `new` is gone is not told");
    assert_eq!(listed(&incidents).await.0, ["a=k", "old=k"]);
}

#[tokio::test(start_paused = true)]
async fn under_a_live_api_lists_and_watches_contradict_gets_until_it_restarts() {
    let (api, incidents, before, mut events) = restored(Restore::UnderLiveApi).await;
    assert_eq!(listed(&incidents).await, (vec!["new=before".to_owned()], before));
    create(&incidents, "a", "hidden").await;
    assert_eq!(listed(&incidents).await, (vec!["new=before".to_owned()], before), "below the cache's version");
    assert_eq!(ready(&mut events).await, [""; 0]);
    create(&incidents, "b", "hidden").await;
    create(&incidents, "c", "k").await;
    assert_eq!(ready(&mut events).await, ["ADDED c"]);
    assert_eq!(listed(&incidents).await, (vec!["c=k".to_owned(), "new=before".to_owned()], before + 1));
    assert_eq!(code_and_reason(incidents.get("new").await).0, 404);
    delete(&incidents, "a").await;
    assert_eq!(ready(&mut events).await, [""; 0], "what the cache never had");
    create(&incidents, "new", "after").await;
    assert_eq!(ready(&mut events).await, ["MODIFIED new"], "what it still has");

    api.restart_api();
    assert_eq!(ready(&mut events).await, ["broken"]);
    let (items, version) = listed(&incidents).await;
    assert_eq!(items, ["b=hidden", "c=k", "new=after", "old=k"]);
    assert_eq!(version, api.resource_version());
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_api_servers_costs_the_watches_and_their_history() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    create(&incidents, "a", "k").await;
    let before = api.resource_version();
    let mut events = watch(&incidents, before).await;
    create(&incidents, "b", "k").await;
    api.restart_api();
    assert_eq!(ready(&mut events).await, ["broken"]);
    assert_eq!(ready(&mut watch(&incidents, before).await).await, ["ERROR 410"]);
    assert_eq!(listed(&incidents).await.0, ["a=k", "b=k"]);
    let mut events = watch(&incidents, before + 1).await;
    create(&incidents, "c", "k").await;
    assert_eq!(ready(&mut events).await, ["ADDED c"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_backup_defines_is_served_and_what_owns_nothing_any_more_is_collected() {
    let api = api();
    let (incidents, leases) = (incidents(api.client("one", "test")), leases(api.client("one", "test")));
    let uid = create(&incidents, "a", "k").await.metadata.uid.unwrap();
    let owned = api.snapshot();
    leases.create(&PostParams::default(), &owned_lease("count", "a", &uid)).await.unwrap();
    let counted = api.snapshot();
    api.unseed("customresourcedefinitions", "", "incidents.example.org");
    assert_eq!(code_and_reason(incidents.get("a").await).0, 404);
    wait_ms(1000).await;
    assert!(leases.get_opt("count").await.unwrap().is_some(), "whose owner's kind is not known");
    api.restore(&counted, Restore::Everything);
    incidents.get("a").await.unwrap();
    delete(&incidents, "a").await;
    wait_ms(1000).await;
    assert!(leases.get_opt("count").await.unwrap().is_none());
    api.restore(&owned, Restore::Everything);
    incidents.get("a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn leases_kept_apart_count_their_own_versions_and_no_other_list_waits_for_them() {
    let api = api_with(Options { lease_store: Some(1_000_000), ..Options::default() });
    let (incidents, leases) = (incidents(api.client("one", "test")), leases(api.client("one", "test")));
    wait_ms(1000).await;
    let before = api.resource_version();
    let version = leases.create(&PostParams::default(), &lease("a")).await.unwrap().metadata.resource_version;
    assert_eq!(version.as_deref(), Some("1000001"));
    assert_eq!(api.resource_version(), before);
    let took = crate::support::elapsed_ms(incidents.list(&ListParams::default())).await;
    assert_eq!(took, 0, "a write of a lease is one in another etcd");
    let made = create(&incidents, "a", "k").await;
    assert_eq!(made.metadata.resource_version, Some((before + 1).to_string()));
    let list = leases.list(&ListParams::default()).await.unwrap();
    assert_eq!(list.metadata.resource_version.as_deref(), Some("1000001"));
    let backup = api.snapshot();
    leases.delete("a", &DeleteParams::default()).await.unwrap();
    api.restore(&backup, Restore::Everything);
    let again = leases.create(&PostParams::default(), &lease("b")).await.unwrap().metadata.resource_version;
    assert_eq!(again.as_deref(), Some("1000002"), "both go back");
}

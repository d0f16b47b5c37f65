//! Watching through the embedded API.

use std::{sync::Arc, time::Duration};

use crate::support::{Events, api, api_with, arrived, change, incident, incidents, lease, leases, wait_ms};
use embedded_apiserver::{Caller, Fault, Faults, Options, RequestInfo, Script, WatchFault};
use futures::{StreamExt, TryStreamExt};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::json;

async fn watch(incidents: &Api<DynamicObject>, params: &WatchParams, version: &str) -> Events {
    incidents.watch(params, version).await.unwrap().boxed()
}

/// The events that are there now, as `KIND name`.
async fn ready(events: &mut Events) -> Vec<String> {
    let text = |event| match event {
        Ok(WatchEvent::Bookmark(bookmark)) => format!("BOOKMARK {}", bookmark.metadata.resource_version),
        Ok(WatchEvent::Error(status)) => format!("ERROR {} {}", status.code, status.reason),
        Ok(event) => change(&event),
        Err(error) => format!("broken: {error}"),
    };
    arrived(events).await.into_iter().map(text).collect()
}

async fn create(incidents: &Api<DynamicObject>, name: &str, key: &str) -> DynamicObject {
    incidents.create(&PostParams::default(), &incident(name, key)).await.unwrap()
}

async fn set_key(incidents: &Api<DynamicObject>, name: &str, key: &str) {
    let patch = Patch::Merge(json!({"spec": {"key": key}}));
    incidents.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_version_shows_what_came_after_it() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    create(&incidents, "before", "k").await;
    let version = incidents.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let mut events = watch(&incidents, &WatchParams::default(), &version).await;
    assert_eq!(ready(&mut events).await, [""; 0]);
    create(&incidents, "a", "k").await;
    set_key(&incidents, "a", "l").await;
    incidents.delete("a", &DeleteParams::default()).await.unwrap();
    leases(api.client("one", "test")).create(&PostParams::default(), &lease("other")).await.unwrap();
    assert_eq!(ready(&mut events).await, ["ADDED a", "MODIFIED a", "DELETED a"]);
    let mut late = watch(&incidents, &WatchParams::default(), &version).await;
    assert_eq!(ready(&mut late).await, ["ADDED a", "MODIFIED a", "DELETED a"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_zero_starts_with_what_there_is() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    create(&incidents, "a", "k").await;
    let mut events = watch(&incidents, &WatchParams::default(), "0").await;
    create(&incidents, "b", "k").await;
    assert_eq!(ready(&mut events).await, ["ADDED a", "ADDED b"]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_event_carries_the_last_state_and_the_version_of_the_deletion() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let created = create(&incidents, "a", "k").await;
    let version = created.metadata.resource_version.unwrap();
    incidents.delete("a", &DeleteParams::default()).await.unwrap();
    let mut events = watch(&incidents, &WatchParams::default(), &version).await;
    let Some(WatchEvent::Deleted(last)) = events.try_next().await.unwrap() else { panic!("no DELETED event") };
    assert_eq!(last.data["spec"]["key"], "k");
    assert_eq!(last.metadata.resource_version, Some(api.resource_version().to_string()));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_enters_or_leaves_the_selection_is_added_or_deleted() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    create(&incidents, "a", "x").await;
    let version = api.resource_version().to_string();
    let mut events = watch(&incidents, &WatchParams::default().fields("spec.key=y"), &version).await;
    set_key(&incidents, "a", "y").await;
    set_key(&incidents, "a", "z").await;
    incidents.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(ready(&mut events).await, ["ADDED a", "DELETED a"]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_no_longer_kept_is_gone() {
    let api = api_with(Options { history: 3, ..Options::default() });
    let incidents = incidents(api.client("one", "test"));
    let version = create(&incidents, "a", "k").await.metadata.resource_version.unwrap();
    for key in ["b", "c", "d", "e"] {
        set_key(&incidents, "a", key).await;
    }
    let mut events = watch(&incidents, &WatchParams::default(), &version).await;
    assert_eq!(ready(&mut events).await, ["ERROR 410 Expired"]);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn bookmarks_come_every_minute_and_carry_the_newest_version() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let version = create(&incidents, "a", "k").await.metadata.resource_version.unwrap();
    let mut events = watch(&incidents, &WatchParams::default(), &version).await;
    leases(api.client("one", "test")).create(&PostParams::default(), &lease("other")).await.unwrap();
    wait_ms(59_000).await;
    assert_eq!(ready(&mut events).await, [""; 0]);
    wait_ms(1_000).await;
    assert_eq!(ready(&mut events).await, [format!("BOOKMARK {}", api.resource_version())]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_after_its_timeout_with_a_bookmark_two_seconds_before() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let mut events = watch(&incidents, &WatchParams::default().timeout(5), "1").await;
    wait_ms(2_900).await;
    assert_eq!(ready(&mut events).await, [""; 0]);
    wait_ms(2_000).await;
    assert_eq!(ready(&mut events).await, [format!("BOOKMARK {}", api.resource_version())]);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn events_lag_behind_the_store() {
    let api = api_with(Options { event_lag: Duration::from_millis(30), ..Options::default() });
    let incidents = incidents(api.client("one", "test"));
    let version = api.resource_version().to_string();
    let mut events = watch(&incidents, &WatchParams::default(), &version).await;
    create(&incidents, "a", "k").await;
    wait_ms(20).await;
    assert_eq!(ready(&mut events).await, [""; 0]);
    wait_ms(10).await;
    assert_eq!(ready(&mut events).await, ["ADDED a"]);
}

#[tokio::test(start_paused = true)]
async fn a_held_watch_delivers_nothing_until_it_is_released() {
    let api = api();
    let (held, other) = (incidents(api.client("one", "test")), incidents(api.client("two", "test")));
    let version = api.resource_version().to_string();
    let mut held_events = watch(&held, &WatchParams::default(), &version).await;
    let mut other_events = watch(&other, &WatchParams::default(), &version).await;
    api.hold_watches("one");
    create(&held, "a", "k").await;
    wait_ms(120_000).await;
    assert_eq!(ready(&mut held_events).await, [""; 0]);
    assert_eq!(ready(&mut other_events).await[..1], ["ADDED a"]);
    assert_eq!(held.list(&ListParams::default().match_any()).await.unwrap().items.len(), 0, "the cache stands still");
    assert_eq!(held.list(&ListParams::default()).await.unwrap().items.len(), 1);
    api.release_watches("one");
    assert_eq!(ready(&mut held_events).await[..1], ["ADDED a"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_watch_ends_with_an_error() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let mut events = watch(&incidents, &WatchParams::default(), "1").await;
    api.break_watches("one");
    let seen = ready(&mut events).await;
    assert!(matches!(seen.as_slice(), [only] if only.starts_with("broken: ")), "{seen:?}");
}

struct SecondEvent(WatchFault, std::sync::atomic::AtomicU32);

impl Faults for SecondEvent {
    fn decide(&self, _: &RequestInfo) -> Fault {
        Fault::default()
    }

    fn watch_event(&self, _: &Caller, _: &str) -> WatchFault {
        let seen = self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if seen == 1 { self.0 } else { WatchFault::Delay(Duration::ZERO) }
    }
}

#[rstest::rstest]
#[case::delay(WatchFault::Delay(Duration::from_millis(50)), &["ADDED a"], &["ADDED b", "ADDED c"])]
#[case::expire(WatchFault::Expire, &["ADDED a", "ERROR 410 Expired"], &[])]
#[case::end(WatchFault::End, &["ADDED a"], &[])]
#[tokio::test(start_paused = true)]
async fn faults_delay_break_and_end_watches(
    #[case] fault: WatchFault,
    #[case] at_once: &[&str],
    #[case] later: &[&str],
) {
    let api = api();
    api.set_faults(Arc::new(SecondEvent(fault, Default::default())));
    let incidents = incidents(api.client("one", "test"));
    let mut events = watch(&incidents, &WatchParams::default(), &api.resource_version().to_string()).await;
    for name in ["a", "b", "c"] {
        create(&incidents, name, "k").await;
    }
    assert_eq!(ready(&mut events).await, at_once);
    wait_ms(50).await;
    assert_eq!(ready(&mut events).await, later);
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_an_older_server_shows_everything_later() {
    let api = api();
    let script = Arc::new(Script::new());
    let older = Fault { cache_lag: Duration::from_millis(500), ..Fault::default() };
    script.on(1, "watch", "incidents", older);
    api.set_faults(script);
    wait_ms(1000).await;
    let incidents = incidents(api.client("one", "test"));
    create(&incidents, "a", "k").await;
    let mut events = watch(&incidents, &WatchParams::default(), "0").await;
    assert_eq!(ready(&mut events).await, [""; 0]);
    wait_ms(500).await;
    assert_eq!(ready(&mut events).await, ["ADDED a"]);
}

#[tokio::test(start_paused = true)]
async fn initial_events_end_with_a_marked_bookmark() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    create(&incidents, "a", "k").await;
    let params = WatchParams::default().initial_events();
    let mut events = watch(&incidents, &params, "0").await;
    assert!(matches!(events.try_next().await.unwrap(), Some(WatchEvent::Added(_))));
    let Some(WatchEvent::Bookmark(mark)) = events.try_next().await.unwrap() else { panic!("no bookmark") };
    assert_eq!(mark.metadata.annotations.get("k8s.io/initial-events-end").map(String::as_str), Some("true"));
}

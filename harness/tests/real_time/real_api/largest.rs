//! The largest alert that a webhook can hold, in a real etcd.

use gateway::context::Context;
use harness::{
    cluster::Permissions,
    control_plane::for_tests,
    load::webhook,
    oracles::occurrences,
    replica::config,
    testing::{STARTS_AT, fingerprint},
};
use rstest::rstest;
use serde_json::json;

use super::world::{World, client};

/// Characters that Go stores six bytes for, one that takes four, and ordinary ones.
#[rstest]
#[case::what_go_escapes_for_pages("<")]
#[case::characters_of_four_bytes("\u{1f525}")]
#[case::ordinary("d")]
#[tokio::test]
async fn the_largest_alert_is_stored_and_counted(#[case] text: &str) {
    let Some(plane) = for_tests().await else { return };
    let mut world = World::empty(&plane, Permissions::Full).await;
    let mut generous = config();
    generous.signal.max_payload_bytes = 256 << 10;
    world.start_with(1, generous, client(&plane, 1).await, Context::system()).await;
    let long = |bytes: usize| text.repeat(bytes / text.len());
    let mut body = webhook("largest", STARTS_AT);
    let alert = &mut body["alerts"][0];
    for i in 0..90 {
        alert["labels"][format!("label_{i}")] = json!(long(1000));
    }
    alert["annotations"]["description"] = json!(long(131_000));
    alert["annotations"]["runbook"] = json!(long(131_000));
    let base = world.replicas[0].api.to_string();
    for status in [201, 202] {
        let answer = world.stage.send(&base, &body, fingerprint("largest").as_str()).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    world.quiet().await;
    assert_eq!(world.requests("largest").await.iter().map(occurrences).collect::<Vec<_>>(), [2]);
}

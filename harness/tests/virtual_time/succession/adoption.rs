//! What other programs and the first version of this one have created or changed: a name tells the place in the
//! succession, and nothing that somebody may drop does.

use harness::{
    fleet::Fleet,
    testing::{answered, assert_quiet, count_of, end, fingerprint, name_of, only, patch, rest, send, stored, storm},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::lineage::{by_ordinal, name_after, ordinal, with_one};

/// One of `resource` under a name that is not derived, created so many minutes after midnight.
fn adopted(fleet: &Fleet, resource: &str, name: &str, minute: u32, status: Value) -> Value {
    let mut request = stored(resource);
    request["metadata"]["name"] = json!(name.replace("KEY", &fingerprint(resource).as_str()[..12]));
    request["metadata"]["creationTimestamp"] = json!(format!("2026-10-31T00:{minute:02}:00Z"));
    request["status"] = status;
    fleet.api.seed(request);
    fleet.requests().pop().unwrap()
}

const FIRST_VERSION: &str = "rr-KEY-01234567";
const PREDECESSOR_SERVICE: &str = "rr-KEY-1761955200";

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_active_one_of_another_version_counts_signals(
    #[values(FIRST_VERSION, PREDECESSOR_SERVICE, "checkout-x7k2p")] name: &str,
) {
    let fleet = Fleet::new(41);
    let existing = adopted(&fleet, "adopted", name, 0, json!({ "deduplication": { "occurrenceCount": 5 } }));
    let replicas = fleet.start_all(2).await;
    let answers = storm(&fleet, &replicas, "adopted", 6).await;
    assert_eq!(answered(&answers, 202), 6);
    rest().await;
    let request = only(&fleet);
    assert_eq!(name_of(&request), name_of(&existing));
    assert_eq!(count_of(&request), 11);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_terminal_one_of_another_version_is_the_predecessor(
    #[values(FIRST_VERSION, PREDECESSOR_SERVICE, "checkout-x7k2p")] name: &str,
) {
    let fleet = Fleet::new(42);
    let existing = adopted(&fleet, "adopted", name, 0, json!({ "overallPhase": "Completed" }));
    let replicas = fleet.start_all(3).await;
    let answers = storm(&fleet, &replicas, "adopted", 6).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 5));
    rest().await;
    let all = by_ordinal(&fleet);
    assert_eq!((ordinal(&all[0]), name_of(&all[1])), (0, name_after("adopted", &existing)));
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["metadata"]["finalizers"], Value::Null);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn of_several_of_the_first_version_the_newest_decides_whatever_their_names_and_the_order_they_are_known_in() {
    let fleet = Fleet::new(43);
    let reviewed = json!({ "overallPhase": "Failed", "completionStatus": { "outcome": "ManualReviewRequired" } });
    adopted(&fleet, "several", "rr-KEY-ffffffff", 1, reviewed);
    let done = || json!({ "overallPhase": "Completed" });
    let newest = adopted(&fleet, "several", "rr-KEY-00000000", 3, done());
    adopted(&fleet, "several", "rr-KEY-88888888", 2, done());
    let newest = fleet.requests().into_iter().find(|request| name_of(request).ends_with("00000000")).unwrap_or(newest);
    let replicas = fleet.start_all(3).await;
    let answers = storm(&fleet, &replicas, "several", 9).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 8));
    rest().await;
    let all = by_ordinal(&fleet);
    assert_eq!(name_of(all.last().unwrap()), name_after("several", &newest));
    assert_eq!(all.len(), 4);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn whoever_replaces_the_annotations_of_a_terminal_one_changes_no_succession() {
    let (fleet, replicas, first) = with_one(2, "annotations").await;
    let mut expected = vec![name_of(&first)];
    for round in 0..4 {
        let newest = by_ordinal(&fleet).pop().unwrap();
        end(&fleet, &name_of(&newest), "Completed").await;
        let annotations: serde_json::Map<String, Value> = newest["metadata"]["annotations"]
            .as_object()
            .unwrap()
            .keys()
            .map(|key| (key.clone(), Value::Null))
            .chain([("someone/else".to_owned(), json!("was here"))])
            .collect();
        patch(&fleet, &name_of(&newest), "", json!({ "metadata": { "annotations": annotations } })).await;
        rest().await;
        assert_eq!(send(&fleet, &replicas[round % 2], "annotations").await.status, 201);
        expected.push(name_after("annotations", &newest));
        rest().await;
    }
    let all = by_ordinal(&fleet);
    assert_eq!(all.iter().map(name_of).collect::<Vec<_>>(), expected);
    assert_eq!(all.iter().map(ordinal).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_quiet(&fleet);
}

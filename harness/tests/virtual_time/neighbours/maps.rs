//! Objects whose labels and annotations somebody replaces, and objects of the predecessor service, which have none of ours.

use harness::{
    explore::{
        neighbours::{adopted, replace_maps},
        scenario::Adopted,
        world,
    },
    fleet::Fleet,
    testing::{answered, assert_quiet, count_of, end, name_of, only, rest, script, send, spent, storm},
};
use rstest::rstest;
use serde_json::Value;

/// What signals in these scenarios are about.
const RESOURCE: usize = 0;

/// One in each phase, of which some suppress signals, are left by the predecessor service.
fn left(fleet: &Fleet, terminal: bool, count: Option<u32>, age_s: u32, random: u32) -> Value {
    let one = Adopted { resource: RESOURCE, terminal, count, age_s };
    let object = adopted(fleet, one, random);
    fleet.api.seed(object.clone());
    object
}

#[rstest]
#[case::once(1)]
#[case::each_time(3)]
#[tokio::test(start_paused = true)]
async fn a_terminal_one_whose_annotations_are_replaced_has_one_successor(#[case] times: usize) {
    let fleet = Fleet::new(1);
    script(&fleet);
    let resource = world::resource_name(RESOURCE);
    let replicas = fleet.start_all(3).await;
    for generation in 1..=times {
        assert_eq!(send(&fleet, &replicas[0], &resource).await.status, 201);
        rest().await;
        let newest = fleet.requests().into_iter().find(|request| request["status"]["overallPhase"].is_null()).unwrap();
        end(&fleet, &name_of(&newest), "Completed").await;
        for request in fleet.requests() {
            replace_maps(&fleet, &name_of(&request)).await;
        }
        rest().await;
        assert_eq!(fleet.requests().len(), generation);
    }
    fleet.api.clear_requests();
    let answers = storm(&fleet, &replicas, &resource, 6).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 5), "{answers:?}");
    rest().await;
    assert_eq!(fleet.requests().len(), times + 1);
    assert!(spent(&fleet).len() < 60, "{} requests", spent(&fleet).len());
    assert_quiet(&fleet);
}

#[rstest]
#[case::with_a_count(Some(7))]
#[case::without(None)]
#[tokio::test(start_paused = true)]
async fn an_active_one_of_the_predecessor_service_counts_on(#[case] count: Option<u32>) {
    let fleet = Fleet::new(2);
    script(&fleet);
    left(&fleet, false, count, 600, 1);
    let replicas = fleet.start_all(3).await;
    let answers = storm(&fleet, &replicas, &world::resource_name(RESOURCE), 6).await;
    assert_eq!(answered(&answers, 202), 6);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), u64::from(count.unwrap_or(1)) + 6);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn of_several_old_ones_the_newest_decides_whether_signals_are_suppressed() {
    for newest_suppresses in [false, true] {
        let fleet = Fleet::new(3);
        script(&fleet);
        for (age_s, random) in [(7_200, 9), (3_600, 5), (600, 7)] {
            let mut object = left(&fleet, true, Some(2), age_s, random);
            if (age_s == 600) == newest_suppresses {
                object["status"]["completionStatus"] = serde_json::json!({ "outcome": "ManualReviewRequired" });
                fleet.api.seed(object);
            }
        }
        let replicas = fleet.start_all(2).await;
        let answer = send(&fleet, &replicas[0], &world::resource_name(RESOURCE)).await;
        assert_eq!(answer.status, if newest_suppresses { 202 } else { 201 });
        rest().await;
        assert_eq!(fleet.requests().len(), if newest_suppresses { 3 } else { 4 });
        assert_quiet(&fleet);
    }
}

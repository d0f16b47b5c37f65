//! What a gateway leaves behind when it is told to end.

use std::time::Duration;

use embedded_apiserver::Fault;
use harness::{
    fleet::Fleet,
    testing::{assert_quiet, end, name_of, only, rest, script, send, wait_ms},
};
use serde_json::Value;

#[tokio::test(start_paused = true)]
async fn a_replica_that_ends_right_after_a_201_leaves_no_claim() {
    for after_ms in [0, 1, 5, 20] {
        let fleet = Fleet::new(1);
        let script = script(&fleet);
        let replicas = fleet.start_all(1).await;
        assert_eq!(send(&fleet, &replicas[0], "ended").await.status, 201);
        rest().await;
        let first = name_of(&only(&fleet));
        end(&fleet, &first, "Completed").await;
        rest().await;
        // Whoever removes the claim needs a moment.
        let slow = Fault { delay_before: Duration::from_millis(50), ..Fault::default() };
        let mut claims = 0;
        script.add(1, slow, move |request| {
            claims += u32::from(request.verb == "patch" && request.label() == "remediationrequests");
            claims == 2
        });
        assert_eq!(send(&fleet, &replicas[0], "ended").await.status, 201);
        wait_ms(after_ms).await;
        replicas[0].shut_down().await;
        fleet.api.disconnect(&replicas[0].name);
        wait_ms(1_000).await;
        let requests = fleet.requests();
        let first = requests.iter().find(|request| name_of(request) == first).unwrap();
        assert_eq!(first["metadata"]["finalizers"], Value::Null, "ended {after_ms} ms after the answer");
        assert_quiet(&fleet);
    }
}

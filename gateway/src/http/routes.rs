//! Paths, methods and statuses.

use super::problem::Kind;

/// Where Alertmanager posts.
pub const PROMETHEUS: &str = "/api/v1/signals/prometheus";
/// Where Kubernetes events are posted.
pub const KUBERNETES_EVENT: &str = "/api/v1/signals/kubernetes-event";

/// What is not a problem: the statuses of [`answer`](super::answer) below 300.
const SUCCESSES: [u16; 4] = [200, 201, 202, 207];

/// Every route of every listener, with its method and the statuses it may answer with; for the API description.
pub fn routes() -> Vec<(&'static str, &'static str, Vec<u16>)> {
    let problems = Kind::ALL.iter().map(|kind| kind.status().as_u16());
    let mut signal: Vec<u16> = SUCCESSES.into_iter().chain(problems).collect();
    signal.sort_unstable();
    signal.dedup();
    vec![
        (PROMETHEUS, "post", signal.clone()),
        (KUBERNETES_EVENT, "post", signal),
        ("/healthz", "get", vec![200, 503]),
        ("/livez", "get", vec![200, 503]),
        ("/readyz", "get", vec![200, 503]),
        ("/metrics", "get", vec![200, 500]),
    ]
}

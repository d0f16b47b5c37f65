//! Why a cluster cannot be used.

use std::time::Duration;

/// How long a cluster may take to serve a CRD that was just applied.
pub(super) const CRD_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request that failed.
    #[error("the cluster cannot be used (hint: try `kubectl --kubeconfig FILE auth can-i --list`)")]
    Cluster(#[from] kube::Error),
    /// The CRD is not served.
    #[error("the CRD remediationrequests.kubernaut.ai was not established within {} s", CRD_TIMEOUT.as_secs())]
    CrdNotEstablished,
    /// The chart's Roles.
    #[error(
        "the chart's templates cannot be filled in here ({0}); teach harness/src/cluster/chart.rs what they say now"
    )]
    Chart(String),
}

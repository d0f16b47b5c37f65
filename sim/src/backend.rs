//! What the gateways talk to: the embedded Kubernetes API, or the cluster of a kubeconfig.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use embedded_apiserver::{EmbeddedApi, Latency};
use gateway::kubernetes;
use harness::{
    cluster::{self, Witness, leases, make_namespace, objects, provide_crd, remediation_requests, withdraw_crd},
    fleet::embedded_api,
    oracles::{End, Oracles, Violation},
    replica::NAMESPACE,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::DeleteParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;
use tower::util::MapRequestLayer;

use self::requests::Requests;

mod requests;

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot use the kubeconfig {path}: {source}")]
    Kubeconfig { path: String, source: kube::config::KubeconfigError },
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    Client(#[from] kubernetes::cluster::Error),
    #[error("the cluster's watches are not reliable: {0}; try again")]
    Witness(String),
}

/// What the names of runs' namespaces begin with.
const NAMESPACES: &str = "gateway-storm-";

/// How long gateways may take to open their watches, on a busy machine.
const WATCH_TIMEOUT: Duration = Duration::from_secs(60);
const WATCH_POLL: Duration = Duration::from_millis(5);

/// What the gateways talk to.
#[allow(clippy::large_enum_variant, reason = "there is one per process")]
pub(crate) enum Backend {
    /// In this process.
    Embedded { api: EmbeddedApi, oracles: Oracles },
    /// A real cluster, in a namespace of this run's own.
    Cluster {
        /// The gateways', whose requests are counted.
        counted: Client,
        /// This run's own.
        client: Client,
        namespace: String,
        /// The CRD's uid, if this run made it.
        crd: Option<String>,
        requests: Requests,
        oracles: Oracles,
        witness: Witness,
    },
}

impl Backend {
    /// The embedded API, whose answers take as long as those of an idle kube-apiserver.
    #[allow(clippy::disallowed_methods, reason = "its wall clock is the machine's")]
    pub(crate) fn embedded() -> Self {
        let (api, oracles) = embedded_api(Timestamp::now());
        api.set_faults(Arc::new(Latency::default()));
        Self::Embedded { api, oracles }
    }

    /// The cluster that `kubeconfig` names: makes a namespace, and the CRD unless there is one. Neither is left if that fails.
    pub(crate) async fn cluster(kubeconfig: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::Kubeconfig { path: kubeconfig.display().to_string(), source };
        let file = Kubeconfig::read_from(kubeconfig).map_err(unusable)?;
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(file, &options).await.map_err(unusable)?;
        config.default_retry = false;
        let client = Client::try_from(config.clone()).map_err(cluster::Error::from)?;
        // In this order: another run that ends leaves the CRD to whoever has a namespace.
        let namespace = make_namespace(&client, NAMESPACES).await?;
        let mut crd = None;
        let made = Self::in_namespace(config, &client, &namespace, &mut crd).await;
        if made.is_err() {
            // The error that led here says more than one of this.
            let _ = remove(&client, &namespace, crd.as_deref()).await;
        }
        made
    }

    /// `crd` is the uid of the CRD that was made, whatever comes after it.
    async fn in_namespace(
        config: kube::Config,
        client: &Client,
        namespace: &str,
        crd: &mut Option<String>,
    ) -> Result<Self, Error> {
        *crd = provide_crd(client).await?;
        let oracles = Oracles::default();
        let witness = Witness::start(client, namespace, &oracles).await?;
        let requests = Requests::default();
        let counter = requests.clone();
        let count = MapRequestLayer::new(move |request: http::Request<kube::client::Body>| {
            counter.note(request.method(), request.uri());
            request
        });
        let timeout = harness::replica::config().server.kubernetes_request_timeout;
        let counted = kubernetes::cluster::builder(config, timeout)?.with_layer(&count).build();
        let (client, namespace, crd) = (client.clone(), namespace.to_owned(), crd.clone());
        Ok(Self::Cluster { counted, client, namespace, crd, requests, oracles, witness })
    }

    /// What to call it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Embedded { .. } => "embedded Kubernetes API (reads take 1 ms, writes 4 ms)".to_owned(),
            Self::Cluster { namespace, .. } => format!("real cluster, namespace {namespace}"),
        }
    }

    /// The namespace of the gateways.
    pub(crate) fn namespace(&self) -> &str {
        match self {
            Self::Embedded { .. } => NAMESPACE,
            Self::Cluster { namespace, .. } => namespace,
        }
    }

    /// The client of the replica `name`.
    pub(crate) fn client(&self, name: &str) -> Client {
        match self {
            Self::Embedded { api, .. } => api.client(name, NAMESPACE),
            Self::Cluster { counted, .. } => counted.clone(),
        }
    }

    /// What all oracles found, the end included.
    pub(crate) async fn finish(&self, end: &End) -> Result<Vec<Violation>, Error> {
        match self {
            Self::Embedded { oracles, .. } => Ok(oracles.finish(end)),
            Self::Cluster { oracles, witness, .. } => {
                witness.catch_up().await.map_err(Error::Witness)?;
                Ok(oracles.finish(end))
            }
        }
    }

    /// Counts requests from now on.
    pub(crate) fn clear_requests(&self) {
        match self {
            Self::Embedded { api, .. } => api.clear_requests(),
            Self::Cluster { requests, .. } => requests.clear(),
        }
    }

    /// Requests of the gateways by verb and resource.
    pub(crate) fn requests(&self) -> BTreeMap<String, usize> {
        match self {
            Self::Embedded { api, .. } => {
                let mut by = BTreeMap::new();
                for record in api.requests() {
                    *by.entry(format!("{} {}", record.verb, record.resource)).or_default() += 1;
                }
                by
            }
            Self::Cluster { requests, .. } => requests.by(),
        }
    }

    /// Waits until `gateways` watches are open: they belong to the start of the gateways, not to the storm.
    pub(crate) async fn watched(&self, gateways: usize) {
        for _ in 0..WATCH_TIMEOUT.as_millis() / WATCH_POLL.as_millis() {
            if self.requests().get("watch remediationrequests").is_some_and(|watches| *watches >= gateways) {
                return;
            }
            pause(WATCH_POLL).await;
        }
    }

    /// All RemediationRequests of the gateways' namespace.
    pub(crate) async fn remediation_requests(&self) -> Result<Vec<Value>, Error> {
        match self {
            Self::Embedded { api, .. } => Ok(api.objects("remediationrequests")),
            Self::Cluster { client, namespace, .. } => Ok(objects(client, namespace, &remediation_requests()).await?),
        }
    }

    /// All leases of the gateways' namespace.
    pub(crate) async fn leases(&self) -> Result<Vec<Value>, Error> {
        match self {
            Self::Embedded { api, .. } => Ok(api.objects("leases")),
            Self::Cluster { client, namespace, .. } => Ok(objects(client, namespace, &leases()).await?),
        }
    }

    /// Removes what this run made; returns whether the CRD stays although this run made it.
    pub(crate) async fn clean_up(&self) -> Result<bool, Error> {
        match self {
            Self::Cluster { client, namespace, crd, .. } => remove(client, namespace, crd.as_deref()).await,
            Self::Embedded { .. } => Ok(false),
        }
    }
}

/// Removes the namespace and the CRD with the uid `crd`, which this run made; returns whether the latter stays, for others.
async fn remove(client: &Client, namespace: &str, crd: Option<&str>) -> Result<bool, Error> {
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces.delete(namespace, &DeleteParams::default()).await.map_err(cluster::Error::from)?;
    match crd {
        Some(uid) => Ok(!withdraw_crd(client, NAMESPACES, namespace, uid).await?),
        None => Ok(false),
    }
}

/// Waits in real time.
#[allow(clippy::disallowed_methods, reason = "storms run in real time")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

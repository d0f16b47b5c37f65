//! A namespace of a control plane in which gateways work, and what judges them.

use std::time::Duration;

use gateway::{config::Config, context::Context, dedup::bounds, http::PROMETHEUS, remediation::RemediationRequest};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Client, CustomResourceExt};
use serde_json::Value;

use super::{
    error::Error,
    objects::{apply, make_namespace},
    permissions::{Permissions, permit},
    witness::Witness,
};

use parking_lot::Mutex;

use crate::{
    control_plane::{self, ControlPlane, USERS},
    load::Ledger,
    oracles::{Oracles, Violation, is_at_rest},
    replica::{Answer, ReplicaSpec, Served, pod_name},
};

/// A sender gives up later than any gateway.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Beyond the gateways' own bounds: the watches lag, and other programs want the processor.
const MARGIN: Duration = Duration::from_secs(60);
const REST_POLL: Duration = Duration::from_millis(200);

/// One namespace, watched by the oracles, with senders that keep account.
pub struct Stage {
    /// Of the admin.
    pub client: Client,
    /// Name of the namespace that this run created for itself.
    pub namespace: String,
    /// What must hold.
    pub oracles: Oracles,
    /// Watches what is written there, for the oracles.
    pub witness: Witness,
    http: reqwest::Client,
    ledger: Mutex<Ledger>,
}

impl Stage {
    /// A new namespace of `plane`, where the users that are called like pods have these permissions.
    ///
    /// # Errors
    /// If the control plane refuses anything of it.
    pub async fn new(plane: &ControlPlane, permissions: Permissions) -> Result<Self, Error> {
        Self::over(plane, permissions, &RemediationRequest::crd()).await
    }

    /// As [`Stage::new`], over another CRD of the RemediationRequests, which all namespaces of `plane` have from then on.
    ///
    /// # Errors
    /// As [`Stage::new`].
    pub async fn over(
        plane: &ControlPlane,
        permissions: Permissions,
        crd: &CustomResourceDefinition,
    ) -> Result<Self, Error> {
        let client = plane.admin().await.map_err(|error| match error {
            control_plane::Error::Client(error) => Error::Cluster(error),
            other => Error::Cluster(kube::Error::Service(other.into())),
        })?;
        apply(&client, crd).await?;
        let namespace = make_namespace(&client, "stage-").await?;
        permit(&client, &namespace, &USERS[..3], permissions).await?;
        let oracles = Oracles::default();
        let witness = Witness::start(&client, &namespace, &oracles).await?;
        let http = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build().unwrap_or_default();
        Ok(Self { client, namespace, oracles, witness, http, ledger: Mutex::default() })
    }

    /// Serves `gateway-pod-<number>`, whose requests go through `client`; its context is the pod's life.
    ///
    /// # Errors
    /// If the gateway cannot be built.
    pub async fn serve(
        &self,
        number: usize,
        config: Config,
        client: Client,
        context: Context,
    ) -> Result<Served, gateway::runtime::Error> {
        let namespace = self.namespace.clone();
        ReplicaSpec { namespace, config, ..ReplicaSpec::new(pod_name(number)) }.serve(client, context).await
    }

    /// Posts a webhook to the gateway at `base`, such as `127.0.0.1:8080`, and keeps account of it under `fingerprint`.
    /// No answer counts as 502, as a Service's proxy would say.
    pub async fn send(&self, base: &str, body: &Value, fingerprint: &str) -> Answer {
        self.with_ledger(|ledger| ledger.attempt(fingerprint));
        let answer = self.post(base, body).await;
        self.with_ledger(|ledger| ledger.answer(fingerprint, &answer));
        answer
    }

    async fn post(&self, base: &str, body: &Value) -> Answer {
        let none = Answer { status: http::StatusCode::BAD_GATEWAY, body: Value::Null };
        let Ok(answer) = self.http.post(format!("http://{base}{PROMETHEUS}")).json(body).send().await else {
            return none;
        };
        let status = answer.status();
        match answer.bytes().await {
            Ok(body) => Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() },
            Err(_) => none,
        }
    }

    /// Reads or changes the account of the senders.
    pub fn with_ledger<T>(&self, act: impl FnOnce(&mut Ledger) -> T) -> T {
        act(&mut self.ledger.lock())
    }

    /// Waits until no lock is left, every counter is projected and every RemediationRequest has a status and no finalizer, at
    /// most for what gateways of this configuration need after the last failure, then says what all oracles found, the end
    /// included.
    pub async fn finish(&self, config: &Config) -> Vec<Violation> {
        let timeout = bounds::left_behind_for(config) + MARGIN;
        let blind = |message| vec![Violation { oracle: "witness", version: None, message }];
        for _ in 0..timeout.as_millis() / REST_POLL.as_millis() {
            match self.witness.catch_up().await {
                Ok((requests, leases)) if is_at_rest(&leases, &requests) && requests.iter().all(at_rest) => break,
                Ok(_) => tokio::time::sleep(REST_POLL).await,
                Err(message) => return blind(message),
            }
        }
        match self.witness.catch_up().await {
            Ok((requests, leases)) => {
                let end = self.with_ledger(|ledger| ledger.end(requests, leases));
                self.oracles.finish(&end)
            }
            Err(message) => blind(message),
        }
    }
}

fn at_rest(request: &Value) -> bool {
    let finalizers = &request["metadata"]["finalizers"];
    request["status"].is_object() && finalizers.as_array().is_none_or(Vec::is_empty)
}

//! `gateway release-claims`: frees all RemediationRequests of a namespace of the gateways' finalizer, for the end of an
//! installation. A claim that no gateway is left to release would keep its object from ever being deleted.
//!
//! While a gateway runs this is unsafe: a claim may be what keeps a second RemediationRequest from being created. So it
//! scales the gateways' Deployment to zero first and waits for the pods to end, unless it is told that none runs.

use std::{path::Path, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions},
    core::{ObjectMeta, PartialObjectMeta, Selector},
};
use serde_json::json;

use crate::{
    config::Config,
    context::{Context, Monotonic},
    kubernetes::{self, Kubernetes, Operation, cluster, turn_page},
    metrics::{self, Metrics},
    remediation::{LEASE_PREFIXES, MANAGED_BY, MANAGED_BY_LABEL, Projected, SUCCESSION_FINALIZER, unclaimed},
};

mod error;

pub use error::Error;

/// Objects in one page of a list.
const PAGE: u32 = 500;
/// Pages of one list at most.
const PAGES_MAX: usize = 10_000;
/// Looks at all objects at most: each but the last has found claims.
const PASSES_MAX: usize = 5;
/// Between two looks at the pods, and two passes.
const PAUSE: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where RemediationRequests live; POD_NAMESPACE or the kubeconfig's namespace if absent.
    pub namespace: Option<String>,
    /// `deployment/NAME`, to be scaled to zero first.
    pub scale_down: Option<String>,
    /// How long its pods may take to end.
    pub wait: Duration,
    /// Delete the gateways' leases, too.
    pub leases: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// RemediationRequests that are free now.
    pub released: usize,
    /// Number of the gateways' leases that were deleted.
    pub leases: usize,
}

/// Does it in the cluster that KUBECONFIG names or that this pod runs in, with a line on standard error for each step.
///
/// # Errors
/// See [`Error`]; its exit code tells them apart.
pub async fn run(config_file: Option<&Path>, options: &Options) -> Result<Done, Error> {
    let config = Config::load(config_file, crate::config::env::all()?)?;
    let (client, _) = cluster::connect(config.server.kubernetes_request_timeout).await?;
    let pods = std::env::var("POD_NAMESPACE").ok().filter(|name| !name.is_empty());
    let namespace = options.namespace.clone().or(pods).unwrap_or_else(|| client.default_namespace().to_owned());
    ReleaseClaims::new(&config, client, Context::system(), namespace)?
        .run(options, &mut |line| eprintln!("{line}"))
        .await
}

/// Releases the claims in one namespace.
pub struct ReleaseClaims {
    kubernetes: Kubernetes,
    context: Context,
    namespace: String,
    timeout: Duration,
}

impl ReleaseClaims {
    /// In `namespace` of the cluster behind `client`.
    ///
    /// # Errors
    /// If metrics cannot be set up.
    pub fn new(config: &Config, client: Client, context: Context, namespace: String) -> Result<Self, metrics::Error> {
        let kubernetes = Kubernetes::new(client, context.clone(), Metrics::new()?, config.processing.retry.clone());
        Ok(Self { kubernetes, context, namespace, timeout: config.server.kubernetes_request_timeout })
    }

    /// Does what `options` ask for; `tell` gets a line for each step.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn run(&self, options: &Options, tell: &mut impl FnMut(String)) -> Result<Done, Error> {
        if let Some(target) = &options.scale_down {
            let name = target.strip_prefix("deployment/").filter(|name| !name.is_empty());
            self.scale_down(name.ok_or_else(|| Error::Target(target.clone()))?, options.wait, tell).await?;
        }
        let released = self.release_all(tell).await?;
        let leases = if options.leases { self.delete_leases().await? } else { 0 };
        tell(format!(
            "released {released} RemediationRequests and deleted {leases} leases in namespace {}",
            self.namespace
        ));
        Ok(Done { released, leases })
    }

    fn deadline(&self) -> Monotonic {
        self.context.monotonic() + self.timeout
    }

    /// Scales the Deployment `name` to zero and waits until its pods have ended.
    async fn scale_down(&self, name: &str, wait: Duration, tell: &mut impl FnMut(String)) -> Result<(), Error> {
        const GET: Operation = Operation { verb: "get", resource: "deployments" };
        const SCALE: Operation = Operation { verb: "patch", resource: "deployments/scale" };
        const LIST: Operation = Operation { verb: "list", resource: "pods" };
        let deployments: Api<Deployment> = Api::namespaced(self.kubernetes.client(), &self.namespace);
        let found = self.kubernetes.call(GET, self.deadline(), || deployments.get_opt(name)).await;
        let selector = found.map_err(|error| Error::Request("reading the Deployment", error))?;
        let Some(selector) = selector.and_then(|deployment| deployment.spec).map(|spec| spec.selector) else {
            tell(format!("there is no deployment/{name} in namespace {}: nothing to scale down", self.namespace));
            return Ok(());
        };
        let selector = Selector::try_from(selector).map_err(|error| {
            Error::Request("reading the Deployment's selector", kubernetes::Error::Unexpected(error.to_string()))
        })?;
        let (params, patch) = (PatchParams::default(), Patch::Merge(json!({ "spec": { "replicas": 0 } })));
        let scaled =
            self.kubernetes.call(SCALE, self.deadline(), || deployments.patch_scale(name, &params, &patch)).await;
        scaled.map_err(|error| Error::Request("scaling the Deployment to zero", error))?;
        tell(format!("scaled deployment/{name} to zero"));

        let pods: Api<Pod> = Api::namespaced(self.kubernetes.client(), &self.namespace);
        let params = ListParams::default().labels_from(&selector).limit(PAGE);
        let until = self.context.monotonic() + wait;
        loop {
            let listed = self.kubernetes.call(LIST, self.deadline(), || pods.list(&params)).await;
            let listed = listed.map_err(|error| Error::Request("listing the Deployment's pods", error))?;
            let running = listed.items.iter().filter(|pod| !has_ended(pod)).count();
            if running == 0 {
                return Ok(());
            }
            if self.context.monotonic() + PAUSE > until {
                return Err(Error::StillRunning { name: name.to_owned(), pods: running, wait });
            }
            tell(format!("waiting for {running} pods to terminate"));
            self.context.sleep(PAUSE).await;
        }
    }

    /// Releases claims until a look at all objects finds none.
    async fn release_all(&self, tell: &mut impl FnMut(String)) -> Result<usize, Error> {
        let mut released = 0;
        let mut left = 0;
        for pass in 0..PASSES_MAX {
            if pass > 0 {
                self.context.sleep(PAUSE).await;
            }
            let claimed = self.claimed().await?;
            if claimed.is_empty() {
                return Ok(released);
            }
            tell(format!("{} RemediationRequests carry a claim", claimed.len()));
            left = 0;
            for object in &claimed {
                if self.release(object).await? { released += 1 } else { left += 1 }
            }
        }
        if left == 0 { Ok(released) } else { Err(Error::Left(left)) }
    }

    /// The RemediationRequests that carry a claim, page by page and without their payload.
    async fn claimed(&self) -> Result<Vec<PartialObjectMeta<Projected>>, Error> {
        const LIST: Operation = Operation { verb: "list", resource: "remediationrequests" };
        let objects = self.objects();
        let mut claimed = Vec::new();
        let mut params = ListParams::default().limit(PAGE);
        for _ in 0..PAGES_MAX {
            let page = self.kubernetes.call(LIST, self.deadline(), || objects.list_metadata(&params)).await;
            let page = page.map_err(|error| Error::Request("listing RemediationRequests", error))?;
            claimed.extend(page.items.into_iter().filter(is_claimed));
            if !turn_page(&mut params, &page.metadata) {
                return Ok(claimed);
            }
        }
        let endless = kubernetes::Error::Unexpected(format!("more than {PAGES_MAX} pages"));
        Err(Error::Request("listing RemediationRequests", endless))
    }

    /// Removes the finalizer from exactly the version seen; whether it is gone. One that has changed is left to the next pass.
    async fn release(&self, object: &PartialObjectMeta<Projected>) -> Result<bool, Error> {
        const PATCH: Operation = Operation { verb: "patch", resource: "remediationrequests" };
        let ObjectMeta { resource_version, finalizers, .. } = &object.metadata;
        let version = resource_version.as_deref().unwrap_or_default();
        let patch = Patch::Merge(unclaimed(version, finalizers.as_deref().unwrap_or_default()));
        let (params, objects) = (PatchParams::default(), self.objects());
        let name = object.metadata.name.as_deref().unwrap_or_default();
        match self.kubernetes.call(PATCH, self.deadline(), || objects.patch_metadata(name, &params, &patch)).await {
            Ok(_) | Err(kubernetes::Error::NotFound(_)) => Ok(true),
            Err(kubernetes::Error::Conflict(_)) => Ok(false),
            Err(error) => Err(Error::Request("removing a finalizer", error)),
        }
    }

    fn objects(&self) -> Api<Projected> {
        Api::namespaced(self.kubernetes.client(), &self.namespace)
    }

    /// Deletes the leases that gateways have left: locks, and the counters of RemediationRequests.
    async fn delete_leases(&self) -> Result<usize, Error> {
        const LIST: Operation = Operation { verb: "list", resource: "leases" };
        const DELETE: Operation = Operation { verb: "delete", resource: "leases" };
        let leases: Api<Lease> = Api::namespaced(self.kubernetes.client(), &self.namespace);
        let mut params = ListParams::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY}")).limit(PAGE);
        let mut deleted = 0;
        for _ in 0..PAGES_MAX {
            let page = self.kubernetes.call(LIST, self.deadline(), || leases.list_metadata(&params)).await;
            let page = page.map_err(|error| Error::Request("listing leases", error))?;
            for lease in &page.items {
                let name = lease.metadata.name.as_deref().unwrap_or_default();
                if !LEASE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                    continue;
                }
                let same = Preconditions { uid: lease.metadata.uid.clone(), resource_version: None };
                let delete = DeleteParams::default().preconditions(same);
                match self.kubernetes.call(DELETE, self.deadline(), || leases.delete(name, &delete)).await {
                    Ok(_) => deleted += 1,
                    Err(kubernetes::Error::NotFound(_) | kubernetes::Error::Conflict(_)) => {}
                    Err(error) => return Err(Error::Request("deleting a lease", error)),
                }
            }
            if !turn_page(&mut params, &page.metadata) {
                break;
            }
        }
        Ok(deleted)
    }
}

fn is_claimed(object: &PartialObjectMeta<Projected>) -> bool {
    object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == SUCCESSION_FINALIZER)
}

/// Whether its containers have ended for good.
fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

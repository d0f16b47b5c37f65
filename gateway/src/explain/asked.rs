//! What a cluster tells of a signal.

use std::time::Duration;

use jiff::Timestamp;
use kube::{Api, Client, api::ListParams};

use super::report::{Outcome, Report};
use crate::{
    config::Config,
    context::Context,
    dedup::{Outlook, outlook},
    kubernetes::{Error, Kubernetes, Operation},
    metrics::{self, Metrics},
    remediation::{Fingerprint, Projected},
    signal::{ResolveError, Resolver, Rules, UnresolvedSignal},
};

/// For all that one alert asks of the cluster.
const TIMEOUT: Duration = Duration::from_secs(15);
/// RemediationRequests of one fingerprint that are looked at: there are few.
const PAGE: u32 = 500;

/// The cluster that is asked.
pub(super) struct Cluster {
    kubernetes: Kubernetes,
    context: Context,
    resolver: Resolver,
    namespace: String,
    requires_label: bool,
}

impl Cluster {
    /// The cluster behind `client`, where RemediationRequests live in `namespace`.
    ///
    /// # Errors
    /// If metrics cannot be set up.
    pub(super) fn new(
        config: &Config,
        rules: &Rules,
        client: Client,
        context: Context,
        namespace: String,
    ) -> Result<Self, metrics::Error> {
        // Counted like a gateway's, and shown to nobody.
        let metrics = Metrics::new()?;
        let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), config.processing.retry.clone());
        let scope = config.scope.clone();
        let requires_label = scope.require_managed_label;
        let resolver = Resolver::new(kubernetes.clone(), context.clone(), metrics, scope, rules);
        Ok(Self { kubernetes, context, resolver, namespace, requires_label })
    }

    /// What the gateway would make of `unresolved` at `now`.
    pub(super) async fn explain(&self, unresolved: &UnresolvedSignal, now: Timestamp) -> Report {
        let deadline = self.context.monotonic() + TIMEOUT;
        let (explanation, scope) = match self.resolver.explain(unresolved, deadline).await {
            Ok(explained) => explained,
            Err(error) => {
                let mut report = Report::of(unresolved, unresolved.explain_unseen(), Outcome::Fail);
                report.message = format!("it would fail, and its sender would retry: {error}");
                return report;
            }
        };
        let fingerprint = explanation.fingerprint.clone();
        let mut report = Report::of(unresolved, explanation, Outcome::OutOfScope);
        report.namespace = Some(self.namespace.clone());
        if let Some(ResolveError::OutOfScope { message }) = scope {
            report.message = format!("it would be acknowledged with 200 and dropped: {message}");
            report.scope = Some("out of scope".to_owned());
            return report;
        }
        let in_scope =
            if self.requires_label { "in scope: the managed label is set" } else { "in scope: no label is required" };
        report.scope = Some(in_scope.to_owned());
        (report.outcome, report.message, report.remediation_request) = match self.outlook(&fingerprint, now).await {
            Ok(Outlook::Count(name)) => {
                (Outcome::Count, format!("it would be counted on {}/{name}", self.namespace), Some(name))
            }
            Ok(Outlook::Create(name)) => {
                (Outcome::Create, format!("it would create {}/{name}", self.namespace), Some(name))
            }
            Err(error) => {
                let what = "could not list its RemediationRequests";
                (Outcome::Unknown, format!("{what} in namespace {}: {error}", self.namespace), None)
            }
        };
        report
    }

    async fn outlook(&self, fingerprint: &Fingerprint, now: Timestamp) -> Result<Outlook, Error> {
        let api: Api<Projected> = Api::namespaced(self.kubernetes.client(), &self.namespace);
        let operation = Operation { verb: "list", resource: "remediationrequests" };
        let of_it = ListParams::default().fields(&format!("spec.signalFingerprint={fingerprint}")).limit(PAGE);
        let deadline = self.context.monotonic() + TIMEOUT;
        let list = self.kubernetes.call(operation, deadline, || api.list(&of_it)).await?;
        let records = list.items.into_iter().filter_map(|read| read.record().ok()).collect();
        Ok(outlook(fingerprint, records, now))
    }
}

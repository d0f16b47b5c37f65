//! What a gateway says of itself when it starts: one line, from which an operator sees whether it is the right one.

use std::{net::SocketAddr, path::Path, time::Duration};

use crate::{
    config::{AuthMode, Config, Identity, shown_address},
    context::Context,
    kubernetes::{
        Kubernetes,
        rights::{self, Right},
    },
    signal::{Rules, permissions},
    version,
};

/// For asking what this gateway may do: until then the line waits.
const RIGHTS_TIMEOUT: Duration = Duration::from_secs(10);

/// What is told.
pub(super) struct Start {
    pub(super) config: Config,
    pub(super) file: String,
    pub(super) identity: Identity,
    pub(super) addresses: [SocketAddr; 3],
    /// The API server's address.
    pub(super) api_server: String,
    pub(super) kubernetes: Kubernetes,
    pub(super) context: Context,
}

impl Start {
    /// Logs it, once it is known what this gateway may not do.
    pub(super) async fn tell(self) {
        let Self { config, file, identity, addresses, api_server, kubernetes, context } = self;
        let deadline = context.monotonic() + RIGHTS_TIMEOUT;
        let missing = rights::missing(&kubernetes, needed(&config, &identity), deadline).await;
        let missing = missing.map(|rights| joined(&rights)).map_err(|error| error.to_string());
        let may_not = match &missing {
            Ok(rights) if rights.is_empty() => "nothing that it needs".to_owned(),
            Ok(rights) => rights.clone(),
            Err(error) => format!("unknown: {error}"),
        };
        let [signals, health, metrics] = addresses.map(|address| address.to_string());
        let Identity { pod_name: pod, pod_namespace: namespace, pod_uid: _ } = identity;
        let auth = match config.auth.mode {
            AuthMode::Kubernetes => "kubernetes",
            AuthMode::None => "none: anyone who can connect can send signals",
        };
        let managed = config.scope.require_managed_label;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            commit = version::COMMIT,
            pod,
            namespace,
            config = file,
            signals,
            tls = config.server.tls.is_some(),
            health,
            metrics,
            auth,
            scope = if managed { "labelled kubernaut.ai/managed=true" } else { "all resources" },
            datastorage = config.datastorage.url.as_ref().map_or_else(|| "none".to_owned(), shown_address),
            traces = config.tracing.endpoint.as_ref().map_or_else(|| "none".to_owned(), shown_address),
            api_server,
            cluster = config.signal.cluster.name,
            may_not,
            "gateway started"
        );
        match missing {
            Ok(rights) if rights.is_empty() => {}
            Ok(missing) => tracing::warn!(
                missing,
                "permissions are missing: signals that need them will fail, or miss their target; grant them (the chart does)"
            ),
            Err(error) => tracing::warn!(error, "could not check this gateway's permissions"),
        }
    }
}

/// Logs what cannot be looked up for signals that are read by `rules`.
pub(super) async fn tell_missing(kubernetes: Kubernetes, rules: Rules, context: Context) {
    match rights::missing(&kubernetes, permissions::needed(&rules), context.monotonic() + RIGHTS_TIMEOUT).await {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => tracing::warn!(
            missing = joined(&missing),
            "permissions are missing: alerts about these kinds will fail, or miss their target; grant them (the chart does)"
        ),
        Err(error) => tracing::warn!(%error, "could not check this gateway's permissions"),
    }
}

fn joined(rights: &[Right]) -> String {
    rights.iter().map(Right::to_string).collect::<Vec<_>>().join(", ")
}

/// All that the chart's roles grant.
pub fn needed(config: &Config, identity: &Identity) -> Vec<Right> {
    /// In its own namespace: verbs, group, resource.
    const OWN: [(&[&str], &str, &str); 3] = [
        (&["get", "create", "update", "patch", "delete", "list"], "coordination.k8s.io", "leases"),
        (&["get", "list", "watch", "create", "patch"], "kubernaut.ai", "remediationrequests"),
        (&["patch"], "kubernaut.ai", "remediationrequests/status"),
    ];
    let create = |group: &str, resource: &str, namespace: Option<&String>| Right {
        verb: "create",
        group: group.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.cloned(),
    };
    let namespace = Some(&identity.pod_namespace);
    let own = OWN.iter().flat_map(|(verbs, group, resource)| {
        verbs.iter().map(move |verb| Right { verb, ..create(group, resource, namespace) })
    });
    let mut needed: Vec<Right> = own.collect();
    if config.events.enabled {
        needed.push(create("events.k8s.io", "events", namespace));
    }
    if config.auth.mode == AuthMode::Kubernetes {
        needed.push(create("authentication.k8s.io", "tokenreviews", None));
        needed.push(create("authorization.k8s.io", "subjectaccessreviews", None));
    }
    needed.extend(permissions::needed(&Rules::new(&config.signal)));
    needed
}

/// The file, for people.
pub(super) fn named(file: Option<&Path>) -> String {
    file.map_or_else(|| "none".to_owned(), |file| file.display().to_string())
}

//! The server as its users hold it.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{
    backup::{Restore, Snapshot},
    config::Options,
    faults::Faults,
    request::Caller,
    serve,
    server::{RequestRecord, Server},
    service::ApiService,
    store::Commit,
    tokens::Token,
    tracer::Tracer,
};

/// The embedded Kubernetes API; cheap to clone.
#[derive(Clone)]
pub struct EmbeddedApi {
    server: Arc<Server>,
}

impl EmbeddedApi {
    /// A server with the built-in resources, the namespaces of a new cluster and `options.crds`.
    ///
    /// Belongs to the tokio runtime it is first used on: its time is that runtime's.
    pub fn new(options: Options) -> Self {
        Self { server: Arc::new(Server::new(options)) }
    }

    /// The server as `caller` reaches it.
    pub fn service(&self, caller: Caller) -> ApiService {
        ApiService::new(Arc::clone(&self.server), caller)
    }

    /// A client of the user `user`, whose default namespace is `namespace`.
    pub fn client(&self, user: &str, namespace: &str) -> kube_client::Client {
        kube_client::Client::new(self.service(Caller::new(user)), namespace)
    }

    /// Serves HTTP/1.1 on `listener` until `shutdown` completes.
    ///
    /// The caller is the owner of the bearer token (401 if unknown, see [`EmbeddedApi::add_token`]), else the user
    /// that `X-Remote-User` names, else [`Caller::admin`].
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        serve::serve(&self.server, listener, shutdown).await;
    }

    /// Puts an object into the store as it is, status included; its namespace is made if it is missing. An object of a
    /// kind that is not served is dropped with a warning.
    pub fn seed(&self, object: Value) {
        self.server.seed(object);
    }

    /// All objects of a resource, named by its plural (or `plural.group`), read past faults and permissions.
    pub fn objects(&self, resource: &str) -> Vec<Value> {
        self.stored(resource).iter().map(|object| Value::clone(object)).collect()
    }

    /// As [`EmbeddedApi::objects`], without a copy: to be looked at often.
    pub fn stored(&self, resource: &str) -> Vec<Arc<Value>> {
        let store = self.server.store();
        let Some(resource) = store.registry.named(resource) else { return Vec::new() };
        store.collection(resource).objects.values().flat_map(|names| names.values()).cloned().collect()
    }

    /// The version of the newest write; with [`Options::lease_store`], of the newest but those of leases.
    pub fn resource_version(&self) -> u64 {
        self.server.store().etcds[0].version
    }

    /// The server's wall time.
    pub fn now(&self) -> Timestamp {
        self.server.now()
    }

    /// From now on, `faults` decides what goes wrong.
    pub fn set_faults(&self, faults: Arc<dyn Faults>) {
        self.server.set_faults(faults);
    }

    /// From now on, `tracer` sees every request and every watch event.
    pub fn set_tracer(&self, tracer: Arc<dyn Tracer>) {
        self.server.set_tracer(tracer);
    }

    fn trace(&self, user: &str, what: &'static str) {
        if let Some(tracer) = self.server.tracer() {
            tracer.controlled(user, what);
        }
    }

    /// From now on, Roles, ClusterRoles and their Bindings decide who may do what, and the rest is answered 403. Those
    /// that every cluster begins with are put there.
    pub fn enforce_rbac(&self) {
        self.server.enforce_rbac();
    }

    /// Puts every document of a YAML stream into the store, as [`EmbeddedApi::seed`] does: the manifests of a deployment.
    ///
    /// # Errors
    /// If it is not YAML; nothing is put there then.
    pub fn seed_manifests(&self, yaml: &str) -> Result<(), String> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).map_err(|error| error.to_string())?;
        documents.into_iter().filter(|document| !document.is_null()).for_each(|document| self.seed(document));
        Ok(())
    }

    /// Puts there what kube-apiserver puts into a new cluster: the roles that every cluster begins with, the Service
    /// `kubernetes`, the health of the control plane's parts, an APIService for each API.
    pub fn bootstrap(&self) {
        self.server.bootstrap();
    }

    /// Removes an object at once, past faults, permissions and finalizers. `resource` as for [`EmbeddedApi::objects`].
    pub fn unseed(&self, resource: &str, namespace: &str, name: &str) {
        self.server.unseed(resource, namespace, name);
    }

    /// Puts a CustomResourceDefinition in the place of the one of its name, and returns that, to be put back: an older
    /// version of it, say, that lacks fields or the status subresource. What it does not know is pruned from what is
    /// read, and from the store with the next write; watches end after a second. The same definition changes nothing.
    pub fn replace_crd(&self, crd: Value) -> Option<Value> {
        self.trace("", "a definition is replaced");
        self.server.replace_definition(crd)
    }

    /// Removes the finalizers of an object by force, as people do with one that hangs in Terminating, and the object if it
    /// was; whether there was such an object. `resource` as for [`EmbeddedApi::objects`].
    pub fn strip_finalizers(&self, resource: &str, namespace: &str, name: &str) -> bool {
        self.server.strip_finalizers(resource, namespace, name)
    }

    /// Lets `token` authenticate as `user`, in bearer headers and TokenReviews.
    pub fn add_token(&self, token: &str, user: &str, groups: &[&str]) {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        self.server.add_token(token.to_owned(), Token::of(Caller { user: user.to_owned(), groups }));
    }

    /// Revokes `token`.
    pub fn remove_token(&self, token: &str) {
        self.server.remove_token(token);
    }

    /// Calls `hook` for every committed write, those of the server's own controllers and [`EmbeddedApi::seed`] (user
    /// `seed`) included, in order, while the store is locked: it must not use this server.
    pub fn on_commit(&self, hook: impl FnMut(&Commit) + Send + 'static) {
        self.server.store().add_hook(Box::new(hook));
    }

    /// The requests answered so far, or the last 100,000 of them, in the order of their answers.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.server.requests()
    }

    /// Forgets the requests answered so far.
    pub fn clear_requests(&self) {
        self.server.clear_requests();
    }

    /// How far watches and lists from the cache are behind the store from now on. Whole milliseconds.
    pub fn set_event_lag(&self, lag: Duration) {
        self.server.set_lag(lag);
    }

    /// From now on the cache that `user` is served from stands still: no event or bookmark comes, and lists with
    /// `resourceVersion=0` show the state of now.
    pub fn hold_watches(&self, user: &str) {
        self.trace(user, "its watches stand still");
        self.server.hold(user);
    }

    /// Lets the cache that [`EmbeddedApi::hold_watches`] stopped catch up.
    pub fn release_watches(&self, user: &str) {
        self.trace(user, "its watches go on");
        self.server.release(user);
    }

    /// Breaks the connections of `user`'s watches under way.
    pub fn break_watches(&self, user: &str) {
        self.trace(user, "its watches break");
        self.server.break_watches(user);
    }

    /// A crash of `user`: requests that have not taken effect never will, and services and clients made before now
    /// are answered nothing any more.
    pub fn disconnect(&self, user: &str) {
        self.trace(user, "its connections end");
        self.server.disconnect(user, false);
    }

    /// As [`EmbeddedApi::disconnect`], but requests that were sent still take effect, with nobody to hear about it.
    pub fn disconnect_after_send(&self, user: &str) {
        self.trace(user, "its connections end, what it sent still lands");
        self.server.disconnect(user, true);
    }

    /// A backup of the store as it is now; see [`EmbeddedApi::restore`].
    pub fn snapshot(&self) -> Snapshot {
        self.server.store().snapshot()
    }

    /// Puts the store back to `snapshot`, as etcd restored from a backup: objects and the resourceVersion go back, what was
    /// deleted is there again under its old uid and version, what was created is gone, and later versions are handed out
    /// again with other content. `restore` says what becomes of the API servers' caches and of watches.
    ///
    /// It is no commit: hooks of [`EmbeddedApi::on_commit`] are not called, and who keeps a record of the objects reads
    /// them anew. Requests that have not taken effect yet find the restored store.
    pub fn restore(&self, snapshot: &Snapshot, restore: Restore) {
        self.trace("", "the store is restored from a backup");
        self.server.restore(snapshot, restore);
    }

    /// Restarts the API servers: their caches and the resources that they serve are read anew from the store, all watches
    /// break, and one from a version before now is answered 410. Ends [`Restore::UnderLiveApi`].
    pub fn restart_api(&self) {
        self.trace("", "the API servers restart");
        self.server.restart();
    }

    /// Forgets all history, as compaction does: watches and lists from versions before now are answered 410.
    pub fn compact(&self) {
        self.trace("", "history is forgotten");
        self.server.store().forget_history();
    }
}

impl fmt::Debug for EmbeddedApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedApi").field("server", &self.server).finish()
    }
}

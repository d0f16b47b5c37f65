//! What refuses a request that is otherwise good: quotas, and admission policies and webhooks as faults.
//!
//! Measured on kube-apiserver and kube-controller-manager 1.36: what is invalid is 422 first; then policies, webhooks and
//! quotas refuse, before it is seen that a name is taken: a create that would be 409 AlreadyExists is 403 when the quota is
//! used up. An update of what is not there is 404 first. After a deletion there was room again in 0.08 s.

use std::{collections::BTreeMap, fmt, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::{
    faults::{Fault, Faults, Gate, Point, WatchFault},
    object,
    refusal::Refusal,
    request::{Caller, RequestInfo},
    status::{Failure, Result},
    store::Store,
    target::Target,
};

/// A create, or a write of an object that is there.
fn write(refusal: Refusal, target: Target<'_>, name: &str, creates: bool) -> Result<()> {
    const POLICY: &str =
        "ValidatingAdmissionPolicy 'policy' with binding 'policy' denied request: failed expression: false";
    let resource = target.resource;
    let forbidden = |why: &str| Failure::forbidden(&resource.group, &resource.plural, name, why);
    match refusal {
        Refusal::Quota if creates => {
            let counted = format!("count/{}", resource.qualified());
            Err(forbidden(&format!(
                "exceeded quota: quota, requested: {counted}=1, used: {counted}=0, limited: {counted}=0"
            )))
        }
        Refusal::Policy => Err(forbidden(POLICY).coded(422, "Invalid").because("", POLICY.to_owned(), "")),
        Refusal::Webhook => {
            Err(Failure::bad_request("admission webhook \"webhook.example.org\" denied the request: refused"))
        }
        Refusal::Quota | Refusal::Missing => Ok(()),
    }
}

/// Whether the object of a request is to be there.
pub(super) fn find(target: Target<'_>) -> Result<()> {
    match target.refusal {
        Some(Refusal::Missing) if !target.info.name.is_empty() => {
            Err(Failure::not_found(target.resource, &target.info.name))
        }
        _ => Ok(()),
    }
}

/// Whether a valid `object` may be created.
pub(super) fn create(store: &Store, target: Target<'_>, object: &Value) -> Result<()> {
    target.refusal.map_or(Ok(()), |refusal| write(refusal, target, object::name(object), true))?;
    quotas(store, target, object::name(object))
}

/// Whether a valid update may be stored.
pub(super) fn update(target: Target<'_>) -> Result<()> {
    target.refusal.map_or(Ok(()), |refusal| write(refusal, target, &target.info.name, false))
}

/// The ResourceQuotas of the namespace, as far as they count objects (`count/<resource>.<group>`), and count all of them. A
/// quota holds from when it is there, and what is used is counted anew each time: the controller takes no time here.
fn quotas(store: &Store, target: Target<'_>, name: &str) -> Result<()> {
    let (resource, namespace) = (target.resource, target.namespace());
    let Some(quotas) = store.registry.find("", "v1", "resourcequotas") else { return Ok(()) };
    let Some(quotas) = store.collection(quotas).objects.get(namespace).filter(|_| resource.namespaced) else {
        return Ok(());
    };
    let counted = format!("count/{}", resource.qualified());
    for (quota, object) in quotas {
        let Some(limit) = limit(object, &counted) else { continue };
        let used = store.collection(resource).objects.get(namespace).map_or(0, BTreeMap::len);
        if used + 1 > limit {
            let why = format!(
                "exceeded quota: {quota}, requested: {counted}=1, used: {counted}={used}, limited: {counted}={limit}"
            );
            return Err(Failure::forbidden(&resource.group, &resource.plural, name, &why));
        }
    }
    Ok(())
}

/// What `quota` allows: its status says it once the controller has seen it, which here is at once.
fn limit(quota: &Value, counted: &str) -> Option<usize> {
    let spec = &quota["spec"];
    if spec["scopes"].as_array().is_some_and(|scopes| !scopes.is_empty()) || !spec["scopeSelector"].is_null() {
        return None;
    }
    let hard = |part: &str| quota[part]["hard"].as_object().filter(|hard| !hard.is_empty());
    let number = |hard: &Map<String, Value>| match hard.get(counted)? {
        Value::String(text) => text.parse().ok(),
        other => usize::try_from(other.as_u64()?).ok(),
    };
    hard("status").or_else(|| hard("spec")).and_then(number)
}

/// A switch that lets requests be refused for a while, over other faults.
pub struct Admission {
    base: Arc<dyn Faults>,
    refused: Mutex<BTreeMap<(String, String), Refusal>>,
}

impl Admission {
    /// Refuses nothing yet: `base` decides.
    pub fn over(base: Arc<dyn Faults>) -> Self {
        Self { base, refused: Mutex::default() }
    }

    /// From now on, requests with this verb on this resource (with subresource, such as `remediationrequests/status`) are
    /// refused.
    pub fn refuse(&self, verb: &str, resource: &str, why: Refusal) {
        self.rules().insert((verb.to_owned(), resource.to_owned()), why);
    }

    /// From now on, they are not.
    pub fn admit(&self, verb: &str, resource: &str) {
        self.rules().remove(&(verb.to_owned(), resource.to_owned()));
    }

    fn rules(&self) -> parking_lot::MutexGuard<'_, BTreeMap<(String, String), Refusal>> {
        self.refused.lock()
    }
}

impl Faults for Admission {
    fn decide(&self, request: &RequestInfo) -> Fault {
        let mut fault = self.base.decide(request);
        let refused = self.rules().get(&(request.verb.to_owned(), request.label())).copied();
        fault.refusal = refused.or(fault.refusal);
        fault
    }

    fn gate(&self, point: Point<'_>) -> Option<Gate> {
        self.base.gate(point)
    }

    fn watch_event(&self, caller: &Caller, resource: &str) -> WatchFault {
        self.base.watch_event(caller, resource)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("refused", &*self.rules()).finish_non_exhaustive()
    }
}

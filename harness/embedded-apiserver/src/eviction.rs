//! The eviction subresource of pods (`k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go`).

use std::sync::Arc;

use serde_json::Value;

use super::{
    delete, object,
    status::{Failure, Result},
    store::Store,
    target::Target,
};

/// Deletes the pod, if the budgets allow it.
pub(super) fn evict(store: &mut Store, target: Target<'_>, sent: &Value) -> Result<()> {
    let name = target.info.name.as_str();
    if object::name(sent) != name {
        return Err(Failure::bad_request("name in URL does not match name in Eviction object"));
    }
    let Some(pod) = store.get(target.resource, target.namespace(), name).cloned() else {
        return Err(Failure::not_found(target.resource, name));
    };
    let options = delete::Options::read(&sent["deleteOptions"], target.query)?;
    if !is_exempt(&pod) {
        ask_budget(store, target, &pod, options.dry_run)?;
    }
    delete::delete(store, target.resource, (target.namespace(), name), &options, target.origin()).map(|_| ())
}

/// Pods that no budget counts: those that do not run.
fn is_exempt(pod: &Value) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or("");
    object::is_terminating(pod) || matches!(phase, "Pending" | "Succeeded" | "Failed")
}

/// Takes a disruption from the budget that selects `pod`, if there is one.
fn ask_budget(store: &mut Store, target: Target<'_>, pod: &Value, dry_run: bool) -> Result<()> {
    let Some(budgets) = store.registry.find("policy", "v1", "poddisruptionbudgets").cloned() else { return Ok(()) };
    let objects = store.collection(&budgets).objects.get(target.namespace());
    let selecting: Vec<Arc<Value>> =
        objects.into_iter().flat_map(|names| names.values()).filter(|budget| selects(budget, pod)).cloned().collect();
    let budget = match selecting.as_slice() {
        [] => return Ok(()),
        [budget] => budget,
        _ => {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not \
                           support.";
            return Err(Failure::new(500, "", message));
        }
    };
    let count = |key: &str| budget["status"].get(key).and_then(Value::as_i64).unwrap_or(0);
    let name = object::name(budget);
    if count("observedGeneration") < object::generation(budget) {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refused(why).retry_after(10));
    }
    // A pod that is not ready is not among the healthy ones that the budget protects.
    let (desired, healthy) = (count("desiredHealthy"), count("currentHealthy"));
    let always = budget.pointer("/spec/unhealthyPodEvictionPolicy").is_some_and(|policy| policy == "AlwaysAllow");
    if !is_ready(pod) && (always || (desired > 0 && healthy >= desired)) {
        return Ok(());
    }
    let allowed = count("disruptionsAllowed");
    if allowed <= 0 {
        let why = format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently");
        return Err(refused(why));
    }
    if !dry_run {
        let mut budget = Value::clone(budget);
        budget["status"]["disruptionsAllowed"] = (allowed - 1).into();
        budget["status"]["disruptedPods"][object::name(pod)] = store.clock.seconds().into();
        store.put(&budgets, budget, target.origin());
    }
    Ok(())
}

fn refused(why: String) -> Failure {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    Failure::new(429, "TooManyRequests", message).because("DisruptionBudget", why, "")
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Whether `spec.selector` of a budget selects `pod`. An empty one selects all, none selects nothing.
fn selects(budget: &Value, pod: &Value) -> bool {
    let Some(selector) = budget.pointer("/spec/selector").filter(|selector| selector.is_object()) else { return false };
    let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let mut labels = labels.map(|(key, value)| object::label(pod, key) == value.as_str());
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    let mut expressions = expressions.map(|expression| {
        let label = expression["key"].as_str().and_then(|key| object::label(pod, key));
        let values = expression["values"].as_array();
        let is_listed = label.is_some_and(|label| values.is_some_and(|values| values.iter().any(|it| it == label)));
        match expression["operator"].as_str() {
            Some("In") => is_listed,
            Some("NotIn") => !is_listed,
            Some("Exists") => label.is_some(),
            Some("DoesNotExist") => label.is_none(),
            _ => false,
        }
    });
    labels.all(|matches| matches) && expressions.all(|matches| matches)
}

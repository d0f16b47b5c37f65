//! The Roles and bindings that the chart ships, without helm.

use serde_json::Value;

use super::error::Error;

const TEMPLATES: [&str; 3] = [
    include_str!("../../../gateway/deploy/chart/templates/role.yaml"),
    include_str!("../../../gateway/deploy/chart/templates/clusterrole.yaml"),
    include_str!("../../../gateway/deploy/chart/templates/senders.yaml"),
];

/// What helm makes of them for the release `gateway` in `namespace`, with the sender `alertmanager` in `monitoring`. The
/// templates hold nothing but names to fill in and conditions that hold, on lines of their own.
///
/// # Errors
/// If they hold anything else.
pub fn chart_roles(namespace: &str) -> Result<Vec<Value>, Error> {
    let is_text = |line: &&str| !line.trim_start().starts_with("{{-");
    let text = TEMPLATES.join("\n---\n").lines().filter(is_text).collect::<Vec<_>>().join("\n");
    let filled = [
        (".Values.rbac.roleName", "gateway-role"),
        ("include \"gateway.fullname\" .", "gateway"),
        ("include \"gateway.serviceAccount\" .", "gateway"),
        ("include \"gateway.namespace\" .", namespace),
        (".name", "alertmanager"),
        (".namespace", "monitoring"),
    ];
    let text = filled.iter().fold(text, |text, (what, name)| text.replace(&format!("{{{{ {what} }}}}"), name));
    if let Some((_, unknown)) = text.split_once("{{") {
        return Err(Error::Chart(unknown.lines().next().unwrap_or_default().to_owned()));
    }
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| Error::Chart(error.to_string()))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// The rules of the chart's ClusterRole `name`.
///
/// # Errors
/// As [`chart_roles`], or if there is none of that name.
pub(super) fn rules(name: &str) -> Result<Vec<Value>, Error> {
    let roles = chart_roles("any")?;
    let role = roles.iter().find(|role| role["kind"] == "ClusterRole" && role["metadata"]["name"] == name);
    let rules = role.and_then(|role| role["rules"].as_array()).cloned();
    rules.ok_or_else(|| Error::Chart(format!("there is no ClusterRole {name}")))
}

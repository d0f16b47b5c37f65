//! What is wrong with a request's own parameters: `ListOptions`, `CreateOptions` and so on
//! (`k8s.io/apimachinery/pkg/apis/meta/{v1,internalversion}/validation`).

use super::{
    names::{forbidden, not_supported},
    request::Query,
    schema::FieldError,
    status::{Failure, Result},
};

const MATCH: &str = "resourceVersionMatch";

/// Checks the parameters of a request with this verb.
pub(super) fn check(verb: &str, query: &Query) -> Result<()> {
    let (kind, errors) = match verb {
        "list" | "deletecollection" => ("ListOptions", list(query)),
        "watch" => ("ListOptions", watch(query)),
        "create" => ("CreateOptions", write(query)),
        "update" => ("UpdateOptions", write(query)),
        "patch" => ("PatchOptions", write(query)),
        "delete" => ("DeleteOptions", dry_run(query)),
        _ => return Ok(()),
    };
    if !errors.is_empty() {
        return Err(Failure::invalid("meta.k8s.io", kind, "", &errors));
    }
    for key in ["limit", "timeoutSeconds"] {
        let text = query.get(key);
        if !text.is_empty() && text.parse::<i64>().is_err() {
            return Err(Failure::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")));
        }
    }
    Ok(())
}

fn list(query: &Query) -> Vec<FieldError> {
    let (version, matching) = (query.get("resourceVersion"), query.get(MATCH));
    let mut errors = Vec::new();
    if !matching.is_empty() {
        if version.is_empty() {
            errors.push(forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !query.get("continue").is_empty() {
            errors.push(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            errors.push(not_supported(MATCH, matching, &["Exact", "NotOlderThan", ""]));
        }
        if matching == "Exact" && version == "0" {
            errors.push(forbidden(MATCH, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
        }
    }
    if !query.get("sendInitialEvents").is_empty() {
        errors.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    errors
}

fn watch(query: &Query) -> Vec<FieldError> {
    let (initial, matching) = (!query.get("sendInitialEvents").is_empty(), query.get(MATCH));
    let mut errors = Vec::new();
    if initial && matching != "NotOlderThan" {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(forbidden(MATCH, detail));
    }
    if !matching.is_empty() {
        if !initial {
            let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(forbidden(MATCH, detail));
        }
        if matching != "NotOlderThan" {
            errors.push(not_supported(MATCH, matching, &["NotOlderThan"]));
        }
    }
    errors
}

fn write(query: &Query) -> Vec<FieldError> {
    let mut errors = dry_run(query);
    let validation = query.get("fieldValidation");
    if !matches!(validation, "" | "Ignore" | "Strict" | "Warn") {
        errors.push(not_supported("fieldValidation", validation, &["", "Ignore", "Strict", "Warn"]));
    }
    errors
}

fn dry_run(query: &Query) -> Vec<FieldError> {
    match query.get("dryRun") {
        "" | "All" => Vec::new(),
        other => {
            let message = format!("Unsupported value: [{other:?}]: supported values: \"All\"");
            vec![FieldError { field: "dryRun".to_owned(), reason: "FieldValueNotSupported", message }]
        }
    }
}

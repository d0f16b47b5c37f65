//! Columns of built-in resources: those of `k8s.io/kubernetes/pkg/printers/internalversion` for the few that controllers
//! keep their own state in, Name and Age for the others.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    column::{Accessor, Column},
    duration,
};

/// The description of the column Name: the API documentation of `metadata.name`, shortened.
const NAME: &str = "Name must be unique within a namespace.";
/// The description of the column Age: the API documentation of `metadata.creationTimestamp`, shortened.
pub(crate) const CREATED: &str =
    "CreationTimestamp is a timestamp representing the server time when this object was created.";

type Print = fn(&Value, Timestamp) -> Value;

/// The columns of a built-in resource.
pub(crate) fn columns(group: &str, plural: &str) -> Vec<Column> {
    let own = match (group, plural) {
        ("coordination.k8s.io", "leases") => {
            vec![column("Holder", "The identity of the holder of a current lease.", |lease, _| {
                json!(text(lease, "/spec/holderIdentity"))
            })]
        }
        ("", "namespaces") => {
            vec![column("Status", "The status of the namespace", |namespace, _| {
                json!(text(namespace, "/status/phase"))
            })]
        }
        ("apps", "deployments") => vec![
            column("Ready", "Number of the pod with ready state", |deployment, _| {
                let (ready, wanted) =
                    (number(deployment, "/status/readyReplicas"), number(deployment, "/spec/replicas"));
                json!(format!("{ready}/{wanted}"))
            }),
            column("Up-to-date", "Pods that have the desired template spec.", |deployment, _| {
                json!(number(deployment, "/status/updatedReplicas"))
            }),
            column("Available", "Available pods targeted by this deployment.", |deployment, _| {
                json!(number(deployment, "/status/availableReplicas"))
            }),
        ],
        _ => Vec::new(),
    };
    std::iter::once(name_column()).chain(own).chain([column("Age", CREATED, age)]).collect()
}

fn column(name: &str, description: &str, print: Print) -> Column {
    Column {
        name: name.to_owned(),
        r#type: "string".to_owned(),
        format: String::new(),
        description: description.to_owned(),
        priority: 0,
        accessor: Accessor::Builtin(print),
    }
}

/// The first column of every table.
pub(crate) fn name_column() -> Column {
    Column { format: "name".to_owned(), ..column("Name", NAME, |object, _| json!(text(object, "/metadata/name"))) }
}

fn age(object: &Value, now: Timestamp) -> Value {
    let created = text(object, "/metadata/creationTimestamp").parse();
    json!(created.map_or_else(|_| "<unknown>".to_owned(), |created| duration::since(created, now)))
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

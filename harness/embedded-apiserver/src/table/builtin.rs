//! Columns of built-in resources (`k8s.io/kubernetes/pkg/printers/internalversion/printers.go`).

mod cells;

use jiff::Timestamp;
use serde_json::Value;

use super::{Accessor, Column, pod};

/// The description of the column Name: the API documentation of `metadata.name`, shortened.
const NAME: &str = "Name must be unique within a namespace.";
/// The description of the column Age: the API documentation of `metadata.creationTimestamp`, shortened.
pub(super) const CREATED: &str =
    "CreationTimestamp is a timestamp representing the server time when this object was created.";

type Print = fn(&Value, Timestamp) -> Value;

/// The columns of a built-in resource.
pub(super) fn columns(group: &str, plural: &str) -> Vec<Column> {
    match (group, plural) {
        ("coordination.k8s.io", "leases") => vec![
            name_column(),
            text("Holder", "The identity of the holder of a current lease.", cells::holder),
            age_column(),
        ],
        ("", "pods") => pods(),
        ("", "namespaces") => {
            vec![name_column(), text("Status", "The status of the namespace", cells::phase), age_column()]
        }
        ("", "configmaps") => {
            vec![name_column(), text("Data", "The configuration data.", cells::data_count), age_column()]
        }
        ("", "secrets") => vec![
            name_column(),
            text("Type", "Used to facilitate programmatic handling of secret data.", cells::secret_type),
            text("Data", "The secret data.", cells::data_count),
            age_column(),
        ],
        ("", "nodes") => nodes(),
        ("", "services") => services(),
        ("" | "events.k8s.io", "events") => events(),
        ("apps", "deployments") => deployments(),
        ("apps", "replicasets") => replica_sets(),
        ("", "serviceaccounts") => {
            vec![name_column(), text("Secrets", "Secrets that pods may use.", cells::secret_count), age_column()]
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            vec![name_column(), text("Role", "The role that is granted.", cells::role), age_column()]
        }
        ("rbac.authorization.k8s.io", "roles" | "clusterroles")
        | ("apiextensions.k8s.io", "customresourcedefinitions") => {
            vec![name_column(), column("Created At", "date", 0, CREATED, cells::created_at)]
        }
        _ => vec![name_column(), age_column()],
    }
}

fn column(name: &str, r#type: &str, priority: i64, description: &str, print: Print) -> Column {
    let (name, r#type, description) = (name.to_owned(), r#type.to_owned(), description.to_owned());
    Column { name, r#type, format: String::new(), description, priority, accessor: Accessor::Builtin(print) }
}

fn text(name: &str, description: &str, print: Print) -> Column {
    column(name, "string", 0, description, print)
}

fn wide(name: &str, description: &str, print: Print) -> Column {
    column(name, "string", 1, description, print)
}

fn integer(name: &str, description: &str, print: Print) -> Column {
    column(name, "integer", 0, description, print)
}

/// The first column of almost every table.
pub(super) fn name_column() -> Column {
    Column { format: "name".to_owned(), ..text("Name", NAME, cells::name) }
}

fn age_column() -> Column {
    text("Age", CREATED, cells::age)
}

fn pods() -> Vec<Column> {
    let restarts = "The number of times the containers in this pod have been restarted and when the last container in \
                    this pod has restarted.";
    vec![
        name_column(),
        text("Ready", "The aggregate readiness state of this pod for accepting traffic.", pod::ready),
        text("Status", "The aggregate status of the containers in this pod.", pod::status),
        text("Restarts", restarts, pod::restarts),
        age_column(),
        wide("IP", "The IP address allocated to the pod.", pod::ip),
        wide("Node", "The name of the node the pod is scheduled on.", pod::node),
        wide("Nominated Node", "The node that this pod is expected to be scheduled on.", pod::nominated_node),
        wide("Readiness Gates", "How many of the pod's readiness gates are passed.", pod::readiness_gates),
    ]
}

fn nodes() -> Vec<Column> {
    vec![
        name_column(),
        text("Status", "The status of the node", cells::node_status),
        text("Roles", "The roles of the node", cells::node_roles),
        age_column(),
        text("Version", "Kubelet Version reported by the node.", cells::kubelet_version),
        wide("Internal-IP", "List of addresses reachable to the node.", cells::internal_ip),
        wide("External-IP", "List of addresses reachable to the node.", cells::external_ip),
        wide("OS-Image", "OS Image reported by the node.", cells::os_image),
        wide("Kernel-Version", "Kernel Version reported by the node.", cells::kernel_version),
        wide("Container-Runtime", "Container runtime version reported by the node.", cells::container_runtime),
    ]
}

fn services() -> Vec<Column> {
    vec![
        name_column(),
        text("Type", "Determines how the Service is exposed.", cells::service_type),
        text("Cluster-IP", "The IP address of the service, usually assigned randomly.", cells::cluster_ip),
        text("External-IP", "IP addresses for which nodes also accept traffic.", cells::external_ips),
        text("Port(s)", "The list of ports that are exposed by this service.", cells::service_ports),
        age_column(),
        wide("Selector", "Route service traffic to pods with matching labels.", cells::service_selector),
    ]
}

fn events() -> Vec<Column> {
    vec![
        text("Last Seen", "When the most recent occurrence of this event was recorded.", cells::last_seen),
        text("Type", "Type of this event (Normal, Warning).", cells::event_type),
        text("Reason", "Why the object is in its current status.", cells::event_reason),
        text("Object", "The object that this event is about.", cells::event_object),
        wide("Subobject", "The part of the object that this event is about.", cells::event_subobject),
        wide("Source", "The component reporting this event.", cells::event_source),
        text("Message", "A description of the status of this operation.", cells::event_message),
        wide("First Seen", "When the event was first recorded.", cells::first_seen),
        wide("Count", "The number of times this event has occurred.", cells::event_count),
        Column { format: "name".to_owned(), ..wide("Name", NAME, cells::name) },
    ]
}

fn deployments() -> Vec<Column> {
    vec![
        name_column(),
        text("Ready", "Number of the pod with ready state", cells::ready_replicas_of),
        text("Up-to-date", "Pods that have the desired template spec.", cells::updated_replicas),
        text("Available", "Available pods targeted by this deployment.", cells::available_replicas),
        age_column(),
        wide("Containers", "Names of each container in the template.", cells::container_names),
        wide("Images", "Images referenced by each container in the template.", cells::container_images),
        wide("Selector", "Label selector for pods.", cells::workload_selector),
    ]
}

fn replica_sets() -> Vec<Column> {
    vec![
        name_column(),
        integer("Desired", "The number of desired pods.", cells::desired_replicas),
        integer("Current", "The most recently observed number of pods.", cells::current_replicas),
        integer("Ready", "The number of ready pods.", cells::ready_replicas),
        age_column(),
        wide("Containers", "Names of each container in the template.", cells::container_names),
        wide("Images", "Images referenced by each container in the template.", cells::container_images),
        wide("Selector", "Label selector over pods.", cells::workload_selector),
    ]
}

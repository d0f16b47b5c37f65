//! The imports say what the map in `gateway/src/lib.rs` says, and no files import each other in a circle.

mod graph;
mod rules;

use std::path::Path;

use graph::Graph;
use rules::{circular, upward, walled};

/// The gateway's modules, the highest first: `http → intake → signal → dedup → remediation` and what stands around them.
const LAYERS: [&str; 28] = [
    "main",
    "args",
    "memory",
    "runtime",
    "explain",
    "release_claims",
    "http",
    "intake",
    "auth",
    "audit",
    "otlp",
    "events",
    "signal",
    "dedup",
    "remediation",
    "kubernetes",
    "outbox",
    "retry_after",
    "ttl_cache",
    "trace",
    "log_limit",
    "crypto",
    "telemetry",
    "metrics",
    "config",
    "rfc1123",
    "version",
    "context",
];

/// Who is to know nothing of what.
const WALLS: [(&str, &str); 8] = [
    ("http", "kube"),
    ("http", "k8s_openapi"),
    ("http", "crate::kubernetes"),
    ("intake", "kube"),
    ("intake", "k8s_openapi"),
    ("intake", "crate::kubernetes"),
    ("dedup", "axum"),
    ("dedup", "http"),
];

fn graph(src: &str) -> Graph {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let graph = Graph::read(workspace, src).unwrap();
    assert!(graph.modules.len() > 1, "no sources in {src}");
    graph
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn imports_of_the_gateway_lead_down() {
    assert_none(&upward(&graph("gateway/src"), &LAYERS));
}

#[test]
fn what_a_module_is_to_know_nothing_of_it_does_not_import() {
    assert_none(&walled(&graph("gateway/src"), &WALLS));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let crates = ["gateway/src", "harness/src", "harness/embedded-apiserver/src", "sim/src", "benches/src"];
    let problems: Vec<String> = crates.into_iter().flat_map(|src| circular(&graph(src))).collect();
    assert_none(&problems);
}

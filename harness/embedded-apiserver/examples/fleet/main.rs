//! A controller, and how it is tested: `cargo test --example fleet`.
//!
//! `cargo run --example fleet` lets it run over an API server on a socket, to be looked at with kubectl.
#![allow(clippy::disallowed_methods, reason = "an example, which owns its runtime")]

mod controller;
#[cfg(test)]
mod tests;

use embedded_apiserver::{EmbeddedApi, Options};
use kube::CustomResourceExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let crds = vec![serde_json::to_value(controller::Fleet::crd())?];
    let server = EmbeddedApi::new(Options { crds, ..Options::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let kubectl = format!("kubectl --server http://{}", listener.local_addr()?);
    println!("{kubectl} get fleets,configmaps\n{kubectl} apply --validate=false -f - <<'EOF'");
    println!(
        "{{\"apiVersion\": \"example.org/v1\", \"kind\": \"Fleet\", \"metadata\": {{\"name\": \"blue\"}}, \"spec\": {{\"replicas\": 3}}}}\nEOF"
    );
    tokio::spawn(controller::run(server.client("fleet-controller", "default")));
    server.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}

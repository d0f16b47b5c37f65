//! `sim serve`: gateways and an embedded Kubernetes API to play with, for kubectl and curl.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;
use embedded_apiserver::EmbeddedApi;
use gateway::{
    config::AuthMode,
    context::Context,
    http::{KUBERNETES_EVENT, PROMETHEUS},
    runtime,
};
use harness::{
    fleet::embedded_api,
    replica::{NAMESPACE, ReplicaSpec, Served, config, pod_name},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{exit, interrupt::Interrupt};

/// Options of `sim serve`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Gateways, 1 to 32
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=32))]
    replicas: u16,
    /// Port of the first gateway, 0 to 65535; the others follow, then the Kubernetes API; any free ones if 0
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Which resources the gateways handle: all, or those labelled `kubernaut.ai/managed=true`
    #[arg(long, value_enum, default_value_t = Scope::All)]
    scope: Scope,
    /// Bearer token that senders must present, as in a cluster; anyone can send if absent
    #[arg(long, value_name = "TOKEN", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    token: Option<String>,
    /// Where to write the kubeconfig; a new file in the temporary directory if absent
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Print one line of JSON once ready
    #[arg(long)]
    json: bool,
}

/// Which resources the gateways handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// All
    All,
    /// Those labelled `kubernaut.ai/managed=true`, on themselves or on their namespace
    Managed,
}

/// Why it could not be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Gateway(#[from] runtime::Error),
    #[error(
        "cannot listen on {address}: {source}; --port uses {ports} consecutive ports: choose another one, or leave it out for \
         any that are free (`ss -ltnp` shows those in use)"
    )]
    Listen { address: SocketAddr, ports: u32, source: std::io::Error },
    #[error("cannot get the address of the Kubernetes API: {0}")]
    Address(std::io::Error),
    #[error("--port {0} leaves no room for the ports after it; choose a lower one")]
    Port(u16),
    #[error("cannot write the kubeconfig {path}: {source}; choose another with --kubeconfig")]
    Kubeconfig { path: String, source: std::io::Error },
    #[error("cannot serialise the kubeconfig: {0}")]
    Yaml(#[from] serde_saphyr::ser::Error),
    #[error("cannot print the addresses as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot handle Ctrl-C: {0}")]
    Interrupt(std::io::Error),
}

/// Whose token `--token` is.
const SENDER: &str = "system:serviceaccount:monitoring:alertmanager";

/// How long the gateways may take to end; what drags on ends with this process.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The line that `--json` prints. An interface: fields are added, never changed.
#[derive(Serialize)]
struct Ready {
    gateways: Vec<Addresses>,
    kubeconfig: PathBuf,
}

#[derive(Serialize)]
struct Addresses {
    name: String,
    api: String,
    health: String,
    metrics: String,
}

/// Serves until Ctrl-C or SIGTERM; returns the exit code.
#[allow(clippy::disallowed_methods, reason = "runs in real time")]
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let (api, _) = embedded_api(Timestamp::now());
    api.bootstrap();
    seed(&api);
    if let Some(token) = &args.token {
        api.add_token(token, SENDER, &["system:authenticated"]);
    }
    let ended = CancellationToken::new();
    let listener = bind(&args).await?;
    let server = format!("http://{}", listener.local_addr().map_err(Error::Address)?);
    let serving = {
        let (api, ended) = (api.clone(), ended.clone());
        tokio::spawn(async move { api.serve(listener, ended.cancelled_owned()).await })
    };
    let gateways = start(&args, &api).await?;
    let kubeconfig = args.kubeconfig.clone().unwrap_or_else(default_kubeconfig);
    write_kubeconfig(&kubeconfig, &server)?;
    announce(&args, &gateways, &kubeconfig, &server)?;
    Interrupt::listen().map_err(Error::Interrupt)?.told().await;
    if !args.json {
        println!("\nshutting down …");
    }
    for gateway in gateways {
        gateway.shut_down(SHUT_DOWN_TIMEOUT).await;
    }
    ended.cancel();
    let _ = serving.await;
    if args.kubeconfig.is_none() {
        let _ = std::fs::remove_file(&kubeconfig);
    }
    Ok(exit::OK)
}

/// Something to look at and to send signals about: a Deployment with its ReplicaSet and pods.
fn seed(api: &EmbeddedApi) {
    let meta = |name: &str, owner: Option<(&str, &str)>| {
        let owners = owner.map(|(kind, name)| {
            json!([{
                "apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true,
                "uid": uid(api, kind, name),
            }])
        });
        json!({ "name": name, "namespace": "shop", "labels": { "app": "checkout" }, "ownerReferences": owners.unwrap_or(json!([])) })
    };
    let object = |api_version: &str, kind: &str, metadata| json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata });
    api.seed(object("apps/v1", "Deployment", meta("checkout", None)));
    api.seed(object("apps/v1", "ReplicaSet", meta("checkout-7d9c5b6f4", Some(("Deployment", "checkout")))));
    for pod in ["checkout-7d9c5b6f4-4xv2k", "checkout-7d9c5b6f4-9kqzt"] {
        api.seed(object("v1", "Pod", meta(pod, Some(("ReplicaSet", "checkout-7d9c5b6f4")))));
    }
}

fn uid(api: &EmbeddedApi, kind: &str, name: &str) -> String {
    let plural = format!("{}s", kind.to_lowercase());
    let object = api.objects(&plural).into_iter().find(|object| object["metadata"]["name"] == name);
    object.and_then(|object| object["metadata"]["uid"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// The port `after` the first one, or any.
fn port(args: &Args, after: u16) -> Result<u16, Error> {
    match args.port {
        0 => Ok(0),
        first => first.checked_add(after).ok_or(Error::Port(first)),
    }
}

/// Listens where the Kubernetes API is to be.
async fn bind(args: &Args) -> Result<TcpListener, Error> {
    let address: SocketAddr = ([127, 0, 0, 1], port(args, args.replicas)?).into();
    TcpListener::bind(address).await.map_err(|source| taken(args, address, source))
}

fn taken(args: &Args, address: SocketAddr, source: std::io::Error) -> Error {
    Error::Listen { address, ports: u32::from(args.replicas) + 1, source }
}

fn default_kubeconfig() -> PathBuf {
    std::env::temp_dir().join(format!("gateway-sim-{}.kubeconfig", std::process::id()))
}

fn write_kubeconfig(path: &Path, server: &str) -> Result<(), Error> {
    let name = "gateway-sim";
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": { "server": server } }],
        "users": [{ "name": name, "user": {} }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name, "namespace": NAMESPACE } }],
        "current-context": name,
    });
    let yaml = serde_saphyr::to_string(&kubeconfig)?;
    std::fs::write(path, yaml).map_err(|source| Error::Kubeconfig { path: path.display().to_string(), source })
}

async fn start(args: &Args, api: &EmbeddedApi) -> Result<Vec<Served>, Error> {
    let mut gateways = Vec::new();
    for number in 1..=args.replicas {
        let name = pod_name(usize::from(number));
        let mut config = config();
        config.events.enabled = true;
        if args.token.is_some() {
            config.auth.mode = AuthMode::Kubernetes;
        }
        config.server.listen_addr.set_port(port(args, number - 1)?);
        config.scope.require_managed_label = args.scope == Scope::Managed;
        let client = api.client(&name, NAMESPACE);
        let gateway = ReplicaSpec { config, ..ReplicaSpec::new(name) };
        let served = gateway.serve(client, Context::system()).await;
        gateways.push(served.map_err(|error| match error {
            runtime::Error::Listen { address, key: _, source } => taken(args, address, source),
            error => Error::Gateway(error),
        })?);
    }
    Ok(gateways)
}

fn announce(args: &Args, gateways: &[Served], kubeconfig: &Path, server: &str) -> Result<(), Error> {
    let url = |address: SocketAddr| format!("http://{address}");
    let addresses = gateways.iter().map(|gateway| Addresses {
        name: gateway.name.clone(),
        api: url(gateway.api),
        health: url(gateway.health),
        metrics: url(gateway.metrics),
    });
    let ready = Ready { gateways: addresses.collect(), kubeconfig: kubeconfig.to_owned() };
    if args.json {
        println!("{}", serde_json::to_string(&ready)?);
        return Ok(());
    }
    println!("Kubernetes API  {server}\n");
    println!("  {:<16} {:<26} {:<34} metrics", "gateway", "signals", "health");
    for Addresses { name, api, health, metrics } in &ready.gateways {
        println!("  {name:<16} {api:<26} {:<34} {metrics}/metrics", format!("{health}/readyz"));
    }
    let header = args.token.as_ref().map(|token| format!(" -H 'authorization: Bearer {token}'")).unwrap_or_default();
    let first = ready.gateways.first().map(|gateway| gateway.api.as_str()).unwrap_or_default();
    println!(
        "\nSend an event:\n  curl -i {first}{KUBERNETES_EVENT} -H 'content-type: application/json'{header} -d '{}'\n\
         \nPoint Alertmanager's webhook_config at:\n  {first}{PROMETHEUS}\n\
         \nInspect the cluster:\n  export KUBECONFIG={}\n  kubectl get rr,leases -A -o wide\n\nPress Ctrl-C to stop.",
        example_event(),
        kubeconfig.display(),
    );
    Ok(())
}

fn example_event() -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": "BackOff",
        "message": "Back-off restarting failed container",
        "metadata": { "name": "checkout.1", "namespace": "shop" },
        "involvedObject": { "kind": "Pod", "namespace": "shop", "name": "checkout-7d9c5b6f4-4xv2k" },
    })
}

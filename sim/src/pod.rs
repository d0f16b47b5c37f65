//! `sim gateway`: one gateway with any protocol as a process of its own, configured as the product's binary is.

use gateway::{
    config::{Config, Identity},
    context::Context,
    kubernetes::cluster,
    runtime::{self, Listeners},
};
use harness::baselines::Protocol;
use tokio_util::sync::CancellationToken;

use crate::{exit, interrupt::Interrupt, protocol};

/// Options of `sim gateway`; all else comes from the environment, as for the product's binary.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How it keeps RemediationRequests unique
    #[arg(long, default_value_t, value_parser = protocol::parser())]
    protocol: Protocol,
}

/// Serves until Ctrl-C or SIGTERM; returns the exit code.
pub(crate) async fn run(args: Args) -> Result<u8, runtime::Error> {
    let config = Config::load(None, gateway::config::env::all()?)?;
    let identity = Identity::load(gateway::config::env::all()?)?;
    let (client, _) = cluster::connect(config.server.kubernetes_request_timeout).await?;
    let mut interrupt = Interrupt::listen().map_err(runtime::Error::Termination)?;
    let listeners = Listeners::bind(&config.server).await?;
    let gateway = args.protocol.gateway(config, identity, client, Context::system())?;
    gateway.start();
    let shutdown = CancellationToken::new();
    let serving = gateway.serve(listeners, shutdown.clone());
    let told = async {
        interrupt.told().await;
        shutdown.cancel();
    };
    futures::join!(serving, told);
    Ok(exit::OK)
}

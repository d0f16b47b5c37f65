//! `sim datastorage`: the stand-in for the DataStorage service, for clusters that have none.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::exit;

/// Options of `sim datastorage`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to listen; the report is at `/report`
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// Why it could not be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the service failed: {0}")]
    Serve(std::io::Error),
}

/// Serves until the process is ended.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let address = args.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    harness::datastorage::serve(listener).await.map_err(Error::Serve)?;
    Ok(exit::OK)
}

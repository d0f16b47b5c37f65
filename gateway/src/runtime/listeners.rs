//! Where a gateway is reached.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::Error;
use crate::config;

/// The sockets of one instance.
pub struct Listeners {
    /// Signals.
    pub api: TcpListener,
    /// `/healthz`, `/livez`, `/readyz`.
    pub health: TcpListener,
    /// `/metrics`.
    pub metrics: TcpListener,
}

impl Listeners {
    /// Binds the addresses of the configuration; port 0 takes any free one.
    ///
    /// # Errors
    /// If an address is taken or not ours, naming the key.
    pub async fn bind(server: &config::Server) -> Result<Self, Error> {
        Ok(Self {
            api: bind(server.listen_addr, "server.listenAddr").await?,
            health: bind(server.health_addr, "server.healthAddr").await?,
            metrics: bind(server.metrics_addr, "server.metricsAddr").await?,
        })
    }
}

async fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, key, source })
}

//! Where a gateway is reached.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::Error;
use crate::config;

/// The sockets of one instance.
pub struct Listeners {
    /// Receives signals: `server.listenAddr`.
    pub api: TcpListener,
    /// Serves `/healthz`, `/livez` and `/readyz`: `server.healthAddr`.
    pub health: TcpListener,
    /// Serves `/metrics`: `server.metricsAddr`.
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

    /// Where they are, each free port that was taken for 0 included: signals, health, metrics.
    ///
    /// # Errors
    /// If the system does not know.
    pub fn addresses(&self) -> Result<[SocketAddr; 3], Error> {
        let address = |listener: &TcpListener| listener.local_addr().map_err(Error::Address);
        Ok([address(&self.api)?, address(&self.health)?, address(&self.metrics)?])
    }
}

async fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, key, source })
}

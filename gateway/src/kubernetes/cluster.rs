//! The connection to a real cluster: kube's client on sockets that give up in time.

use std::time::Duration;

use http::{Request, Response};
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, ConfigExt},
};
use tower::{
    BoxError, ServiceBuilder, ServiceExt,
    util::{BoxService, MapRequestLayer},
};

use super::answers::{SafeAnswers, SafeBody};
use crate::crypto;

/// Above the longest silence of a healthy watch: bookmarks come every minute.
const READ_TIMEOUT: Duration = Duration::from_secs(75);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No cluster to talk to.
    #[error("no Kubernetes API server is configured: {0}; run in a pod with a service account, or set KUBECONFIG")]
    NoCluster(#[from] kube::config::InferConfigError),
    /// The cluster is only to be reached through a proxy.
    #[error(
        "proxies are not supported, and the cluster would be reached through {0}; unset `proxy-url` and HTTPS_PROXY"
    )]
    Proxy(http::Uri),
    /// Certificates or credentials cannot be used.
    #[error("could not create the Kubernetes client: {0}; check the certificates and credentials it names")]
    Client(#[from] kube::Error),
}

/// What sends requests to a cluster.
pub type Service = BoxService<Request<Body>, Response<SafeBody>, BoxError>;

/// A client for the cluster that this pod runs in, or that KUBECONFIG names, and the address of its API server. No request
/// lives longer than `timeout`.
///
/// # Errors
/// If there is none.
pub async fn connect(timeout: Duration) -> Result<(Client, http::Uri), Error> {
    crypto::install_default();
    let config = Config::infer().await?;
    let address = config.cluster_url.clone();
    Ok((builder(config, timeout)?.build(), address))
}

/// A client for `cluster` to which layers can be added.
///
/// kube's own retries repeat every verb, creates included: [`super::Kubernetes`] decides instead. A request that was given
/// up must not take effect much later (protocol: assumptions), so three parties are told: the API server, by a parameter;
/// the connection, which breaks when what was written is not acknowledged for `timeout`, even if the process has long
/// closed it; and whoever reads an answer.
///
/// # Errors
/// If certificates or credentials cannot be used.
pub fn builder(cluster: Config, timeout: Duration) -> Result<ClientBuilder<Service>, Error> {
    if let Some(proxy) = cluster.proxy_url {
        return Err(Error::Proxy(proxy));
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(timeout));
    tcp.set_keepalive(Some(timeout));
    let mut connector = TimeoutConnector::new(cluster.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(Some(timeout));
    connector.set_write_timeout(Some(timeout));
    connector.set_read_timeout(Some(READ_TIMEOUT));
    let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let secs = timeout.as_secs().max(1);
    let service = ServiceBuilder::new()
        .layer_fn(SafeAnswers)
        .layer(cluster.base_uri_layer())
        .option_layer(cluster.auth_layer()?)
        .layer(cluster.extra_headers_layer()?)
        .layer(MapRequestLayer::new(move |request| bound(request, secs)))
        .map_err(BoxError::from)
        .service(http);
    Ok(ClientBuilder::new(service.boxed(), cluster.default_namespace))
}

/// Asks the API server to give up on a request after `secs`, so that one that is late does not take effect later still.
fn bound<B>(request: Request<B>, secs: u64) -> Request<B> {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    if !query.contains("watch=") && !query.contains("timeout=") {
        let and = if query.is_empty() { "" } else { "&" };
        let path_and_query = format!("{}?{query}{and}timeout={secs}s", parts.uri.path());
        let mut uri = parts.uri.clone().into_parts();
        if let Ok(path_and_query) = path_and_query.parse() {
            uri.path_and_query = Some(path_and_query);
        }
        if let Ok(uri) = http::Uri::from_parts(uri) {
            parts.uri = uri;
        }
    }
    Request::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tokio::{io::AsyncReadExt, net::TcpSocket};

    use super::*;
    use crate::kubernetes::error::{classify, is_silence};

    #[rstest]
    #[case("/api/v1/namespaces/a/pods/b", "/api/v1/namespaces/a/pods/b?timeout=15s")]
    #[case("/apis/x/v1/y?", "/apis/x/v1/y?timeout=15s")]
    #[case("/apis/x/v1/y?limit=1", "/apis/x/v1/y?limit=1&timeout=15s")]
    #[case("/apis/x/v1/y?watch=true&timeoutSeconds=40", "/apis/x/v1/y?watch=true&timeoutSeconds=40")]
    fn every_request_but_a_watch_asks_to_be_given_up_in_time(#[case] uri: &str, #[case] expected: &str) {
        let request = Request::builder().uri(uri).body(()).unwrap();
        assert_eq!(bound(request, 15).uri().to_string(), expected);
    }

    #[tokio::test]
    async fn a_proxy_is_refused_instead_of_bypassed() {
        let mut cluster = Config::new("http://127.0.0.1:1".parse().unwrap());
        cluster.proxy_url = Some("http://proxy.example:3128".parse().unwrap());
        assert!(matches!(builder(cluster, Duration::from_secs(1)), Err(Error::Proxy(_))));
    }

    /// The operating system takes the connection, and nobody says anything on it.
    #[rstest]
    #[case::without_a_handshake("https", true)]
    #[case::without_an_answer("http", false)]
    #[tokio::test]
    async fn a_connection_that_cannot_be_made_in_time_is_no_answer(#[case] scheme: &str, #[case] ends_by_itself: bool) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cluster = Config::new(format!("{scheme}://{}", listener.local_addr().unwrap()).parse().unwrap());
        crypto::install_default();
        let client = builder(cluster, Duration::from_millis(300)).unwrap().build();
        let request = client.request_text(Request::get("/version").body(Vec::new()).unwrap());
        let context = crate::context::Context::system();
        match context.timeout(Duration::from_secs(3), request).await {
            Ok(answer) => assert!(ends_by_itself && is_silence(&answer.unwrap_err())),
            Err(_) => assert!(!ends_by_itself, "but for a deadline of its own"),
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_refused_is_no_silence_and_says_why() {
        let address = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let client =
            builder(Config::new(format!("http://{address}").parse().unwrap()), Duration::from_secs(3)).unwrap().build();
        let error = client.request_text(Request::get("/version").body(Vec::new()).unwrap()).await.unwrap_err();
        assert!(!is_silence(&error));
        let said = classify(error).to_string();
        assert!(said.to_lowercase().contains("connection refused"), "{said}");
    }

    /// An API server that stands still reads nothing: what was sent waits in buffers of the operating system, which by
    /// default delivers it for a quarter of an hour, whether or not the process still waits for an answer.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    #[allow(clippy::disallowed_methods, reason = "the operating system's time is what is tested")]
    async fn a_request_that_was_given_up_is_not_delivered_later() {
        /// Fits into the sender's buffer, but not into the receiver's.
        const BODY: usize = 256 << 10;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let cluster = Config::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
        let client = builder(cluster, Duration::from_millis(500)).unwrap().build();
        let request = Request::post("/apis/x/v1/y").body(vec![b' '; BODY]).unwrap();
        let answer = tokio::time::timeout(Duration::from_millis(500), client.request_text(request)).await;
        assert!(!matches!(answer, Ok(Ok(_))), "given up");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (mut server, _) = listener.accept().await.unwrap();
        let mut delivered = Vec::new();
        let _ = server.read_to_end(&mut delivered).await;
        assert!(delivered.len() < BODY, "{} bytes arrived", delivered.len());
    }
}

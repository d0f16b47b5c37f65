//! The listener's certificates, and who gets in by them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gateway::{config, context::Context, http::tls::Tls, metrics::Metrics};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::sockets::{LONG, SHORT, answer, request, rest, serve_with, settings};

/// A certificate for `localhost` that is its own authority, and its files.
struct Certificate {
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    cert_file: PathBuf,
    key_file: PathBuf,
    _folder: TempDir,
}

impl Certificate {
    fn new() -> Self {
        Self::signed(|_| {})
    }

    fn signed(configure: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        configure(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            der: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            cert_file: file("tls.crt", certificate.pem()),
            key_file: file("tls.key", key.serialize_pem()),
            _folder: folder,
        }
    }

    async fn client(
        &self,
        certificate: Option<&Self>,
        stream: TcpStream,
    ) -> impl AsyncRead + AsyncWrite + Unpin + use<> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(own) => builder.with_client_auth_cert(vec![own.der.clone()], own.key.clone_key()).unwrap(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }
}

fn tls(server: &Certificate, client_ca: Option<&Certificate>) -> Tls {
    let files = config::Tls {
        cert_file: server.cert_file.clone(),
        key_file: server.key_file.clone(),
        client_ca_file: client_ca.map(|certificate| certificate.cert_file.clone()),
    };
    Tls::load(&files, &Context::system()).unwrap()
}

#[tokio::test]
async fn signals_are_taken_over_tls_and_not_beside_it() {
    let certificate = Certificate::new();
    let rig = serve_with(settings(), Some(tls(&certificate, None))).await;
    let mut stream = certificate.client(None, rig.connect().await).await;
    stream.write_all(request("/echo", "secret").as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await, (200, "secret".to_owned()));

    let mut plain = rig.connect().await;
    plain.write_all(request("/echo", "secret").as_bytes()).await.unwrap();
    assert!(!rest(&mut plain).await.contains("HTTP/1.1 200"));
}

#[tokio::test]
async fn with_client_authorities_a_client_needs_a_certificate_of_theirs() {
    let (server, client) = (Certificate::new(), Certificate::new());
    let rig = serve_with(settings(), Some(tls(&server, Some(&client)))).await;
    for (certificate, expected) in [(Some(&client), true), (Some(&server), false), (None, false)] {
        let mut stream = server.client(certificate, rig.connect().await).await;
        let _ = stream.write_all(request("/echo", "").as_bytes()).await;
        let mut first = [0; 12];
        let answered = stream.read_exact(&mut first).await.is_ok() && first == *b"HTTP/1.1 200";
        assert_eq!(answered, expected);
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut_off() {
    let certificate = Certificate::new();
    let rig = serve_with(config::Server { read_timeout: SHORT, ..settings() }, Some(tls(&certificate, None))).await;
    let mut stream = rig.connect().await;
    let end = rig.context.timeout(LONG / 2, rest(&mut stream)).await;
    assert_eq!(end.as_deref(), Ok(""));
}

#[tokio::test]
async fn a_handshake_that_does_not_come_holds_up_no_shutdown() {
    let certificate = Certificate::new();
    let settings = config::Server { read_timeout: 2 * LONG, drain_timeout: 2 * LONG, ..settings() };
    let rig = serve_with(settings, Some(tls(&certificate, None))).await;
    let mut silent = rig.connect().await;
    // Connections are accepted in turn.
    drop(certificate.client(None, rig.connect().await).await);
    rig.shutdown.cancel();
    rig.ended().await;
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test(start_paused = true)]
async fn renewed_certificates_are_used_and_broken_ones_are_not() {
    let (old, new) = (Certificate::new(), Certificate::new());
    let context = Context::system();
    let files = config::Tls { cert_file: old.cert_file.clone(), key_file: old.key_file.clone(), client_ca_file: None };
    let tls = Tls::load(&files, &context).unwrap();
    let first = tls.current();

    std::fs::write(&old.cert_file, "no certificate").unwrap();
    assert!(Arc::ptr_eq(&first, &tls.current()), "not looked at yet");
    context.sleep(Duration::from_secs(30)).await;
    assert!(Arc::ptr_eq(&first, &tls.current()), "broken");

    std::fs::copy(&new.cert_file, &old.cert_file).unwrap();
    std::fs::copy(&new.key_file, &old.key_file).unwrap();
    context.sleep(Duration::from_secs(30)).await;
    assert!(!Arc::ptr_eq(&first, &tls.current()), "renewed");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_certificate_in_use_is_told_also_while_nobody_connects() {
    let ending = |year| Certificate::signed(|params| params.not_after = rcgen::date_time_ymd(year, 1, 1));
    let (old, new) = (ending(2040), ending(2041));
    let context = Context::system();
    let gauge = Metrics::new().unwrap().tls_certificate_expiry_timestamp_seconds;
    assert_eq!(gauge.get(), 0, "without TLS");
    context.spawn(tls(&old, None).report_expiry(gauge.clone()));
    context.sleep(Duration::from_secs(1)).await;
    assert_eq!(gauge.get(), "2040-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second());

    std::fs::copy(&new.cert_file, &old.cert_file).unwrap();
    std::fs::copy(&new.key_file, &old.key_file).unwrap();
    context.sleep(Duration::from_secs(30)).await;
    assert_eq!(gauge.get(), "2041-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second());
    context.kill();
}

#[test]
fn unusable_certificate_files_are_errors_that_name_their_keys() {
    let (good, other) = (Certificate::new(), Certificate::new());
    let empty = Certificate::new();
    std::fs::write(&empty.cert_file, "").unwrap();
    let context = Context::system();
    let error = |cert: &PathBuf, key: &PathBuf, ca: Option<&PathBuf>| {
        let files = config::Tls { cert_file: cert.clone(), key_file: key.clone(), client_ca_file: ca.cloned() };
        Tls::load(&files, &context).unwrap_err().to_string()
    };
    let nowhere = PathBuf::from("/nowhere");
    assert!(error(&nowhere, &good.key_file, None).starts_with("server.tls.certFile: cannot read `/nowhere`"));
    assert!(error(&good.cert_file, &nowhere, None).starts_with("server.tls.keyFile: cannot read"));
    assert!(error(&empty.cert_file, &good.key_file, None).starts_with("server.tls.certFile: there is no certificate"));
    assert!(error(&good.cert_file, &other.key_file, None).starts_with("server.tls: "));
    assert!(error(&good.cert_file, &good.key_file, Some(&nowhere)).starts_with("server.tls.clientCaFile: cannot read"));
}

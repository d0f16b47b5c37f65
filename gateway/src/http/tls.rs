//! TLS on the signal listener: its certificates, and their renewal without a restart.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use prometheus::IntGauge;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use x509_parser::parse_x509_certificate;

use crate::{
    config,
    context::{Context, Monotonic},
};

/// Kubernetes takes up to a minute to bring a renewed Secret into a volume; half of that on top is soon enough.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or is no PEM.
    #[error("{key}: cannot read `{}`: {source}", path.display())]
    Read {
        /// The configuration's key.
        key: &'static str,
        /// The file that the key names.
        path: PathBuf,
        /// Why it cannot be read or parsed.
        source: pem::Error,
    },
    /// A file holds no certificate.
    #[error("{key}: there is no certificate in `{}`", path.display())]
    Empty {
        /// The configuration's key.
        key: &'static str,
        /// The file that the key names.
        path: PathBuf,
    },
    /// The files do not fit together.
    #[error("server.tls: {0}")]
    Rustls(#[from] rustls::Error),
    /// The authorities of client certificates are unusable.
    #[error("server.tls.clientCaFile: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The listener's certificates as the files have them; cheap to clone.
#[derive(Clone)]
pub struct Tls {
    files: Arc<config::Tls>,
    context: Context,
    current: Arc<Mutex<Current>>,
}

struct Current {
    config: Arc<ServerConfig>,
    expiry_s: i64,
    stamps: Stamps,
    checked: Monotonic,
}

/// When each file was changed; none if that cannot be told.
type Stamps = [Option<SystemTime>; 3];

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn load(files: &config::Tls, context: &Context) -> Result<Self, Error> {
        let (stamps, (config, expiry_s)) = (stamps(files), read(files)?);
        let current = Current { config, expiry_s, stamps, checked: context.monotonic() };
        Ok(Self { files: Arc::new(files.clone()), context: context.clone(), current: Arc::new(Mutex::new(current)) })
    }

    /// What the next connection is to use. Looks at the files every 30 s at most; new ones that are unusable leave the
    /// old ones in place, with a log line.
    pub fn current(&self) -> Arc<ServerConfig> {
        let now = self.context.monotonic();
        let mut current = self.current.lock();
        if now.since(current.checked) >= CHECK_INTERVAL {
            current.checked = now;
            self.reload(&mut current);
        }
        Arc::clone(&current.config)
    }

    /// Keeps `expiry` at the end of what [`Tls::current`] returns, in seconds since 1970, also while nobody connects.
    pub async fn report_expiry(self, expiry: IntGauge) {
        loop {
            {
                let mut current = self.current.lock();
                current.checked = self.context.monotonic();
                self.reload(&mut current);
                expiry.set(current.expiry_s);
            }
            self.context.sleep(CHECK_INTERVAL).await;
        }
    }

    /// Reading small local files does not hold up the runtime for long enough to need a thread of its own.
    fn reload(&self, current: &mut Current) {
        let stamps = stamps(&self.files);
        if stamps == current.stamps {
            return;
        }
        match read(&self.files) {
            Ok((config, expiry_s)) => {
                tracing::info!("new TLS certificates are in use");
                (current.config, current.expiry_s, current.stamps) = (config, expiry_s, stamps);
            }
            // Asked again at the next check: the files may have been seen half written.
            Err(error) => tracing::error!(%error, "new TLS certificates could not be loaded; the old ones stay in use"),
        }
    }
}

fn stamps(files: &config::Tls) -> Stamps {
    let config::Tls { cert_file, key_file, client_ca_file } = files;
    let stamp = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    [stamp(cert_file), stamp(key_file), client_ca_file.as_deref().and_then(stamp)]
}

/// What the files say, and when the first certificate of the chain ends, in seconds since 1970.
fn read(files: &config::Tls) -> Result<(Arc<ServerConfig>, i64), Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates("server.tls.clientCaFile", path)? {
                roots.add(authority)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates("server.tls.certFile", &files.cert_file)?;
    // rustls reads them itself: one that this library cannot read is no reason to refuse it.
    let ends =
        chain.iter().filter_map(|der| Some(parse_x509_certificate(der).ok()?.1.validity().not_after.timestamp()));
    let expiry_s = ends.min().unwrap_or_default();
    let unreadable = |source| Error::Read { key: "server.tls.keyFile", path: files.key_file.clone(), source };
    let key =
        text(&files.key_file).and_then(|text| PrivateKeyDer::from_pem_slice(text.as_bytes())).map_err(unreadable)?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), expiry_s))
}

fn text(path: &Path) -> Result<String, pem::Error> {
    config::read_file(path).map_err(pem::Error::Io)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |source| Error::Read { key, path: path.to_owned(), source };
    let read = |text: String| CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain: Vec<_> = text(path).and_then(read).map_err(unreadable)?;
    if chain.is_empty() { Err(Error::Empty { key, path: path.to_owned() }) } else { Ok(chain) }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

//! `gateway explain`: what the gateway would make of an alert or an event, and why.
//!
//! The same code decides as in a running gateway: [`signal`](crate::signal) says what it is about,
//! [`dedup`](crate::dedup) what would become of it. Nothing is written to the cluster. A report holds what names a resource,
//! and no other label, annotation or payload, so that it can be shown to others.

use std::{
    io::{Read, Write},
    path::Path,
};

use kube::Client;

mod asked;
mod error;
mod input;
mod report;
mod text;

pub use error::Error;
pub use report::{Outcome, Report};

use self::{asked::Cluster, error::MAX_INPUT_BYTES, input::Item};
use crate::{
    config::Config,
    context::Context,
    kubernetes::cluster,
    metrics,
    signal::{Rejection, Rules},
};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Ask no cluster.
    pub offline: bool,
    /// One JSON document instead of text.
    pub json: bool,
    /// Where RemediationRequests live.
    pub namespace: Option<String>,
}

/// Explains what is in `file` (`-`: standard input) to standard output, alert by alert.
///
/// # Errors
/// If there is nothing to explain, or no cluster to ask.
pub async fn run(config_file: Option<&Path>, file: &Path, options: Options) -> Result<(), Error> {
    let config = Config::load(config_file, crate::config::env::all()?)?;
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let body = read(file, &name)?;
    let explainer = if options.offline {
        Explainer::offline(&config)
    } else {
        let (client, _) = cluster::connect(config.server.kubernetes_request_timeout).await?;
        let pods = std::env::var("POD_NAMESPACE").ok().filter(|name| !name.is_empty());
        let namespace = options.namespace.or(pods).unwrap_or_else(|| client.default_namespace().to_owned());
        Explainer::new(&config, client, Context::system(), namespace)?
    };
    let items = explainer.read(&body).map_err(|rejection| Error::Refused(name, rejection))?;
    let total = items.len();
    let mut reports = Vec::new();
    for (place, item) in items.into_iter().enumerate() {
        let report = explainer.explain(item).await;
        if options.json {
            reports.push(report);
        } else {
            text::print(&report, place + 1, total, &mut std::io::stdout().lock())?;
        }
    }
    if options.json {
        let text = serde_json::to_string_pretty(&reports).map_err(std::io::Error::from)?;
        writeln!(std::io::stdout().lock(), "{text}")?;
    }
    Ok(())
}

/// Explains by one configuration, and one cluster or none.
pub struct Explainer {
    rules: Rules,
    context: Context,
    cluster: Option<Cluster>,
}

impl Explainer {
    /// Asks no cluster.
    pub fn offline(config: &Config) -> Self {
        Self { rules: Rules::new(&config.signal), context: Context::system(), cluster: None }
    }

    /// Asks the cluster behind `client`, where RemediationRequests live in `namespace`.
    ///
    /// # Errors
    /// If metrics cannot be set up.
    pub fn new(config: &Config, client: Client, context: Context, namespace: String) -> Result<Self, metrics::Error> {
        let rules = Rules::new(&config.signal);
        let cluster = Some(Cluster::new(config, &rules, client, context.clone(), namespace)?);
        Ok(Self { rules, context, cluster })
    }

    /// What is told of each alert or event in `body`.
    ///
    /// # Errors
    /// If the gateway would refuse the body as a whole.
    pub async fn reports(&self, body: &[u8]) -> Result<Vec<Report>, Rejection> {
        let mut reports = Vec::new();
        for item in self.read(body)? {
            reports.push(self.explain(item).await);
        }
        Ok(reports)
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Item>, Rejection> {
        input::read(body, self.context.now(), &self.rules)
    }

    async fn explain(&self, item: Item) -> Report {
        match (item, &self.cluster) {
            (Item::Rejected(rejection), _) => Report::rejected(&rejection),
            (Item::Ignored(name, why), _) => Report::ignored(name, &why),
            (Item::Signal(unresolved), None) => Report::offline(&unresolved),
            (Item::Signal(unresolved), Some(cluster)) => cluster.explain(&unresolved, self.context.now()).await,
        }
    }
}

fn read(file: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::Read(name.to_owned(), error);
    let reader: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?)
    };
    let mut body = Vec::new();
    let bytes = reader.take(MAX_INPUT_BYTES + 1).read_to_end(&mut body).map_err(failed)?;
    if bytes as u64 > MAX_INPUT_BYTES { Err(Error::TooLarge(name.to_owned())) } else { Ok(body) }
}

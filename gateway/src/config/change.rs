//! What may change while a gateway runs, and what has changed.

use std::fmt;

use serde_json::{Map, Value};

use super::{keys, secret, settings::Config, yaml};

/// The keys that a running gateway takes over. All others need a restart: a listener would have to move, a cache or a queue
/// to be built anew, or replicas would disagree on the identity of an incident.
pub const RELOADABLE: [&str; 6] = [
    "logging.level",
    "scope.requireManagedLabel",
    "signal.exporters",
    "signal.ignore",
    "signal.maxPayloadBytes",
    "signal.targets",
];

/// A key whose value has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Such as `logging.level`.
    pub key: String,
    /// Before, without secrets.
    pub from: String,
    /// After, without secrets.
    pub to: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} is now {}", self.key, self.from, self.to)
    }
}

/// How a running gateway can follow a new configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The running configuration with what may change as the new one has it.
    pub config: Config,
    /// What that changes.
    pub changed: Vec<Change>,
    /// Keys that are different in the new configuration, and need a restart.
    pub needs_restart: Vec<String>,
}

impl Update {
    /// From the configuration that is in effect to `new`.
    pub fn between(running: &Config, new: &Config) -> Self {
        let (mut config, new) = (tree(running), tree(new));
        let (mut changed, mut needs_restart) = (Vec::new(), Vec::new());
        for key in keys::all() {
            let (name, path) = (key.name(), &key.path);
            let (from, to) = (get(&config, path), get(&new, path));
            if from == to {
                continue;
            }
            if !RELOADABLE.contains(&name.as_str()) {
                needs_restart.push(name);
                continue;
            }
            let shown = |value: &Value| yaml::scalar(&secret::masked(&name, value));
            changed.push(Change { from: shown(&from), to: shown(&to), key: name });
            if let Some((last, sections)) = path.split_last() {
                let section =
                    sections.iter().try_fold(&mut config, |section, name| section.get_mut(name)?.as_object_mut());
                section.map(|section| section.insert(last.clone(), to));
            }
        }
        let config = serde_json::from_value(Value::Object(config)).unwrap_or_else(|_| running.clone());
        Self { config, changed, needs_restart }
    }
}

fn tree(config: &Config) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(root)) => root,
        _ => Map::new(),
    }
}

/// The value at `path`; an optional section that is absent has none.
fn get(root: &Map<String, Value>, path: &[String]) -> Value {
    keys::get(root, path).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Tls;

    #[test]
    fn what_may_change_is_taken_over_and_the_rest_is_named() {
        let running = Config::default();
        let mut new = running.clone();
        new.logging.level = "debug".to_owned();
        new.scope.require_managed_label = false;
        new.signal.ignore = vec![r#"team="db""#.parse().unwrap()];
        new.server.max_body_bytes = 5;
        new.server.tls = Some(Tls { cert_file: Path::new("a").to_owned(), ..Tls::default() });
        new.datastorage.url = "http://me:hunter2@audit".parse().ok();
        let update = Update::between(&running, &new);
        let mut expected = running.clone();
        expected.logging = new.logging.clone();
        expected.scope = new.scope.clone();
        expected.signal.ignore = new.signal.ignore.clone();
        assert_eq!(update.config, expected);
        let changes: Vec<String> = update.changed.iter().map(Change::to_string).collect();
        let ignored = r#"signal.ignore: ['severity="none"', 'alertname=~"Watchdog|InfoInhibitor|DeadMansSwitch"'] is now ['team="db"']"#;
        assert_eq!(
            changes,
            ["logging.level: info is now debug", "scope.requireManagedLabel: true is now false", ignored]
        );
        assert_eq!(
            update.needs_restart,
            ["datastorage.url", "server.maxBodyBytes", "server.tls.certFile", "server.tls.keyFile"]
        );
    }

    #[test]
    fn the_same_configuration_changes_nothing() {
        let running = Config::default();
        let update = Update::between(&running, &running);
        assert_eq!(update, Update { config: running.clone(), changed: vec![], needs_restart: vec![] });
    }

    #[test]
    fn every_key_that_may_change_exists() {
        let all: Vec<String> = keys::all().iter().map(keys::Key::name).collect();
        for key in RELOADABLE {
            assert!(all.iter().any(|known| known == key), "{key}");
        }
    }
}

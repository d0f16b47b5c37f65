//! What to write instead: a hint is only given if it has been tried.

use serde_json::Value;

use super::{error::Problem, keys::Key, origin::Files, settings::Config, yaml};

/// Each trial checks a whole configuration.
const TRIED_MAX: usize = 100;

/// `problems` of `config`, each with a value that would mend it: that of its own key, or of another one that it names.
pub(super) fn tried(config: &Config, all: &[Key], problems: Vec<String>) -> Vec<Problem> {
    let value = serde_json::to_value(config).unwrap_or_default();
    problems
        .into_iter()
        .enumerate()
        .map(|(place, line)| {
            let (key, message) = line.split_once(": ").unwrap_or(("", &line));
            let own = all.iter().filter(|known| known.name() == key);
            let others = all.iter().filter(|known| known.name() != key && message.contains(&known.name()));
            let mends = own.chain(others).filter(|_| place < TRIED_MAX).find(|known| mends(&value, known, &line));
            let hint = mends.map(|known| format!("for example `{}`", yaml::entry(&known.path, &known.example())));
            Problem { key: key.to_owned(), message: message.to_owned(), variable: None, hint }
        })
        .collect()
}

/// Whether the example of `key` in its place solves `problem` and makes no other one of that key.
fn mends(config: &Value, key: &Key, problem: &str) -> bool {
    let mut changed = config.clone();
    let mut place = &mut changed;
    for name in &key.path {
        let Some(inner) = place.get_mut(name) else { return false };
        place = inner;
    }
    *place = key.example();
    let Ok(changed) = serde_json::from_value::<Config>(changed) else { return false };
    let left = changed.problems(Files::Unchecked);
    // Messages of the same rule about other values share this prefix.
    !left.iter().any(|left| left == problem || left.starts_with(&format!("{}: ", key.name())))
}

//! From values to a [`Config`]: what has the wrong type or no meaning is left out, and reported, one by one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use super::{
    error::Problem,
    keys::{self, Key},
    secret,
    settings::Config,
    yaml,
};

/// More are reported after the first ones are mended.
const PROBLEMS_MAX: usize = 100;
/// Characters of a value that are shown.
const SHOWN_MAX: usize = 80;

/// One step towards a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Index(usize),
}

/// The configuration without what cannot be read of it, and what that is.
pub(super) fn config(mut root: Value, all: &[Key]) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    // Of each list, the places whose elements are removed: those behind them have moved up.
    let mut removed: BTreeMap<Vec<Step>, Vec<usize>> = BTreeMap::new();
    // What lacks fields: it gets those of an example until all that is wrong with it is known.
    let mut incomplete: BTreeSet<Vec<Step>> = BTreeSet::new();
    // Fields that were there and are reported already.
    let mut dropped: BTreeSet<Vec<Step>> = BTreeSet::new();
    while problems.len() < PROBLEMS_MAX {
        let mut track = serde_path_to_error::Track::new();
        let message = match Config::deserialize(serde_path_to_error::Deserializer::new(&root, &mut track)) {
            Ok(config) => match incomplete.pop_last() {
                None => return (config, problems),
                Some(steps) => {
                    remove(&mut root, &steps);
                    continue;
                }
            },
            Err(error) => error.to_string(),
        };
        let steps = steps(&track.path());
        let name = name(&steps, &removed);
        let is_known = missing(&message).is_some_and(|field| dropped.contains(&child(&steps, field)));
        if !is_known {
            problems.push(problem(&name, &steps, &message, &root, all));
        }
        if complete(&mut root, &steps, &name, &message, all) {
            incomplete.insert(steps);
        } else if remove(&mut root, &steps) {
            note_removed(&steps, &mut removed);
            dropped.insert(steps);
        } else {
            break;
        }
    }
    (Config::default(), problems)
}

/// Puts an example in the place of the field that `message` misses; false if it misses none, or there is no example.
fn complete(root: &mut Value, steps: &[Step], name: &str, message: &str, all: &[Key]) -> bool {
    let Some(field) = missing(message) else { return false };
    let Some(key) = example_for(name, message, all) else { return false };
    let example = match key.example() {
        Value::Array(elements) => elements.first().and_then(|element| element.get(field)).cloned(),
        Value::Object(elements) => elements.values().next().and_then(|element| element.get(field)).cloned(),
        example => Some(example),
    };
    match (get_mut(root, steps), example) {
        (Some(Value::Object(map)), Some(example)) => map.insert(field.to_owned(), example).is_none(),
        _ => false,
    }
}

fn child(steps: &[Step], field: &str) -> Vec<Step> {
    steps.iter().cloned().chain([Step::Key(field.to_owned())]).collect()
}

fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'))
}

fn steps(path: &Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().map_while(step).collect()
}

fn problem(name: &str, steps: &[Step], message: &str, root: &Value, all: &[Key]) -> Problem {
    let key = all.iter().find(|key| key.name() == name);
    let value = get(root, steps);
    let shown = value.and_then(|value| shown(name, value));
    if message.starts_with("unknown field")
        && let Some(problem) = unknown(name, steps, all)
    {
        return problem;
    }
    let message = match (key.and_then(Key::allowed), shown, value) {
        // A number that is out of all bounds: what was expected is told.
        (Some("a whole number"), _, Some(Value::Number(number))) if number.is_u64() => message.to_owned(),
        (Some(allowed), Some(shown), _) => format!("`{shown}` is not {allowed}"),
        (Some(allowed), None, Some(_)) => format!("it is not {allowed}"),
        // The message of the one who read it has the value.
        (None, _, Some(_)) if secret::is_secret(name) => "it is not text: put it into quotes".to_owned(),
        _ => message.to_owned(),
    };
    let hint = example_for(name, &message, all);
    let hint = hint.map(|key| format!("for example `{}`", yaml::entry(&key.path, &key.example())));
    Problem { key: name.to_owned(), message, variable: None, hint }
}

/// The key whose example shows what `name` may be: itself, the one that it is an element of, or the one that it lacks.
fn example_for<'a>(name: &str, message: &str, all: &'a [Key]) -> Option<&'a Key> {
    let within = |key: &Key| name.strip_prefix(&key.name()).is_some_and(|rest| rest.starts_with(['.', '[']));
    let lacking = missing(message).map(|field| format!("{name}.{field}"));
    all.iter().find(|key| key.name() == name || within(key) || lacking.as_deref() == Some(key.name().as_str()))
}

/// A key that there is not, in a section that there is.
fn unknown(name: &str, steps: &[Step], all: &[Key]) -> Option<Problem> {
    let (Step::Key(last), path) = steps.split_last()? else { return None };
    let sections = keys::sections();
    let section = path.iter().try_fold(&sections, |section: &Map<String, Value>, step| match step {
        Step::Key(key) => section.get(key)?.as_object().filter(|section| !section.is_empty()),
        Step::Index(_) => None,
    })?;
    let known: Vec<&str> = section.keys().map(String::as_str).collect();
    let nearest = keys::nearest(last, known.iter().copied())?;
    let place =
        if path.is_empty() { "known fields:".to_owned() } else { format!("known fields of `{}`:", parent(name)) };
    let key = all.iter().find(|key| key.name() == format!("{}{nearest}", prefix(name)));
    let example = key.map(|key| format!(", for example `{}`", yaml::entry(&key.path, &key.example())));
    Some(Problem {
        key: name.to_owned(),
        message: format!("unknown field; {place} {}", known.join(", ")),
        variable: None,
        hint: Some(format!("did you mean `{}{nearest}`{}?", prefix(name), example.unwrap_or_default())),
    })
}

fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// `server.` of `server.listenAddr`.
fn prefix(name: &str) -> &str {
    name.get(..name.len() - name.rsplit('.').next().unwrap_or_default().len()).unwrap_or_default()
}

/// Such as `signal.ignore[1]`, by the place in the list that was given.
fn name(steps: &[Step], removed: &BTreeMap<Vec<Step>, Vec<usize>>) -> String {
    let mut name = String::new();
    for (depth, step) in steps.iter().enumerate() {
        match step {
            Step::Key(key) if name.is_empty() => name.push_str(key),
            Step::Key(key) => name.push_str(&format!(".{key}")),
            Step::Index(index) => name.push_str(&format!("[{}]", given(steps.get(..depth), *index, removed))),
        }
    }
    name
}

/// The place that the element now at `index` of `list` had at first.
fn given(list: Option<&[Step]>, index: usize, removed: &BTreeMap<Vec<Step>, Vec<usize>>) -> usize {
    let gone = list.and_then(|list| removed.get(list)).map_or(&[][..], Vec::as_slice);
    gone.iter().fold(index, |given, gone| given + usize::from(*gone <= given))
}

fn note_removed(steps: &[Step], removed: &mut BTreeMap<Vec<Step>, Vec<usize>>) {
    let Some((Step::Index(index), list)) = steps.split_last() else { return };
    let given = given(Some(list), *index, removed);
    let gone = removed.entry(list.to_vec()).or_default();
    gone.push(given);
    gone.sort_unstable();
}

/// The value of the key `name` in short, if it is one that fits into a sentence.
fn shown(name: &str, value: &Value) -> Option<String> {
    let text = match secret::masked(name, value) {
        Value::String(text) => text,
        Value::Null => "null".to_owned(),
        value @ (Value::Bool(_) | Value::Number(_)) => value.to_string(),
        Value::Array(_) | Value::Object(_) => return None,
    };
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    Some(if cut.len() < text.len() { format!("{cut}…") } else { cut })
}

fn get<'a>(root: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

fn get_mut<'a>(root: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

/// Whether there was something to remove.
fn remove(root: &mut Value, steps: &[Step]) -> bool {
    let Some((last, path)) = steps.split_last() else { return false };
    match (get_mut(root, path), last) {
        (Some(Value::Object(map)), Step::Key(key)) => map.remove(key).is_some(),
        (Some(Value::Array(list)), Step::Index(index)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        _ => false,
    }
}

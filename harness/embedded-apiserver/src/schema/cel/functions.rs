//! The functions that expressions may call: Kubernetes' own, and a few of the library's done as cel-go does them.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use kube_cel::{
    KubeCelExt,
    cel::{Context, ExecutionError, FunctionContext, Value, extractors::This, functions},
};
use parking_lot::Mutex;
use regex::Regex;

use crate::schema::format;

/// Steps of comprehensions that one evaluation may take: kube-apiserver's limit of one call's cost
/// (`k8s.io/apiserver/pkg/apis/cel`, PerCallLimit), of which every step costs at least one.
const MAX_STEPS: u32 = 1_000_000;

/// How cel-go says that [`MAX_STEPS`] was not enough.
pub(crate) const LIMIT_EXCEEDED: &str = "operation cancelled: actual cost limit exceeded";

/// The name under which every comprehension calls [`step`]; no name in a rule can begin like this.
pub(super) const STEP: &str = "@step";

/// Compiled patterns of `matches` that are kept.
const MAX_PATTERNS: usize = 100;

thread_local! {
    static STEPS: Cell<u32> = const { Cell::new(0) };
}

/// Every function and no variable.
pub(super) static CONTEXT: LazyLock<Context<'static>> = LazyLock::new(|| {
    let mut context = Context::default().with_all();
    context.add_function(STEP, step);
    context.add_function("matches", matches);
    context.add_function("size", size);
    context
});

/// Starts counting the steps of one evaluation on this thread.
pub(super) fn start_counting() {
    STEPS.set(0);
}

/// Counts a step of a comprehension.
fn step() -> Result<bool, ExecutionError> {
    let steps = STEPS.get() + 1;
    STEPS.set(steps);
    if steps > MAX_STEPS { Err(ExecutionError::function_error(STEP, LIMIT_EXCEEDED)) } else { Ok(true) }
}

/// `text.matches(pattern)`, with the meaning of RE2.
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    static PATTERNS: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut patterns = PATTERNS.lock();
    if let Some(regex) = patterns.get(pattern.as_str()) {
        return Ok(regex.is_match(&text));
    }
    let regex = format::compile(&pattern).map_err(|error| ExecutionError::function_error("matches", error))?;
    let is_match = regex.is_match(&text);
    if patterns.len() >= MAX_PATTERNS {
        patterns.clear();
    }
    patterns.insert(pattern.to_string(), regex);
    Ok(is_match)
}

/// `size(value)` and `value.size()`; a text's is its number of characters, not of bytes as in the library.
fn size(context: &FunctionContext<'_, '_>, This(value): This<Value>) -> Result<i64, ExecutionError> {
    match value {
        Value::String(text) => Ok(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)),
        value => functions::size(context, This(value)),
    }
}

//! Expressions of the Common Expression Language, with the functions that Kubernetes adds.
//!
//! Parsing, evaluation and functions are the crates cel and kube-cel. Here is what a server adds: an expression that could
//! fail for want of a function or a variable is refused when it is compiled, evaluation is bounded, and errors are in the
//! words of cel-go, which kube-apiserver uses.

mod functions;
mod prepare;

use std::{sync::Arc, thread};

use kube_cel::cel::{
    Context, ExecutionError, IdedExpr, Value,
    common::ast::{Expr, operators},
    objects::OptionalValue,
    parser::Parser,
};

pub(super) use functions::LIMIT_EXCEEDED;
use functions::{CONTEXT, start_counting};

/// How cel-go says that a function or operator is not defined for the types of its arguments.
pub(super) const NO_OVERLOAD: &str = "no such overload";

/// The longest expression that is compiled.
const MAX_SOURCE_BYTES: usize = 4_000;

/// Enough to parse [`MAX_SOURCE_BYTES`] in a debug build, where 30 parentheses take more than 2 MiB; unused pages cost
/// nothing.
const COMPILER_STACK: usize = 256 << 20;

/// Trees up to this depth are evaluated on the caller's stack, at most 40 KiB a level in a debug build.
const SHALLOW: usize = 10;

/// Enough for [`prepare::MAX_DEPTH`].
const EVALUATION_STACK: usize = 64 << 20;

/// A compiled expression over `self` and `oldSelf`.
#[derive(Debug)]
pub(super) struct Expression {
    root: IdedExpr,
    /// Of the tree.
    depth: usize,
}

impl Expression {
    /// Compiles `source`.
    ///
    /// # Errors
    /// What in it is no CEL, or not supported.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(format!("longer than {MAX_SOURCE_BYTES} bytes"));
        }
        with_stack(COMPILER_STACK, || {
            let parsed = Parser::new().enable_optional_syntax(true).parse(source);
            let mut root = parsed.map_err(|errors| match errors.errors.first() {
                Some(error) => error.msg.clone(),
                None => "not an expression".to_owned(),
            })?;
            let depth = prepare::prepare(&mut root)?;
            Ok(Self { root, depth })
        })
        .unwrap_or_else(|| Err("the parser gave up".to_owned()))
    }

    /// Whether it is `self == oldSelf`.
    pub(super) fn is_identity(&self) -> bool {
        let Expr::Call(call) = &self.root.expr else { return false };
        let names = |this: &str, other: &str| {
            let is = |at: usize, name: &str| matches!(&call.args[at].expr, Expr::Ident(ident) if ident == name);
            is(0, this) && is(1, other)
        };
        call.func_name == operators::EQUALS && (names("self", "oldSelf") || names("oldSelf", "self"))
    }

    /// Whether it refers to the value before an update.
    pub(super) fn mentions_old(&self) -> bool {
        self.root.references().has_variable("oldSelf")
    }

    /// Its value as a condition.
    ///
    /// # Errors
    /// In cel-go's words, such as `no such key: a`.
    pub(super) fn truth(&self, bindings: &Bindings) -> Result<bool, String> {
        match self.evaluate(bindings)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(NO_OVERLOAD.to_owned()),
        }
    }

    /// Its value as a text; `None` if it has none, or not one.
    pub(super) fn text(&self, bindings: &Bindings) -> Option<String> {
        match self.evaluate(bindings) {
            Ok(Value::String(text)) => Some(text.to_string()),
            _ => None,
        }
    }

    fn evaluate(&self, bindings: &Bindings) -> Result<Value, String> {
        let evaluate = || {
            start_counting();
            Value::resolve(&self.root, &bindings.0).map_err(|error| describe(&error))
        };
        if self.depth <= SHALLOW {
            return evaluate();
        }
        with_stack(EVALUATION_STACK, evaluate).unwrap_or_else(|| Err("the evaluation failed".to_owned()))
    }
}

/// What `self` and `oldSelf` stand for.
pub(super) struct Bindings(Context<'static>);

impl Bindings {
    pub(super) fn new(this: Value, old: Option<Value>) -> Self {
        let mut context = CONTEXT.new_inner_scope();
        context.add_variable_from_value("self", this);
        if let Some(old) = old {
            context.add_variable_from_value("oldSelf", old);
        }
        Self(context)
    }

    /// With an optional as `oldSelf`.
    pub(super) fn with_optional(this: Value, old: Option<Value>) -> Self {
        let old = old.map_or_else(OptionalValue::none, OptionalValue::of);
        Self::new(this, Some(Value::Opaque(Arc::new(old))))
    }
}

/// Runs `work` on a thread with a stack of `bytes`, because the library recurses with large frames; `None` if it panics.
fn with_stack<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| thread::Builder::new().stack_size(bytes).spawn_scoped(scope, work).ok()?.join().ok())
}

fn describe(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::IndexOutOfBounds(Value::Int(index)) => format!("index out of bounds: {index}"),
        ExecutionError::IndexOutOfBounds(Value::UInt(index)) => format!("index out of bounds: {index}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        _ => NO_OVERLOAD.to_owned(),
    }
}

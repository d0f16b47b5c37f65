//! What is checked and changed in a parsed expression before it is evaluated.

use kube_cel::cel::{
    ExecutionError, IdedExpr, Value,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators},
};

use super::functions::{CONTEXT, STEP};
use crate::schema::format;

/// Deeper trees are refused: evaluation recurses.
pub(super) const MAX_DEPTH: usize = 100;

/// Refuses in `root` what would fail or be misunderstood whatever the values are, and returns the depth of the tree.
///
/// Every step of a comprehension is made to count, and two defects of the library are avoided: it takes `a.b` to be
/// `false` where `a` has no fields, and `a.?b` to be an error where `b` is missing; `a["b"]` and `a[?"b"]` mean the same.
pub(super) fn prepare(root: &mut IdedExpr) -> Result<usize, String> {
    let mut walk = Walk { names: vec!["self".to_owned(), "oldSelf".to_owned()], depth: 0, deepest: 0 };
    walk.expression(root)?;
    Ok(walk.deepest)
}

struct Walk {
    /// The variables there are.
    names: Vec<String>,
    depth: usize,
    deepest: usize,
}

impl Walk {
    fn expression(&mut self, expression: &mut IdedExpr) -> Result<(), String> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        match &mut expression.expr {
            Expr::Literal(_) => {}
            Expr::Ident(name) if self.names.contains(name) => {}
            Expr::Ident(name) => return Err(format!("undeclared reference to '{name}'")),
            Expr::Call(call) => self.call(call)?,
            Expr::Comprehension(comprehension) => self.comprehension(comprehension)?,
            Expr::List(list) => self.all(&mut list.elements)?,
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    let EntryExpr::MapEntry(entry) = &mut entry.expr else { return Err("a message".to_owned()) };
                    self.expression(&mut entry.key)?;
                    self.expression(&mut entry.value)?;
                }
            }
            Expr::Select(select) => {
                self.expression(&mut select.operand)?;
                if !select.test {
                    expression.expr = Expr::Call(as_index(std::mem::take(select)));
                }
            }
            Expr::Struct(message) => return Err(format!("the message {}", message.type_name)),
            Expr::Unspecified => return Err("an empty expression".to_owned()),
        }
        self.depth -= 1;
        Ok(())
    }

    fn all(&mut self, expressions: &mut [IdedExpr]) -> Result<(), String> {
        expressions.iter_mut().try_for_each(|expression| self.expression(expression))
    }

    fn call(&mut self, call: &mut CallExpr) -> Result<(), String> {
        self.all(&mut call.args)?;
        if let ("matches", [IdedExpr { expr: Expr::Literal(LiteralValue::String(pattern)), .. }]) =
            (call.func_name.as_str(), call.args.as_slice())
        {
            format::compile(pattern.inner())?;
        }
        if call.func_name == operators::OPT_SELECT {
            operators::OPT_INDEX.clone_into(&mut call.func_name);
        }
        match &mut call.target {
            Some(target) => {
                if let Expr::Ident(namespace) = &target.expr
                    && !self.names.contains(namespace)
                {
                    return is_function(&format!("{namespace}.{}", call.func_name));
                }
                self.expression(target)?;
            }
            None if !call.func_name.starts_with(char::is_alphabetic) => return Ok(()), // an operator
            None => {}
        }
        is_function(&call.func_name)
    }

    fn comprehension(&mut self, comprehension: &mut ComprehensionExpr) -> Result<(), String> {
        self.expression(&mut comprehension.iter_range)?;
        self.expression(&mut comprehension.accu_init)?;
        if comprehension.iter_var2.is_some() {
            return Err("a comprehension with two variables".to_owned());
        }
        let outside = self.names.len();
        self.names.extend([comprehension.iter_var.clone(), comprehension.accu_var.clone()]);
        for part in [&mut comprehension.loop_cond, &mut comprehension.loop_step, &mut comprehension.result] {
            self.expression(part)?;
        }
        self.names.truncate(outside);
        count(&mut comprehension.loop_cond);
        Ok(())
    }
}

/// Makes `condition` of a loop `@step() ? condition : false`.
fn count(condition: &mut IdedExpr) {
    let id = condition.id;
    let step = IdedExpr { id, expr: Expr::Call(call(STEP, Vec::new())) };
    let never = IdedExpr { id, expr: Expr::Literal(LiteralValue::Boolean(false.into())) };
    let args = vec![step, std::mem::take(condition), never];
    *condition = IdedExpr { id, expr: Expr::Call(call(operators::CONDITIONAL, args)) };
}

/// `a.b` as `a["b"]`.
fn as_index(select: SelectExpr) -> CallExpr {
    let field = Expr::Literal(LiteralValue::String(select.field.as_str().into()));
    let field = IdedExpr { id: select.operand.id, expr: field };
    call(operators::INDEX, vec![*select.operand, field])
}

fn call(name: &str, args: Vec<IdedExpr>) -> CallExpr {
    CallExpr { func_name: name.to_owned(), target: None, args }
}

/// Refuses the name of a function that is not there: the library keeps no list, but says so when such a one is called.
fn is_function(name: &str) -> Result<(), String> {
    let expression = IdedExpr { id: 0, expr: Expr::Call(call(name, Vec::new())) };
    match Value::resolve(&expression, &CONTEXT) {
        Err(ExecutionError::UndeclaredReference(_)) => Err(format!("undeclared reference to '{name}'")),
        _ => Ok(()),
    }
}

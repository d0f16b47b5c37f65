//! Reading the part of CEL that [`super::cel`] evaluates; everything else is refused with its text.

use serde_json::Value;

use super::{
    cel::{Comparison, Expr, TextTest},
    format,
};

/// Nesting beyond this is refused: a parser that recurses must know its limit.
const MAX_DEPTH: u32 = 40;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Literal(Value),
    Symbol(&'static str),
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 19] =
    ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", ",", ".", "?", ":", "-", "+"];

/// Parses `rule`.
///
/// # Errors
/// What in it is not supported or not CEL.
pub(super) fn parse(rule: &str) -> Result<Expr, String> {
    let mut tokens = tokenize(rule)?;
    tokens.reverse();
    let mut parser = Parser { rest: tokens, depth: 0 };
    let expression = parser.conditional()?;
    match parser.rest.last() {
        None => Ok(expression),
        Some(token) => Err(format!("unexpected {token:?}")),
    }
}

fn tokenize(rule: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = rule.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (token, after) = if first == '\'' || first == '"' {
            string_literal(rest, first)?
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !is_word(c) && c != '.').unwrap_or(rest.len());
            let (digits, after) = rest.split_at(end);
            let number: Value = serde_json::from_str(digits).map_err(|_| format!("the number {digits}"))?;
            (Token::Literal(number), after)
        } else if is_word(first) {
            let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
            (word_token(word), after)
        } else {
            let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
            let symbol = symbol.ok_or_else(|| format!("the character {first}"))?;
            (Token::Symbol(symbol), rest.strip_prefix(symbol).unwrap_or_default())
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn word_token(word: &str) -> Token {
    match word {
        "true" => Token::Literal(Value::Bool(true)),
        "false" => Token::Literal(Value::Bool(false)),
        "null" => Token::Literal(Value::Null),
        word => Token::Name(word.to_owned()),
    }
}

fn string_literal(text: &str, delimiter: char) -> Result<(Token, &str), String> {
    let mut value = String::new();
    let mut characters = text.chars();
    characters.next();
    while let Some(c) = characters.next() {
        match c {
            c if c == delimiter => return Ok((Token::Literal(Value::String(value)), characters.as_str())),
            '\\' => match characters.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(c @ ('\\' | '\'' | '"')) => value.push(c),
                other => return Err(format!("the escape {other:?}")),
            },
            c => value.push(c),
        }
    }
    Err("a string without an end".to_owned())
}

/// Tokens still to be read, the next one last.
struct Parser {
    rest: Vec<Token>,
    depth: u32,
}

impl Parser {
    fn take(&mut self, symbol: &'static str) -> bool {
        let found = self.rest.last() == Some(&Token::Symbol(symbol));
        if found {
            self.rest.pop();
        }
        found
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), String> {
        if self.take(symbol) { Ok(()) } else { Err(format!("expected {symbol}, found {:?}", self.rest.last())) }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.rest.pop() {
            Some(Token::Name(name)) => Ok(name),
            other => Err(format!("expected a name, found {other:?}")),
        }
    }

    fn conditional(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nesting deeper than {MAX_DEPTH}"));
        }
        let mut expression = self.or()?;
        if self.take("?") {
            let yes = self.or()?;
            self.expect(":")?;
            let no = self.conditional()?;
            expression = Expr::Conditional(Box::new(expression), Box::new(yes), Box::new(no));
        }
        self.depth -= 1;
        Ok(expression)
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut left = self.and()?;
        while self.take("||") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.relation()?;
        while self.take("&&") {
            left = Expr::And(Box::new(left), Box::new(self.relation()?));
        }
        Ok(left)
    }

    fn relation(&mut self) -> Result<Expr, String> {
        const COMPARISONS: [(&str, Comparison); 6] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let left = self.unary()?;
        if self.rest.last() == Some(&Token::Name("in".to_owned())) {
            self.rest.pop();
            return Ok(Expr::In(Box::new(left), Box::new(self.unary()?)));
        }
        for (symbol, comparison) in COMPARISONS {
            if self.take(symbol) {
                return Ok(Expr::Compare(comparison, Box::new(left), Box::new(self.unary()?)));
            }
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        let mut negated = false;
        while self.take("!") {
            negated = !negated;
        }
        let operand = if self.take("-") { self.negative()? } else { self.postfix()? };
        Ok(if negated { Expr::Not(Box::new(operand)) } else { operand })
    }

    fn negative(&mut self) -> Result<Expr, String> {
        match self.rest.pop() {
            Some(Token::Literal(Value::Number(number))) => {
                let negative: Option<Value> = serde_json::from_str(&format!("-{number}")).ok();
                negative.map(Expr::Literal).ok_or_else(|| format!("-{number}"))
            }
            other => Err(format!("arithmetic: - before {other:?}")),
        }
    }

    fn postfix(&mut self) -> Result<Expr, String> {
        let mut expression = self.primary()?;
        loop {
            if self.take(".") {
                let name = self.name()?;
                expression = if self.take("(") {
                    self.method(expression, &name)?
                } else {
                    Expr::Select(Box::new(expression), unescape(&name))
                };
            } else if self.take("[") {
                let index = self.conditional()?;
                self.expect("]")?;
                expression = Expr::Index(Box::new(expression), Box::new(index));
            } else {
                return Ok(expression);
            }
        }
    }

    fn method(&mut self, receiver: Expr, name: &str) -> Result<Expr, String> {
        if name == "size" {
            self.expect(")")?;
            return Ok(Expr::Size(Box::new(receiver)));
        }
        let test = match name {
            "startsWith" => Some(TextTest::StartsWith),
            "endsWith" => Some(TextTest::EndsWith),
            "contains" => Some(TextTest::Contains),
            "matches" => None,
            name => return Err(format!("the function {name}")),
        };
        let argument = self.conditional()?;
        self.expect(")")?;
        match (test, argument) {
            (Some(test), argument) => Ok(Expr::Text(test, Box::new(receiver), Box::new(argument))),
            (None, Expr::Literal(Value::String(pattern))) => {
                Ok(Expr::Matches(Box::new(receiver), format::compile(&pattern)?))
            }
            (None, _) => Err("matches() with a computed pattern".to_owned()),
        }
    }

    fn primary(&mut self) -> Result<Expr, String> {
        match self.rest.pop() {
            Some(Token::Literal(value)) => Ok(Expr::Literal(value)),
            Some(Token::Symbol("(")) => {
                let inner = self.conditional()?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Symbol("[")) => self.list(),
            Some(Token::Name(name)) => match name.as_str() {
                "self" => Ok(Expr::This),
                "oldSelf" => Ok(Expr::Old),
                "has" | "size" if self.take("(") => self.function(&name),
                name => Err(format!("the name {name}")),
            },
            other => Err(format!("expected a value, found {other:?}")),
        }
    }

    fn function(&mut self, name: &str) -> Result<Expr, String> {
        let argument = self.conditional()?;
        self.expect(")")?;
        match (name, argument) {
            ("size", argument) => Ok(Expr::Size(Box::new(argument))),
            (_, Expr::Select(object, key)) => Ok(Expr::Has(object, key)),
            (_, _) => Err("has() of anything but a field".to_owned()),
        }
    }

    fn list(&mut self) -> Result<Expr, String> {
        let mut items = Vec::new();
        while !self.take("]") {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.conditional()?);
        }
        Ok(Expr::List(items))
    }
}

/// Property names that CEL cannot spell are escaped in rules (Kubernetes: "Escaping of property names").
fn unescape(name: &str) -> String {
    const RESERVED: [&str; 21] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];
    if let Some(word) = name.strip_prefix("__").and_then(|name| name.strip_suffix("__"))
        && RESERVED.contains(&word)
    {
        return word.to_owned();
    }
    let name = name.replace("__dot__", ".").replace("__dash__", "-").replace("__slash__", "/");
    name.replace("__underscores__", "__")
}

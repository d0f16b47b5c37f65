//! The keywords `format` and `pattern`.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::error::FieldError;

/// A format that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 3339, as loosely as `k8s.io/kube-openapi/pkg/validation/strfmt` takes it; under either of its names.
    DateTime(&'static str),
    /// The date part of it.
    Date,
    /// A time span of Go, or numbers with units in words.
    Duration,
    /// A signed 32-bit integer.
    Int32,
    /// A signed 64-bit integer.
    Int64,
    /// A 32- or 64-bit float; every JSON number will do.
    Float(&'static str),
    /// Any string.
    Password,
}

/// The formats that a real server checks and this one does not.
const REFUSED: [&str; 21] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "k8sshortname",
];

impl Format {
    /// The format that `schema` names; a format that a real server ignores for this type is `None`.
    pub(super) fn parse(
        schema: &Value,
        kind: Option<&str>,
        path: &str,
        unsupported: &mut Vec<FieldError>,
    ) -> Option<Self> {
        let format = schema.get("format").and_then(Value::as_str)?;
        match (kind, format) {
            (Some("integer"), "int32") => Some(Self::Int32),
            (Some("integer"), "int64") => Some(Self::Int64),
            (Some("number"), "float") => Some(Self::Float("float")),
            (Some("number"), "double") => Some(Self::Float("double")),
            (None | Some("string"), format) => match format.replace('-', "").as_str() {
                "datetime" if format == "datetime" => Some(Self::DateTime("datetime")),
                "datetime" => Some(Self::DateTime("date-time")),
                "date" => Some(Self::Date),
                "duration" => Some(Self::Duration),
                "password" => Some(Self::Password),
                refused if REFUSED.contains(&refused) || refused == "k8slongname" => {
                    unsupported.push(FieldError::unsupported(path, &format!("the format {format}")));
                    None
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// As a schema writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DateTime(name) | Self::Float(name) => name,
            Self::Date => "date",
            Self::Duration => "duration",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Password => "password",
        }
    }

    /// Whether a string has this format; number formats do not speak of strings.
    pub(super) fn matches(self, text: &str) -> bool {
        match self {
            Self::DateTime(_) => is_date_time(text),
            Self::Date => is_date(text),
            Self::Duration => is_duration(text),
            Self::Int32 | Self::Int64 | Self::Float(_) | Self::Password => true,
        }
    }
}

/// What Go's `time.ParseDuration` takes; else it is enough that a number with a unit, as a word that begins like one, stands
/// anywhere in the text.
fn is_duration(text: &str) -> bool {
    static GO: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[+-]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$").ok());
    static IN_WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let units = "(ns|nano[A-Za-zµ]*|us|µs|micro[A-Za-zµ]*|ms|milli[A-Za-zµ]*|s|sec[A-Za-zµ]*|m|min[A-Za-zµ]*|h|hr|hour[A-Za-zµ]*|d|day[A-Za-zµ]*|w|wk|week[A-Za-zµ]*)";
        Regex::new(&format!(r"(?i)[0-9]+\s*{units}($|[^A-Za-zµ])")).ok()
    });
    [&*GO, &*IN_WORDS].into_iter().flatten().any(|regex| regex.is_match(text))
}

/// `YYYY-MM-DD`, a day that exists.
fn is_date(text: &str) -> bool {
    shaped(text, "dddd-dd-dd") && text.parse::<jiff::civil::Date>().is_ok()
}

/// Offsets are not limited to 14 hours, and any character may stand before the fraction: so does the real check.
fn is_date_time(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    let (Some(clock), Some(rest)) = (time.get(..8), time.get(8..)) else { return false };
    let in_range = |at: usize, max: &str| clock.get(at..at + 2).is_some_and(|digits| digits <= max);
    let clock_is_valid = shaped(clock, "dd:dd:dd") && in_range(0, "23") && in_range(3, "59") && in_range(6, "59");
    is_date(date) && clock_is_valid && is_fraction_and_zone(rest)
}

fn is_fraction_and_zone(rest: &str) -> bool {
    let fraction = match rest.strip_suffix('z') {
        Some(fraction) => fraction,
        None => {
            let Some((fraction, zone)) = rest.len().checked_sub(6).and_then(|at| rest.split_at_checked(at)) else {
                return false;
            };
            let digits = zone.strip_prefix(['+', '-']);
            if !digits.is_some_and(|digits| shaped(digits, "dd:dd")) {
                return false;
            }
            fraction
        }
    };
    let mut characters = fraction.chars();
    fraction.is_empty() || (characters.next().is_some() && is_digits(characters.as_str()))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` follows `shape`, in which `d` stands for a digit and the rest for itself.
fn shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, expected)| match expected {
            b'd' => byte.is_ascii_digit(),
            literal => byte == literal,
        })
}

/// A regular expression, searched for anywhere in a string (ECMA 262 in name, Go's RE2 in fact).
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) source: String,
    regex: Regex,
}

impl Pattern {
    /// The pattern that `schema` sets; one that cannot be compiled is reported.
    pub(super) fn parse(schema: &Value, path: &str, unsupported: &mut Vec<FieldError>) -> Option<Self> {
        let source = schema.get("pattern").and_then(Value::as_str).filter(|pattern| !pattern.is_empty())?;
        match compile(source) {
            Ok(regex) => Some(Self { source: source.to_owned(), regex }),
            Err(error) => {
                unsupported.push(FieldError::unsupported(path, &format!("the pattern {source}: {error}")));
                None
            }
        }
    }

    /// Whether `text` contains a match.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// Compiles a pattern with RE2's meaning of `\d`, `\w`, `\s` and `\b`: ASCII only.
pub(super) fn compile(source: &str) -> Result<Regex, String> {
    let mut translated = String::with_capacity(source.len());
    let mut in_class = false;
    let mut characters = source.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match (characters.next(), in_class) {
                (Some('d'), false) => translated.push_str("[0-9]"),
                (Some('d'), true) => translated.push_str("0-9"),
                (Some('D'), false) => translated.push_str("[^0-9]"),
                (Some('w'), false) => translated.push_str("[0-9A-Za-z_]"),
                (Some('w'), true) => translated.push_str("0-9A-Za-z_"),
                (Some('W'), false) => translated.push_str("[^0-9A-Za-z_]"),
                (Some('s'), false) => translated.push_str("[\\t\\n\\f\\r ]"),
                (Some('s'), true) => translated.push_str("\\t\\n\\f\\r "),
                (Some('S'), false) => translated.push_str("[^\\t\\n\\f\\r ]"),
                (Some('b'), false) => translated.push_str("(?-u:\\b)"),
                (Some(escaped), _) => translated.extend(['\\', escaped]),
                (None, _) => translated.push('\\'),
            },
            '[' if in_class && characters.as_str().starts_with(':') => return Err("a POSIX class".to_owned()),
            '[' if in_class => translated.push_str("\\["),
            c => {
                in_class = (in_class || c == '[') && c != ']';
                translated.push(c);
            }
        }
    }
    Regex::new(&translated).map_err(|error| error.to_string())
}

//! Conditions on labels, written as Alertmanager writes them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Memory of a compiled pattern at most, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Conditions that must all hold, such as `alertname=~"Watchdog|InfoInhibitor"` or `{team="db", severity!="critical"}`.
///
/// The operators are `=`, `!=`, `=~` and `!~`; a pattern must match the whole value, and an absent label has the empty
/// value, both as in Alertmanager.
#[derive(Clone, Debug)]
pub struct Matchers {
    text: String,
    all: Vec<Matcher>,
}

#[derive(Clone, Debug)]
struct Matcher {
    label: String,
    negated: bool,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Pattern(Regex),
}

impl Matchers {
    /// Whether all conditions hold for `labels`.
    pub fn match_all(&self, labels: &BTreeMap<String, String>) -> bool {
        self.all.iter().all(|matcher| matcher.holds(labels))
    }
}

impl Matcher {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let sent = labels.get(&self.label).map_or("", String::as_str);
        let matches = match &self.value {
            Value::Text(text) => sent == text,
            Value::Pattern(pattern) => pattern.is_match(sent),
        };
        matches != self.negated
    }
}

/// The text is no condition on labels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a valid matcher such as `severity=\"none\"` or `alertname=~\"Watchdog|InfoInhibitor\"`: {problem}"
)]
pub struct InvalidMatchers {
    text: String,
    problem: String,
}

impl FromStr for Matchers {
    type Err = InvalidMatchers;

    fn from_str(text: &str) -> Result<Self, InvalidMatchers> {
        let invalid = |problem: String| InvalidMatchers { text: text.to_owned(), problem };
        let trimmed = text.trim();
        let inner = trimmed.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(trimmed);
        let mut rest = inner.trim();
        let mut all = Vec::new();
        while !rest.is_empty() {
            let (matcher, after) = one(rest).map_err(invalid)?;
            all.push(matcher);
            rest = match after.trim_start() {
                "" => "",
                after => after.strip_prefix(',').ok_or_else(|| invalid("a comma is missing".to_owned()))?.trim_start(),
            };
        }
        // An empty list would hold for every alert.
        if all.is_empty() {
            return Err(invalid("it has no condition".to_owned()));
        }
        Ok(Self { text: text.to_owned(), all })
    }
}

/// The matcher at the beginning of `text`, and what follows it.
fn one(text: &str) -> Result<(Matcher, &str), String> {
    let end = text.find(['=', '!']).ok_or("an operator is missing: =, !=, =~ or !~")?;
    let (label, rest) = text.split_at(end);
    let label = label.trim().trim_matches('"').to_owned();
    if label.is_empty() {
        return Err("a label is missing".to_owned());
    }
    let operators = [("=~", false, true), ("!~", true, true), ("!=", true, false), ("=", false, false)];
    let operator = operators.iter().find_map(|&(sign, negated, pattern)| {
        rest.strip_prefix(sign).map(|rest| (negated, pattern, rest.trim_start()))
    });
    let (negated, pattern, rest) = operator.ok_or("an operator is missing: =, !=, =~ or !~")?;
    let (value, rest) = value(rest)?;
    let value = if pattern { Value::Pattern(compile(&value)?) } else { Value::Text(value) };
    Ok((Matcher { label, negated, value }, rest))
}

/// A value, quoted or up to the next comma.
fn value(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
        return Ok((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, quoted.get(at + 1..).unwrap_or_default())),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                // Kept, so that a pattern's own escapes need not be doubled.
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("a closing quote is missing".to_owned())
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let anchored = format!("^(?:{pattern})$");
    let built = regex::RegexBuilder::new(&anchored).size_limit(PATTERN_BYTES_MAX).dot_matches_new_line(true).build();
    built.map_err(|error| error.to_string().lines().last().unwrap_or_default().to_owned())
}

impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Matchers {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Serialize for Matchers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Matchers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[rstest]
    #[case(r#"severity="none""#, &[("severity", "none")], true)]
    #[case(r#"severity="none""#, &[("severity", "nonesuch")], false)]
    #[case(r#"severity=none"#, &[("severity", "none")], true)]
    #[case(r#"alertname=~"Watchdog|InfoInhibitor""#, &[("alertname", "InfoInhibitor")], true)]
    #[case(r#"alertname=~"Watchdog|InfoInhibitor""#, &[("alertname", "WatchdogDown")], false)]
    #[case(r#"team!="db""#, &[("team", "shop")], true)]
    #[case(r#"team!="db""#, &[("team", "db")], false)]
    #[case::an_absent_label_is_empty(r#"team!="db""#, &[], true)]
    #[case::an_absent_label_is_empty(r#"team="""#, &[], true)]
    #[case(r#"team!~"db|shop""#, &[("team", "db")], false)]
    #[case::all_must_hold(r#"{team="db", severity!="critical"}"#, &[("team", "db"), ("severity", "info")], true)]
    #[case::all_must_hold(r#"team="db",severity!="critical""#, &[("team", "db"), ("severity", "critical")], false)]
    #[case::escapes(r#"a="x\"y\\z\n""#, &[("a", "x\"y\\z\n")], true)]
    #[case::an_escape_of_the_pattern(r#"instance=~"10\.0\.0\.\d+:9100""#, &[("instance", "10.0.0.12:9100")], true)]
    #[case::a_comma_in_quotes(r#"a="x,y""#, &[("a", "x,y")], true)]
    #[case::a_name_of_any_characters(r#""k8s.team"="db""#, &[("k8s.team", "db")], true)]
    fn labels_match_as_in_alertmanager(#[case] text: &str, #[case] sent: &[(&str, &str)], #[case] matches: bool) {
        let matchers: Matchers = text.parse().unwrap();
        assert_eq!(matchers.match_all(&labels(sent)), matches);
        assert_eq!(matchers.to_string(), text);
    }

    #[rstest]
    #[case("", "no condition")]
    #[case("{}", "no condition")]
    #[case("severity", "operator")]
    #[case(r#"="none""#, "label")]
    #[case(r#"severity!"none""#, "operator")]
    #[case(r#"severity="none"#, "closing quote")]
    #[case(r#"a="b" c="d""#, "comma")]
    #[case(r#"a=~"(""#, "unclosed group")]
    #[case(r#"a=~"(a{1000}){1000}""#, "size limit")]
    fn what_is_no_matcher_is_refused_with_the_reason(#[case] text: &str, #[case] problem: &str) {
        let error = text.parse::<Matchers>().unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

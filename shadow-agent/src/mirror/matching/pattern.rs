//! What a value is compared with: a literal, or a regular expression.

use regex::bytes::{Regex, RegexBuilder};

use super::MatchError;

/// Longest regular expression in bytes. The API allows 1,024 for a path and 4,096 for a header value.
const MAX_EXPRESSION: usize = 4_096;
/// Largest compiled form of one expression in bytes; `[\w-]{1,64}` takes a few thousand.
const MAX_COMPILED: usize = 1 << 16;
/// Largest cache of one expression on one thread in bytes; a full one costs time, never an answer.
const MAX_CACHE: usize = 1 << 16;

/// One comparison.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// The same bytes.
    Exact(Box<str>),
    /// The whole value matches, as in Envoy, where `a.c` does not match `xabc`.
    Regex(Regex),
}

/// Two expressions are equal when they are written the same.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            (Self::Exact(_), Self::Regex(_)) | (Self::Regex(_), Self::Exact(_)) => false,
        }
    }
}

impl Pattern {
    /// A regular expression in the syntax of the `regex` crate, which is RE2's, nearly: no look-around, no
    /// back-references, time linear in the value. As there, `\w`, `\d` and `(?i)` are about ASCII; `.` is one byte,
    /// since a value need not be UTF-8.
    pub fn regex(expression: &str) -> Result<Self, MatchError> {
        // On its own first: a stray parenthesis must not undo the anchors.
        compile(expression)?;
        let whole = build(&format!(r"\A(?:{expression})\z"));
        Ok(Self::Regex(whole.map_err(|why| refused(expression, why))?))
    }

    /// Whether `value` matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(literal) => literal.as_bytes() == value,
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    /// Whether the values of several fields of one name match, joined as RFC 9110 section 5.3 has it.
    pub(super) fn matches_joined<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) -> bool {
        match (values.next(), values.next()) {
            (None, _) => false,
            (Some(only), None) => self.matches(only),
            (Some(first), Some(second)) => {
                let all: Vec<_> = [first, second].into_iter().chain(values).collect();
                self.matches(&all.join(&b","[..]))
            }
        }
    }
}

/// An expression of bounded size, which matches anywhere in a value; see [`Pattern::regex`] for its syntax.
pub(in crate::mirror) fn compile(expression: &str) -> Result<Regex, MatchError> {
    if expression.len() > MAX_EXPRESSION {
        let why = format!("longer than {MAX_EXPRESSION} bytes");
        return Err(refused(expression, why));
    }
    build(expression).map_err(|why| refused(expression, why))
}

fn build(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression)
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_CACHE)
        .build()
        .map_err(|error| last_line(&error.to_string()))
}

fn refused(expression: &str, why: String) -> MatchError {
    MatchError::Expression {
        expression: expression.chars().take(80).collect(),
        why,
    }
}

/// The parser draws the expression and a caret below it; the last line says what is wrong.
fn last_line(error: &str) -> String {
    let line = error.lines().last().unwrap_or(error).trim();
    line.trim_start_matches("error: ").to_owned()
}

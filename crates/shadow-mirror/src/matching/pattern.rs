//! The pattern that a value is compared with: a literal, or a regular expression.

use super::MatchError;
use crate::re2::Re2;

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// The same bytes.
    Exact(Box<str>),
    /// The whole value matches, as in Envoy, where `a.c` does not match `xabc`.
    Regex(Re2),
}

impl Pattern {
    /// A regular expression in the syntax of RE2, as in Envoy: no look-around, no back-references, time linear in the
    /// value.
    ///
    /// # Errors
    ///
    /// Where it is none, or too large.
    pub fn regex(expression: &str) -> Result<Self, MatchError> {
        Re2::whole(expression)
            .map(Self::Regex)
            .map_err(|why| MatchError::Expression {
                expression: expression.chars().take(80).collect(),
                why,
            })
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

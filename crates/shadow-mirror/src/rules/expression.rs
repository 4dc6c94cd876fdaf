//! The regular expressions of rules, which match anywhere in a value, and what is put in place of what they match.

use super::Invalid;
use crate::re2::{Re2, Replacement, TooLong};

/// Longest text that a rewrite makes, in bytes: as large as heads may reasonably be.
const MAX_REWRITTEN: usize = 256 << 10;
/// Longest replacement as typed, in bytes.
const MAX_REPLACEMENT: usize = 4096;

/// An expression that matches anywhere in a value, as `GoReplay`'s do: `^` and `$` anchor it. Its syntax is that of Go.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(Re2);

impl Expression {
    /// The expression that `text` is. Its size is bounded, and it takes time linear in the value.
    ///
    /// # Errors
    ///
    /// Where the text is no expression of Go's, or too large.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        Re2::new(text)
            .map(Self)
            .map_err(|why| Invalid(format!("invalid regular expression: {why}")))
    }

    /// Whether something in `value` matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        self.0.is_match(value)
    }
}

/// An expression, and what is put in place of everything that it matches in a value; see [`Replacement`].
#[derive(Clone, Debug, PartialEq)]
pub struct Rewrite {
    expression: Expression,
    replacement: Replacement,
}

impl Rewrite {
    /// Puts `replacement` in place of what `expression` matches.
    ///
    /// # Errors
    ///
    /// Where the text is no expression of Go's, or too large.
    pub fn new(expression: &str, replacement: &str) -> Result<Self, Invalid> {
        if replacement.len() > MAX_REPLACEMENT || replacement.bytes().any(|byte| byte < b' ' || byte == 0x7f)
        {
            return Err(Invalid(format!(
                "the replacement has a control character, or more than {MAX_REPLACEMENT} bytes"
            )));
        }
        let expression = Expression::new(expression)?;
        Ok(Self {
            replacement: Replacement::new(replacement, &expression.0),
            expression,
        })
    }

    /// Applies the expression to `value`; `None` where nothing in it matches.
    ///
    /// # Errors
    ///
    /// Where the new value would be longer than is allowed.
    pub fn apply(&self, value: &[u8]) -> Result<Option<Vec<u8>>, TooLong> {
        self.replacement
            .replace_all(&self.expression.0, value, MAX_REWRITTEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(expression: &str, replacement: &str, value: &str) -> Option<String> {
        let rewrite = Rewrite::new(expression, replacement).unwrap();
        let out = rewrite.apply(value.as_bytes()).unwrap();
        out.map(|out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn an_expression_matches_anywhere_unless_it_is_anchored() {
        let matches = |text: &str, value: &str| Expression::new(text).unwrap().matches(value.as_bytes());
        assert!(matches("api", "/v1/api/x"));
        assert!(!matches("^/api", "/v1/api/x"));
        assert!(matches("(?i)API$", "/v1/api"));
        assert!(matches("", "anything"));
        assert!(Expression::new("(").is_err());
        assert!(Expression::new(&"a".repeat(4097)).is_err());
    }

    #[test]
    fn every_match_is_replaced_and_none_is_told() {
        assert_eq!(
            rewritten("/v1/user/([^/]+)/ping", "/v2/user/$1/ping", "/v1/user/jo/ping?x"),
            Some("/v2/user/jo/ping?x".to_owned())
        );
        assert_eq!(rewritten("o", "0", "foo"), Some("f00".to_owned()));
        assert_eq!(rewritten("x", "0", "foo"), None);
        assert_eq!(rewritten("o", "", "foo"), Some("f".to_owned()));
    }

    #[test]
    fn what_a_rewrite_makes_is_bounded() {
        let doubling = Rewrite::new(".+", &"$0".repeat(2000)).unwrap();
        assert_eq!(doubling.apply(&[b'a'; 1000]), Err(TooLong));
        let growing = Rewrite::new("a", &"b".repeat(4000)).unwrap();
        assert_eq!(growing.apply(&[b'a'; 1000]), Err(TooLong));
        assert!(Rewrite::new("a", "b\r\nX: y").is_err());
        assert!(Rewrite::new("a", &"b".repeat(5000)).is_err());
    }
}

//! The regular expressions of rules, which match anywhere in a value, and what is put in place of what they match.

use regex::bytes::{Captures, Regex};

use super::Invalid;
use crate::mirror::matching;

/// Longest text that a rewrite makes, in bytes: as large as heads may reasonably be.
const MAX_REWRITTEN: usize = 256 << 10;
/// Longest replacement as typed, in bytes.
const MAX_REPLACEMENT: usize = 4096;

/// An expression that matches anywhere in a value, as `GoReplay`'s do: `^` and `$` anchor it.
///
/// The syntax is that of the `regex` crate, which is RE2's but for a few forms (`\Q...\E`, a literal `{`). `\w`, `\d` and
/// `(?i)` are about ASCII, and `.` is one byte, since a value need not be UTF-8.
#[derive(Clone, Debug)]
pub struct Expression(Regex);

/// Two expressions are equal when they are written the same.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Expression {
    /// The expression that `text` is. Its size is bounded, and it takes time linear in the value.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        matching::compile(text)
            .map(Self)
            .map_err(|error| Invalid(error.to_string()))
    }

    /// Whether something in `value` matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        self.0.is_match(value)
    }
}

/// An expression, and what is put in place of everything that it matches in a value.
///
/// In the replacement `$1`, `${1}`, `$name` and `${name}` stand for what a group matched, and `$$` for a dollar sign. As
/// in Go, a name is as long as it can be: `$1x` is the group called `1x`, which is empty when there is none; write `${1}x`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewrite {
    expression: Expression,
    replacement: Box<str>,
}

/// A rewrite would make more than a head can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Rewrite {
    /// Puts `replacement` in place of what `expression` matches.
    pub fn new(expression: &str, replacement: &str) -> Result<Self, Invalid> {
        if replacement.len() > MAX_REPLACEMENT || replacement.bytes().any(|byte| byte < b' ' || byte == 0x7f)
        {
            return Err(Invalid(format!(
                "the replacement has a control character, or more than {MAX_REPLACEMENT} bytes"
            )));
        }
        Ok(Self {
            expression: Expression::new(expression)?,
            replacement: replacement.into(),
        })
    }

    /// What `value` becomes; `None` where nothing in it matches.
    pub fn apply(&self, value: &[u8]) -> Result<Option<Vec<u8>>, TooLong> {
        let mut out = Vec::new();
        let mut copied = 0;
        let mut matched = false;
        for found in self.expression.0.captures_iter(value) {
            let Some(whole) = found.get(0) else { continue };
            matched = true;
            out.extend_from_slice(&value[copied..whole.start()]);
            if out.len() + self.longest(&found) > MAX_REWRITTEN {
                return Err(TooLong);
            }
            found.expand(self.replacement.as_bytes(), &mut out);
            copied = whole.end();
        }
        out.extend_from_slice(&value[copied..]);
        if out.len() > MAX_REWRITTEN {
            return Err(TooLong);
        }
        Ok(matched.then_some(out))
    }

    /// Most bytes that a replacement of `found` can have: no group is longer than the whole.
    fn longest(&self, found: &Captures<'_>) -> usize {
        let groups = self.replacement.bytes().filter(|byte| *byte == b'$').count();
        let whole = found.get(0).map_or(0, |whole| whole.len());
        self.replacement.len() + groups * whole
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
    fn groups_are_named_as_in_go() {
        assert_eq!(
            rewritten("/v1/user/([^/]+)/ping", "/v2/user/$1/ping", "/v1/user/jo/ping?x"),
            Some("/v2/user/jo/ping?x".to_owned())
        );
        assert_eq!(rewritten("a(b)", "${1}x", "-ab-"), Some("-bx-".to_owned()));
        assert_eq!(
            rewritten("a(b)", "$1x", "-ab-"),
            Some("--".to_owned()),
            "the group 1x"
        );
        assert_eq!(rewritten("a(?P<n>b)", "$n$$", "ab"), Some("b$".to_owned()));
    }

    #[test]
    fn every_match_is_replaced_and_none_is_told() {
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

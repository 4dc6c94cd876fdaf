//! Replacement of what an expression matches, as Go's `Regexp.ReplaceAll` has it.
//!
//! `$1`, `${1}`, `$name` and `${name}` stand for what a group matched, and `$$` for a dollar sign. A name is as long as it
//! can be: `$1x` is the group called `1x`, which is empty when there is none. A dollar sign before anything else is one.

use super::text::Text;
use super::{Groups, Re2};

/// A replacement for the matches of one expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Replacement(Box<[Part]>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(Box<str>),
    /// The first of these groups that took part.
    Groups(Box<[usize]>),
}

/// More would come of it than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Replacement {
    /// Reads `template` for the groups of `expression`.
    pub fn new(template: &str, expression: &Re2) -> Self {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('$') {
            text.push_str(before);
            rest = behind;
            if let Some(behind) = rest.strip_prefix('$') {
                text.push('$');
                rest = behind;
            } else if let Some((name, behind)) = name(rest) {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text).into()));
                }
                // What is not there stands for nothing.
                let groups = number(name).map_or_else(|| expression.groups(name), |number| vec![number]);
                parts.push(Part::Groups(groups.into()));
                rest = behind;
            } else {
                text.push('$');
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text.into()));
        }
        Self(parts.into())
    }

    /// `value` with this in place of everything that `expression` matches; `None` where nothing does.
    pub fn replace_all(
        &self,
        expression: &Re2,
        value: &[u8],
        max_len: usize,
    ) -> Result<Option<Vec<u8>>, TooLong> {
        let text = Text::of(value);
        let mut out = Vec::new();
        let mut copied = 0;
        let mut matched = false;
        for captures in expression.regex.captures_iter(text.as_str()) {
            let whole = text.bytes(captures.get_match().range());
            matched = true;
            push(&mut out, &value[copied..whole.start], max_len)?;
            copied = whole.end;
            let groups = Groups {
                value,
                text: &text,
                captures,
            };
            for part in &self.0 {
                match part {
                    Part::Text(text) => push(&mut out, text.as_bytes(), max_len)?,
                    Part::Groups(numbers) => push(&mut out, groups.first(numbers), max_len)?,
                }
            }
        }
        push(&mut out, &value[copied..], max_len)?;
        Ok(matched.then_some(out))
    }
}

fn push(out: &mut Vec<u8>, bytes: &[u8], max_len: usize) -> Result<(), TooLong> {
    if out.len() + bytes.len() > max_len {
        return Err(TooLong);
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// The name behind a dollar sign, and what is behind that.
fn name(text: &str) -> Option<(&str, &str)> {
    let (text, in_braces) = match text.strip_prefix('{') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (name, behind) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    if in_braces {
        return Some((name, behind.strip_prefix('}')?));
    }
    Some((name, behind))
}

/// A group's number. As in Go none that begins with 0, but for that of the whole match.
fn number(name: &str) -> Option<usize> {
    let plain = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    plain.then(|| name.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(expression: &str, template: &str, value: &str) -> Option<String> {
        let expression = Re2::new(expression).unwrap();
        let replacement = Replacement::new(template, &expression);
        let out = replacement
            .replace_all(&expression, value.as_bytes(), 1000)
            .unwrap();
        out.map(|out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_replacement_is_what_go_makes_of_it() {
        // Checked with Go 1.27: regexp.MustCompile(expression).ReplaceAllString(value, template).
        for (expression, template, value, expected) in [
            ("(a)(b)?", "[$1|$2]", "ab a", "[a|b] [a|]"),
            ("(a)", "$1x", "a", ""),
            ("(a)", "${1}x", "a", "ax"),
            ("(a)", "$01-$0-$2-$10", "a", "-a--"),
            ("(?P<n>x)(?<m>y)", "$m$n", "xy", "yx"),
            ("(?P<1x>a)", "$1x$1x", "a", "aa"),
            ("(a)", "$ $- ${ ${1 $$1 ${} $", "a", "$ $- ${ ${1 $1 ${} $"),
            ("x*", "-", "\u{e4}xb", "-\u{e4}-b-"),
            ("(|a)", "-", "aa", "-a-a-"),
            ("(?i)\u{c4}", "$\u{e4}.", "x\u{e4}x", "x.x"),
            ("b", "$0$0", "abc", "abbc"),
            ("(?P<n>a)|(?P<n>b)", "<$n>", "abc", "<a><b>c"),
        ] {
            assert_eq!(
                replaced(expression, template, value).as_deref(),
                Some(expected),
                "{expression} {template}"
            );
        }
        assert_eq!(replaced("x", "-", "abc"), None);
    }

    #[test]
    fn bytes_that_are_no_characters_are_kept() {
        let expression = Re2::new("b(.)").unwrap();
        let replacement = Replacement::new("<$1>", &expression);
        assert_eq!(
            replacement.replace_all(&expression, b"\xff\xfeb\xe4c\xff", 100),
            Ok(Some(b"\xff\xfe<\xe4>c\xff".to_vec()))
        );
    }

    #[test]
    fn what_comes_of_it_is_bounded() {
        let expression = Re2::new("a").unwrap();
        let replacement = Replacement::new("$0$0", &expression);
        assert_eq!(replacement.replace_all(&expression, b"aaaa", 7), Err(TooLong));
        assert_eq!(
            replacement.replace_all(&expression, b"baaa", 7),
            Ok(Some(b"baaaaaa".to_vec()))
        );
    }
}

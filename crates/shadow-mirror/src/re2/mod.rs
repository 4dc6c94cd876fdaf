//! Regular expressions as RE2 and Go's `regexp` have them, so that what worked in GoReplay and in a mesh's routes means the
//! same here: an expression is translated ([`parse`]) to the syntax of the `regex` crate, whose engine takes time linear in
//! the value, too.
//!
//! A value need not be UTF-8: as in Go each byte that is not part of a character counts as U+FFFD ([`text`]).

mod class;
mod parse;
mod replacement;
mod scanner;
#[cfg(test)]
mod table;
mod text;

use regex::{Captures, Regex, RegexBuilder};

pub use self::replacement::{Replacement, TooLong};
use self::text::Text;

/// Longest expression in bytes. Gateway API allows 1,024 for a path and 4,096 for a header value.
const MAX_EXPRESSION: usize = 4_096;
/// The cost that one expression may have.
struct Bounds {
    /// Largest compiled form in bytes.
    compiled: usize,
    /// Largest cache on one thread in bytes; a full one costs time, never an answer.
    cache: usize,
}

/// Those of rules, which whoever runs the agent writes: `\pL{1,64}` takes two thirds of it, `[\w-]{1,64}` nine thousand bytes.
const OF_RULES: Bounds = Bounds {
    compiled: 4 << 20,
    cache: 1 << 18,
};
/// Those of routes, of which a cluster has many, written by others: `[^/]{1,250}` takes all of it.
const OF_ROUTES: Bounds = Bounds {
    compiled: 1 << 18,
    cache: 1 << 16,
};
/// Deepest nesting of the translation, whose groups are the expression's and one for each repetition.
const MAX_NESTING: u32 = 4 * parse::MAX_DEPTH;

/// An expression. Two are equal when they are written the same.
#[derive(Clone, Debug)]
pub struct Re2 {
    source: Box<str>,
    regex: Regex,
    /// The name of each group that has one, by number from 1.
    names: Box<[Option<Box<str>>]>,
}

impl PartialEq for Re2 {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Re2 {
    /// An expression of a rule, which matches anywhere in a value; or what is wrong with it.
    pub fn new(source: &str) -> Result<Self, String> {
        Self::translated(source, &OF_RULES, |translated| translated)
    }

    /// One of a route, which matches a value as a whole.
    pub fn whole(source: &str) -> Result<Self, String> {
        Self::translated(source, &OF_ROUTES, |translated| format!(r"\A(?:{translated})\z"))
    }

    fn translated(
        source: &str,
        bounds: &Bounds,
        anchored: impl FnOnce(String) -> String,
    ) -> Result<Self, String> {
        if source.len() > MAX_EXPRESSION {
            return Err(format!("longer than {MAX_EXPRESSION} bytes"));
        }
        let parsed = parse::parse(source)?;
        let regex = RegexBuilder::new(&anchored(parsed.regex))
            .size_limit(bounds.compiled)
            .dfa_size_limit(bounds.cache)
            .nest_limit(MAX_NESTING)
            .build()
            .map_err(|error| last_line(&error.to_string()))?;
        Ok(Self {
            source: source.into(),
            regex,
            names: parsed.names.into(),
        })
    }

    /// Whether it matches.
    pub fn is_match(&self, value: &[u8]) -> bool {
        self.regex.is_match(Text::of(value).as_str())
    }

    /// The first match in a value.
    #[cfg(test)]
    fn find<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        let text = Text::of(value);
        let found = self.regex.find(text.as_str())?;
        Some(&value[text.bytes(found.range())])
    }

    /// The numbers of the groups of a name: as in Go there may be several.
    fn groups(&self, name: &str) -> Vec<usize> {
        let names = self.names.iter().zip(1..);
        names
            .filter(|(of, _)| of.as_deref() == Some(name))
            .map(|(_, number)| number)
            .collect()
    }
}

/// A match and its groups in the bytes of a value.
struct Groups<'a> {
    value: &'a [u8],
    text: &'a Text<'a>,
    captures: Captures<'a>,
}

impl<'a> Groups<'a> {
    /// The text of the first of these groups that took part; nothing where none did.
    fn first(&self, groups: &[usize]) -> &'a [u8] {
        let found = groups.iter().find_map(|group| self.captures.get(*group));
        found.map_or(b"", |found| &self.value[self.text.bytes(found.range())])
    }
}

/// The parser draws the expression and a caret below it; the last line says what is wrong.
fn last_line(error: &str) -> String {
    let line = error.lines().last().unwrap_or(error).trim();
    line.trim_start_matches("error: ").to_owned()
}

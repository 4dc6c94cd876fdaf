//! Strings and numbers of a JSON text where they stand in it, as far as it is JSON.

use std::borrow::Cow;
use std::ops::Range;

use super::number;
use super::read::{MAX_DEPTH, Reader, Reading};

/// A string or a number that is no name.
#[derive(Debug)]
pub(in crate::compare) struct Leaf<'a> {
    /// Where it is.
    pub place: Range<usize>,
    /// The name of the member that it is, or is in by way of arrays alone; empty at the top.
    pub name: &'a str,
    /// Whether one of the members that it is in has a name that was asked for.
    pub wanted: bool,
    /// What it is.
    pub value: Scalar<'a>,
}

/// What a leaf is.
#[derive(Debug)]
pub(in crate::compare) enum Scalar<'a> {
    /// What a string says.
    String(Cow<'a, str>),
    /// A number, as it is written.
    Number(&'a str),
}

impl Scalar<'_> {
    /// Bytes that are the same for values that are compared as equal: of a string what it says, of a number what it is worth.
    pub fn worth(&self) -> Cow<'_, [u8]> {
        match self {
            Self::String(text) => Cow::Borrowed(text.as_bytes()),
            Self::Number(text) => {
                let mut worth = Vec::new();
                number::canonical(text, &mut worth);
                Cow::Owned(worth)
            }
        }
    }
}

/// Shows `found` each leaf of the values that `text` is, one behind the other. `wanted` is asked about names. Gives how many
/// bytes are understood; behind them stands what is no JSON, or too deep, and no leaf from before it reaches into that.
pub(in crate::compare) fn leaves(
    text: &str,
    wanted: impl Fn(&str) -> bool,
    found: impl FnMut(&Leaf<'_>),
) -> usize {
    let reader = Reader::default();
    let mut walk = Walk {
        reading: reader.reading(text),
        wanted,
        found,
        understood: 0,
    };
    loop {
        walk.reading.space();
        walk.understood = walk.reading.at;
        if walk.understood == text.len() || walk.value("", false, 0).is_none() {
            return walk.understood;
        }
    }
}

struct Walk<'a, 'k, W, F> {
    reading: Reading<'a, 'k>,
    wanted: W,
    found: F,
    /// Behind the last name or value that was read whole.
    understood: usize,
}

impl<W: Fn(&str) -> bool, F: FnMut(&Leaf<'_>)> Walk<'_, '_, W, F> {
    fn value(&mut self, name: &str, wanted: bool, depth: usize) -> Option<()> {
        self.reading.space();
        let from = self.reading.at;
        let value = match self.reading.peek()? {
            b'{' | b'[' if depth == MAX_DEPTH => return None,
            b'{' => return self.object(wanted, depth),
            b'[' => return self.array(name, wanted, depth),
            b'"' => Scalar::String(self.reading.string()?),
            b'-' | b'0'..=b'9' => Scalar::Number(self.reading.number()?),
            _ => {
                let words = ["true", "false", "null"];
                words.iter().find_map(|word| self.reading.word(word, ()))?;
                self.understood = self.reading.at;
                return Some(());
            }
        };
        self.understood = self.reading.at;
        (self.found)(&Leaf {
            place: from..self.reading.at,
            name,
            wanted,
            value,
        });
        Some(())
    }

    fn array(&mut self, name: &str, wanted: bool, depth: usize) -> Option<()> {
        self.reading.at += 1;
        self.reading.space();
        if self.reading.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(name, wanted, depth + 1)?;
            self.reading.space();
            match self.reading.peek()? {
                b',' => self.reading.at += 1,
                b']' => return self.reading.take(b']'),
                _ => return None,
            }
        }
    }

    fn object(&mut self, wanted: bool, depth: usize) -> Option<()> {
        self.reading.at += 1;
        if self.reading.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.reading.space();
            if self.reading.peek()? != b'"' {
                return None;
            }
            let name = self.reading.string()?;
            self.understood = self.reading.at;
            self.reading.take(b':')?;
            let within = wanted || (self.wanted)(&name);
            self.value(&name, within, depth + 1)?;
            self.reading.space();
            match self.reading.peek()? {
                b',' => self.reading.at += 1,
                b'}' => return self.reading.take(b'}'),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> (Vec<String>, &str) {
        let mut all = Vec::new();
        let understood = leaves(
            text,
            |name| name == "a",
            |leaf| {
                let mark = if leaf.wanted { "!" } else { "" };
                all.push(format!("{mark}{}={}", leaf.name, &text[leaf.place.clone()]));
            },
        );
        (all, &text[understood..])
    }

    #[test]
    fn strings_and_numbers_are_found_where_they_stand() {
        assert_eq!(
            found(r#" {"b": [1.50, "x", null], "\u0061": {"c": ["\n", true]}, "d": "y"} 7 "z""#),
            (
                ["b=1.50", "b=\"x\"", "!c=\"\\n\"", "d=\"y\"", "=7", "=\"z\""]
                    .map(str::to_owned)
                    .to_vec(),
                ""
            )
        );
        assert_eq!(found(""), (vec![], ""));
    }

    #[test]
    fn what_stands_behind_the_last_whole_part_is_told() {
        for (text, rest) in [
            (r#"{"a":1,"b":"cut"#, r#":"cut"#),
            (r#"{"a":1"#, ""),
            (r#"{"a""#, ""),
            (r#"{"a" "b"}"#, r#" "b"}"#),
            (r#"{"a":b}"#, ":b}"),
            (r#"{"a":1}}"#, "}"),
            ("[1,2,'a']", ",'a']"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(found(text).1, rest, "{text}");
        }
        let deep = "[".repeat(1_000_000);
        assert!(found(&deep).1.len() > 999_000);
    }

    proptest! {
        #[test]
        fn what_is_read_whole_is_understood_whole(text in "[\\[\\]{}\":,a0-9eE.+\\\\ u\\-tfn]{0,16}|\\PC{0,12}") {
            let (_, rest) = found(&text);
            let reader = Reader::default();
            // What is cut off behind a name or a value is understood, too, as far as it goes.
            if reader.read(&text).is_some() || reader.read_lines(&text).is_some() {
                prop_assert_eq!(rest, "");
            }
        }
    }
}

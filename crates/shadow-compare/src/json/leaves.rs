//! Strings and numbers of a JSON text where they stand in it, as far as it is JSON.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::number;
use super::read::{MAX_DEPTH, Reader, Reading};

/// A string or a number that is no name.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    /// Where it is.
    pub place: Range<usize>,
    /// The name of the member that it is, or is in by way of arrays alone; empty at the top.
    pub name: &'a str,
    /// Whether one of the members that it is in has a name that was asked for, or is the value of a pair that was.
    pub wanted: bool,
    /// Its value.
    pub value: Scalar<'a>,
}

/// The value of a leaf.
#[derive(Debug)]
pub(crate) enum Scalar<'a> {
    /// The text of a string.
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

/// A choice of leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeafChoice {
    /// Members by their names.
    pub member: fn(&str) -> bool,
    /// Pairs, such as `{"name": "password", "value": "..."}`, by the name and the text of the member that names them.
    pub pair: fn(&str, &str) -> bool,
    /// Whether a member called so holds the value of a pair.
    pub value: fn(&str) -> bool,
}

/// Shows `found` each leaf of the values that `text` is, one behind the other. Gives how many bytes are understood; behind them
/// stands what is no JSON, or too deep, and no leaf from before it reaches into that.
pub(crate) fn leaves(text: &str, wanted: LeafChoice, found: impl FnMut(&Leaf<'_>)) -> usize {
    let reader = Reader::default();
    let mut first = Walk {
        reading: reader.reading(text),
        wanted,
        found: |_: &Leaf<'_>| {},
        understood: 0,
        pairs: HashSet::new(),
        looks_for_pairs: true,
    };
    // What a pair is called may stand behind its value.
    first.all(text);
    let mut walk = Walk {
        reading: reader.reading(text),
        wanted,
        found,
        understood: 0,
        pairs: first.pairs,
        looks_for_pairs: false,
    };
    walk.all(text)
}

struct Walk<'a, 'k, F> {
    reading: Reading<'a, 'k>,
    wanted: LeafChoice,
    found: F,
    /// Behind the last name or value that was read whole.
    understood: usize,
    /// Where objects begin that are pairs that were asked for.
    pairs: HashSet<usize>,
    looks_for_pairs: bool,
}

impl<F: FnMut(&Leaf<'_>)> Walk<'_, '_, F> {
    fn all(&mut self, text: &str) -> usize {
        loop {
            self.reading.space();
            self.understood = self.reading.at;
            if self.understood == text.len() || self.value("", false, 0).is_none() {
                return self.understood;
            }
        }
    }

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
        let start = self.reading.at;
        let is_pair = self.pairs.contains(&start);
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
            if self.looks_for_pairs {
                self.look_for_pair(start, &name);
            }
            let within = wanted || (self.wanted.member)(&name) || is_pair && (self.wanted.value)(&name);
            self.value(&name, within, depth + 1)?;
            self.reading.space();
            match self.reading.peek()? {
                b',' => self.reading.at += 1,
                b'}' => return self.reading.take(b'}'),
                _ => return None,
            }
        }
    }

    /// Looks whether the member called `name`, whose value comes next, makes a pair of the object that begins at `start`.
    fn look_for_pair(&mut self, start: usize, name: &str) {
        self.reading.space();
        let at = self.reading.at;
        if self.reading.peek() == Some(b'"')
            && let Some(text) = self.reading.string()
            && (self.wanted.pair)(name, &text)
        {
            self.pairs.insert(start);
        }
        self.reading.at = at;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: LeafChoice = LeafChoice {
        member: |name| name == "a",
        pair: |name, text| name == "name" && text == "a",
        value: |name| name == "value",
    };

    fn found(text: &str) -> (Vec<String>, &str) {
        let mut all = Vec::new();
        let understood = leaves(text, A, |leaf| {
            let mark = if leaf.wanted { "!" } else { "" };
            all.push(format!("{mark}{}={}", leaf.name, &text[leaf.place.clone()]));
        });
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
    fn a_value_beside_its_name_is_found_in_either_order() {
        assert_eq!(
            found(r#"[{"name":"a","value":{"b":1}},{"value":"x","name":"\u0061"},{"name":"b","value":2},{"value":3}]"#).0,
            [
                r#"name="a""#,
                "!b=1",
                r#"!value="x""#,
                r#"name="\u0061""#,
                r#"name="b""#,
                "value=2",
                "value=3"
            ]
        );
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

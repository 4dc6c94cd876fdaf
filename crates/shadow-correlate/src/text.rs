//! Texts for people that are the same but for identifiers in them: `Group with ID "10" was not found`.
//!
//! A word that looks random is looked up by itself. A number means a record only where the record's name stands shortly before it, in
//! the same text: 10 seats are not the group 10.

use std::ops::Range;

use crate::key::Scope;
use crate::map::Map;
use crate::shape::RecordName;

/// Longest text that is looked into, in bytes: a paragraph.
const MAX_TEXT: usize = 4096;
/// How many words before a number may be the record's name: `group with ID 10`, `order no. 10`.
const WORDS_BEFORE: usize = 3;

impl Map {
    /// Whether two texts are the same but for identifiers in them, and there are some.
    pub(crate) fn is_same_text(&self, production: &[u8], own: &[u8]) -> bool {
        if production.len() > MAX_TEXT || own.len() > MAX_TEXT {
            return false;
        }
        let (left, right) = (words(production), words(own));
        if left.len() != right.len() || around(production, &left) != around(own, &right) {
            return false;
        }
        let same = |at: usize| {
            let (value, other) = (&production[left[at].clone()], &own[right[at].clone()]);
            value == other
                || self.is_pair(Scope::Anywhere, value, other)
                || left[at.saturating_sub(WORDS_BEFORE)..at].iter().any(|name| {
                    RecordName::of_collection(&production[name.clone()])
                        .is_some_and(|record| self.is_pair(Scope::Record(&record), value, other))
                })
        };
        (0..left.len()).all(same)
    }
}

fn words(text: &[u8]) -> Vec<Range<usize>> {
    let is_in_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || !byte.is_ascii();
    let mut words = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].iter().take_while(|byte| is_in_word(**byte)).count();
        if length > 0 {
            words.push(within_quotes(text, at..at + length));
        }
        at += length.max(1);
    }
    words
}

/// A word without what is not ASCII around it: typographic quotation marks.
fn within_quotes(text: &[u8], word: Range<usize>) -> Range<usize> {
    let is_plain = |byte: &u8| byte.is_ascii();
    let Some(first) = text[word.clone()].iter().position(is_plain) else {
        return word;
    };
    let last = text[word.clone()].iter().rposition(is_plain).unwrap_or(first);
    word.start + first..word.start + last + 1
}

/// The bytes between the words.
fn around<'t>(text: &'t [u8], words: &[Range<usize>]) -> Vec<&'t [u8]> {
    let mut at = 0;
    let mut parts: Vec<&[u8]> = Vec::with_capacity(words.len() + 1);
    for word in words {
        parts.push(&text[at..word.start]);
        at = word.end;
    }
    parts.push(&text[at..]);
    parts
}

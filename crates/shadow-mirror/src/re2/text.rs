//! A value as text: where it is no UTF-8, each byte that is not part of a character counts as U+FFFD.

use std::borrow::Cow;
use std::ops::Range;

/// How much longer a byte is in the text than in the value.
const GROWTH: usize = char::REPLACEMENT_CHARACTER.len_utf8() - 1;

/// A value as text, with U+FFFD for each invalid byte.
pub struct Text<'a> {
    text: Cow<'a, str>,
    /// Where in the text the bytes stand that are no characters.
    replaced: Vec<usize>,
}

impl<'a> Text<'a> {
    pub fn of(value: &'a [u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(value) {
            return Self {
                text: text.into(),
                replaced: Vec::new(),
            };
        }
        let mut text = String::with_capacity(value.len());
        let mut replaced = Vec::new();
        for chunk in value.utf8_chunks() {
            text.push_str(chunk.valid());
            for _ in chunk.invalid() {
                replaced.push(text.len());
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Self {
            text: text.into(),
            replaced,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where in the value a part of the text stands.
    pub fn bytes(&self, range: Range<usize>) -> Range<usize> {
        self.byte(range.start)..self.byte(range.end)
    }

    fn byte(&self, at: usize) -> usize {
        at - GROWTH * self.replaced.partition_point(|replaced| *replaced < at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_that_is_no_character_counts_as_one() {
        let value = b"a\xc3\xa4\xff\xe4\xb8z\xf0";
        let text = Text::of(value);
        assert_eq!(text.as_str(), "a\u{e4}\u{fffd}\u{fffd}\u{fffd}z\u{fffd}");
        // Each character in turn, and the bytes that it stands for.
        let ranges = text
            .as_str()
            .char_indices()
            .map(|(at, char)| at..at + char.len_utf8());
        let bytes: Vec<&[u8]> = ranges.map(|range| &value[text.bytes(range)]).collect();
        assert_eq!(
            bytes,
            [&b"a"[..], b"\xc3\xa4", b"\xff", b"\xe4", b"\xb8", b"z", b"\xf0"]
        );
    }
}

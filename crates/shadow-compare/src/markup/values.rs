//! Where values stand in a page or an XML document, as it is written: for whoever replaces them and keeps the places of what
//! differs.
//!
//! What is not understood is a value as well: the end of a text that breaks off within a tag, a name that is none.

use std::ops::Range;

use super::super::secrets;
use super::Language;
use super::selector::{is_told, is_written};

/// The kind of a value that stands in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, or the value of an attribute.
    Text,
    /// Lines of a script or of a style sheet, JSON maybe.
    Code,
}

/// Elements whose content is no elements (HTML section 13.1.2).
const RAW: [&str; 8] = [
    "iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp",
];

/// Shows `found` each value, in order and apart.
pub fn values(language: Language, text: &str, mut found: impl FnMut(Value, Range<usize>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let tag = memchr::memchr(b'<', &bytes[at..]).map_or(bytes.len(), |tag| at + tag);
        if tag > at {
            found(Value::Text, at..tag);
        }
        if tag == bytes.len() {
            return;
        }
        at = match bytes.get(tag + 1) {
            Some(b'!' | b'?') => declaration(text, tag, &mut found),
            Some(b'/' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':') => match element(text, tag, &mut found) {
                Some((end, name)) if language == Language::Html => raw(text, end, name, &mut found),
                Some((end, _)) => end,
                None => bytes.len(),
            },
            // No tag: all of it is text, up to the next.
            _ => {
                let end = memchr::memchr(b'<', &bytes[tag + 1..]).map_or(bytes.len(), |next| tag + 1 + next);
                found(Value::Text, tag + 1..end);
                end
            }
        };
    }
}

/// A comment, a document type, CDATA or an instruction, which begins at `tag`: where it ends.
fn declaration(text: &str, tag: usize, found: &mut impl FnMut(Value, Range<usize>)) -> usize {
    let rest = &text[tag..];
    let (front, back) = if rest.starts_with("<!--") {
        ("<!--", "-->")
    } else if rest.starts_with("<![CDATA[") {
        ("<![CDATA[", "]]>")
    } else {
        (&rest[..2], ">")
    };
    let from = tag + front.len();
    let Some(length) = text[from..].find(back) else {
        found(Value::Text, from..text.len());
        return text.len();
    };
    let said = &text[from..from + length];
    let begins = |with: &str| {
        said.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let is_known = back == ">"
        && (begins("doctype html") || begins("xml version"))
        && !secrets::has_word(said.as_bytes());
    if !is_known {
        found(Value::Text, from..from + length);
    }
    from + length + back.len()
}

/// A tag that begins at `tag`: where it ends, and the name of what it opens. `None` where it does not end.
fn element<'t>(
    text: &'t str,
    tag: usize,
    found: &mut impl FnMut(Value, Range<usize>),
) -> Option<(usize, &'t str)> {
    let bytes = text.as_bytes();
    let is_end = bytes[tag + 1] == b'/';
    let from = tag + 1 + usize::from(is_end);
    let mut values = Vec::new();
    let run = |from: usize, ends: &[u8]| {
        let length = bytes[from..]
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || ends.contains(byte));
        length.map(|length| from + length)
    };
    let end_of_all = |found: &mut dyn FnMut(Value, Range<usize>)| found(Value::Text, from..text.len());
    let Some(mut at) = run(from, b"/>") else {
        end_of_all(found);
        return None;
    };
    let name = &text[from..at];
    if !is_written(name) {
        values.push(from..at);
    }
    loop {
        at += bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace() || **byte == b'/')
            .count();
        match bytes.get(at) {
            None => {
                end_of_all(found);
                return None;
            }
            Some(b'>') => break,
            Some(_) => {}
        }
        // A name may begin with what ends one.
        let Some(end) = run(at + 1, b"/>=").filter(|end| text.is_char_boundary(*end)) else {
            end_of_all(found);
            return None;
        };
        let attribute = &text[at..end];
        if !is_written(attribute) {
            values.push(at..end);
        }
        at = end
            + bytes[end..]
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count();
        if bytes.get(at) != Some(&b'=') {
            continue;
        }
        at += 1;
        at += bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let value = match bytes.get(at).copied() {
            Some(quote @ (b'"' | b'\'')) => {
                let end = memchr::memchr(quote, &bytes[at + 1..]).map(|length| at + 1 + length);
                end.map(|end| (at + 1..end, end + 1))
            }
            Some(_) => run(at, b">").map(|end| (at..end, end)),
            None => None,
        };
        let Some((value, behind)) = value else {
            end_of_all(found);
            return None;
        };
        words(text, attribute, value, &mut values);
        at = behind;
    }
    for value in values {
        found(Value::Text, value);
    }
    Some((at + 1, if is_end { "" } else { name }))
}

/// The value of an attribute, but for those words of it by which places are named.
fn words(text: &str, attribute: &str, value: Range<usize>, values: &mut Vec<Range<usize>>) {
    let attribute = attribute.to_ascii_lowercase();
    let is_naming = |word: &str| is_told(&attribute, word);
    let said = &text[value.clone()];
    if !said.split_ascii_whitespace().any(is_naming) {
        if !said.is_empty() {
            values.push(value);
        }
        return;
    }
    let mut at = 0;
    for word in said.split(|c: char| c.is_ascii_whitespace()) {
        if !word.is_empty() && !is_naming(word) {
            values.push(value.start + at..value.start + at + word.len());
        }
        at += word.len() + 1;
    }
}

/// Reads what stands in an element called `name`, from `from` on, where that is no elements: where it ends.
fn raw(text: &str, from: usize, name: &str, found: &mut impl FnMut(Value, Range<usize>)) -> usize {
    let Some(name) = RAW.iter().find(|raw| raw.eq_ignore_ascii_case(name)) else {
        return from;
    };
    let bytes = text.as_bytes();
    let ends = |at: &usize| {
        let behind = bytes.get(at + 2..at + 2 + name.len());
        behind.is_some_and(|behind| behind.eq_ignore_ascii_case(name.as_bytes()))
    };
    let end = memchr::memmem::find_iter(&bytes[from..], b"</")
        .map(|at| from + at)
        .find(ends)
        .unwrap_or(bytes.len());
    if end > from {
        let kind = if matches!(*name, "script" | "style") {
            Value::Code
        } else {
            Value::Text
        };
        found(kind, from..end);
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text with its values between brackets.
    fn marked(language: Language, text: &str) -> String {
        let (mut out, mut at) = (String::new(), 0);
        values(language, text, |_, place| {
            out.extend([&text[at..place.start], "{", &text[place.clone()], "}"]);
            at = place.end;
        });
        out + &text[at..]
    }

    #[test]
    fn values_stand_in_text_and_in_attributes() {
        for (page, expected) in [
            (
                "<!DOCTYPE html><p class='price mt-4'>10<br/></p>",
                "<!DOCTYPE html><p class='price {mt-4}'>{10}<br/></p>",
            ),
            (
                "<input value=\"a b\"\n name=csrf_token disabled>",
                "<input value=\"{a b}\"\n name=csrf_token disabled>",
            ),
            ("<a href=/x?y=1>z</a>", "<a href={/x?y=1}>{z}</a>"),
            (
                "<!-- a --><script>1<b</script>",
                "<!--{ a }--><script>{1<b}</script>",
            ),
            ("<x12345y>a", "<{x12345y}>{a}"),
            ("a < b", "{a }<{ b}"),
            ("<p a='b", "<{p a='b}"),
            ("<a <b>c", "<a {<b}>{c}"),
        ] {
            assert_eq!(marked(Language::Html, page), expected);
        }
        assert_eq!(
            marked(
                Language::Xml,
                "<?xml version='1.0'?><a><![CDATA[x]]><script><b/></script></a>"
            ),
            "<?xml version='1.0'?><a><![CDATA[{x}]]><script><b/></script></a>"
        );
    }

    proptest! {
        #[test]
        fn values_of_any_text_are_in_order_and_apart(text in "([<>/='\" a!?-]|script|<!--|\\PC){0,40}") {
            for language in [Language::Html, Language::Xml] {
                let mut last = 0;
                values(language, &text, |_, place| {
                    assert!(place.start >= last && place.start <= place.end && text.get(place.clone()).is_some());
                    last = place.end;
                });
            }
        }
    }
}

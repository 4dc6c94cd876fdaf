//! Finds what pages hand to whoever sends their forms: hidden inputs, and `meta` elements with a name.
//!
//! Not a tree: tags are found by their first letters and read by their attributes, as browsers do where it matters (HTML Living
//! Standard section 13.2.5). What stands in a script or comment and looks like such a tag counts as one.

use std::borrow::Cow;

/// Most attributes of one tag that are looked at.
const MAX_ATTRIBUTES: usize = 32;
/// Most tags of one page that are.
const MAX_TAGS: usize = 1024;

/// Calls `each` for name and value of each hidden input and named `meta` that has a value.
pub fn handed<'a>(page: &'a [u8], mut each: impl FnMut(&'a [u8], Cow<'a, [u8]>)) {
    let mut tags = 0;
    for at in memchr::memchr_iter(b'<', page) {
        let rest = &page[at + 1..];
        let is = |name: &[u8]| {
            rest.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
                && rest
                    .get(name.len())
                    .is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'/')
        };
        let (is_input, length) = match rest.first() {
            Some(b'i' | b'I') if is(b"input") => (true, 5),
            Some(b'm' | b'M') if is(b"meta") => (false, 4),
            _ => continue,
        };
        tags += 1;
        if tags > MAX_TAGS {
            return;
        }
        let holds_value: &[u8] = if is_input { b"value" } else { b"content" };
        let (mut name, mut value, mut hidden) = (None, None, !is_input);
        attributes(&rest[length..], |attribute, text| {
            let is = |known: &[u8]| attribute.eq_ignore_ascii_case(known);
            if is(b"name") {
                name = name.or(Some(text));
            } else if is(holds_value) {
                value = value.or(Some(text));
            } else if is(b"type") {
                hidden |= text.eq_ignore_ascii_case(b"hidden");
            }
        });
        if let (Some(name), Some(value), true) = (name, value, hidden)
            && !value.is_empty()
        {
            each(name, unescaped(value));
        }
    }
}

/// Calls `each` for name and text of each attribute up to the end of the tag.
fn attributes<'a>(tag: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) {
    let mut rest = tag;
    let count = |bytes: &[u8], is: &dyn Fn(u8) -> bool| bytes.iter().take_while(|byte| is(**byte)).count();
    for _ in 0..MAX_ATTRIBUTES {
        rest = &rest[count(rest, &|byte| byte.is_ascii_whitespace() || byte == b'/')..];
        let length = count(rest, &|byte| {
            !byte.is_ascii_whitespace() && !matches!(byte, b'=' | b'>' | b'/')
        });
        let name = &rest[..length];
        rest = rest[length..].trim_ascii_start();
        let Some(after) = rest.strip_prefix(b"=") else {
            if rest.first().is_none_or(|byte| *byte == b'>') {
                return;
            }
            continue;
        };
        rest = after.trim_ascii_start();
        let quote = rest.first().filter(|byte| matches!(byte, b'"' | b'\''));
        let (text, behind) = if let Some(quote) = quote {
            let quoted = &rest[1..];
            let Some(end) = memchr::memchr(*quote, quoted) else {
                return;
            };
            (&quoted[..end], &quoted[end + 1..])
        } else {
            rest.split_at(count(rest, &|byte| !byte.is_ascii_whitespace() && byte != b'>'))
        };
        rest = behind;
        each(name, text);
    }
}

/// Character references of one character that attributes of identifiers have.
const REFERENCES: [(&[u8], u8); 10] = [
    (b"&amp;", b'&'),
    (b"&quot;", b'"'),
    (b"&#39;", b'\''),
    (b"&#x27;", b'\''),
    (b"&#34;", b'"'),
    (b"&lt;", b'<'),
    (b"&gt;", b'>'),
    (b"&#x3D;", b'='),
    (b"&#43;", b'+'),
    (b"&#x2F;", b'/'),
];

fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'&', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let known = REFERENCES.iter().find(|(written, _)| {
            text[at..]
                .get(..written.len())
                .is_some_and(|part| part.eq_ignore_ascii_case(written))
        });
        let (byte, length) = known.map_or((text[at], 1), |(written, byte)| (*byte, written.len()));
        out.push(byte);
        at += length;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<String> {
        let mut all = Vec::new();
        handed(page.as_bytes(), |name, value| {
            all.push(format!(
                "{}={}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(&value)
            ));
        });
        all
    }

    #[test]
    fn hidden_inputs_and_metas_are_found() {
        let page = r#"<!doctype html><META name=csrf-token content='a&#39;b'/>
            <form><input type="hidden" name="csrfmiddlewaretoken" value="abc=="><input name=q value=1>
            <INPUT value = xyz NAME="next" TYPE=HIDDEN disabled /></form>"#;
        assert_eq!(
            found(page),
            ["csrf-token=a'b", "csrfmiddlewaretoken=abc==", "next=xyz"]
        );
    }

    #[test]
    fn what_is_cut_off_or_no_such_tag_is_passed_over() {
        for page in [
            "<",
            "<input",
            "<input ",
            "<inputs type=hidden name=a value=b>",
            "<input type=hidden name=a>",
            "<input type=hidden name=a value=\"b",
            "<meta name=a content=>",
        ] {
            assert_eq!(found(page), [""; 0], "{page}");
        }
    }
}

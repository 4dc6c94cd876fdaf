//! Finds what pages hand to whoever sends their forms: hidden inputs, and `meta` elements with a name. And what they are made of:
//! scripts and style sheets, of whose URLs many have a hash in them. Pictures are what pages show, and their names are compared.
//!
//! Not a tree: tags are found by their first letters and read by their attributes, as browsers do where it matters (HTML Living
//! Standard section 13.2.5). What stands in a script or comment and looks like such a tag counts as one.

use std::borrow::Cow;

/// Most attributes of one tag that are looked at.
const MAX_ATTRIBUTES: usize = 32;
/// Most tags of one page that are.
const MAX_TAGS: usize = 1024;

/// Something that a page hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handed<'a> {
    /// Name and value of a hidden input, or of a named `meta`.
    Named(&'a [u8], Cow<'a, [u8]>),
    /// The URL of a part of the page, which browsers ask for next.
    Part(Cow<'a, [u8]>),
}

/// The tags that are looked at, each with the attribute that holds what it hands out.
const TAGS: [(&[u8], &[u8]); 4] = [
    (b"input", b"value"),
    (b"meta", b"content"),
    (b"script", b"src"),
    (b"link", b"href"),
];

/// Relations of links to what a page is made of.
const RELATIONS: [&[u8]; 5] = [b"stylesheet", b"preload", b"modulepreload", b"icon", b"manifest"];

/// Calls `each` for each hidden input and named `meta` that has a value, and for each part.
pub fn handed<'a>(page: &'a [u8], mut each: impl FnMut(Handed<'a>)) {
    let mut tags = 0;
    for at in memchr::memchr_iter(b'<', page) {
        let rest = &page[at + 1..];
        if !matches!(
            rest.first().map(u8::to_ascii_lowercase),
            Some(b'i' | b'm' | b's' | b'l')
        ) {
            continue;
        }
        let is = |name: &[u8]| {
            rest.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
                && rest
                    .get(name.len())
                    .is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'/')
        };
        let Some((tag, holds_value)) = TAGS.iter().find(|(tag, _)| is(tag)) else {
            continue;
        };
        tags += 1;
        if tags > MAX_TAGS {
            return;
        }
        // Whether it is handed out: not what people fill in, and of links none to another page.
        let (mut name, mut value, mut handed) = (None, None, !matches!(*tag, b"input" | b"link"));
        attributes(&rest[tag.len()..], |attribute, text| {
            let is = |known: &[u8]| attribute.eq_ignore_ascii_case(known);
            if is(b"name") {
                name = name.or(Some(text));
            } else if is(holds_value) {
                value = value.or(Some(text));
            } else if is(b"type") {
                handed |= *tag == b"input" && text.eq_ignore_ascii_case(b"hidden");
            } else if is(b"rel") {
                handed |= *tag == b"link" && RELATIONS.iter().any(|known| text.eq_ignore_ascii_case(known));
            }
        });
        let Some(value) = value.filter(|value| !value.is_empty() && handed) else {
            continue;
        };
        match (*tag, name) {
            (b"input" | b"meta", Some(name)) => each(Handed::Named(name, unescaped(value))),
            (b"input" | b"meta", None) => {}
            _ => each(Handed::Part(unescaped(value))),
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
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        handed(page.as_bytes(), |handed| {
            all.push(match handed {
                Handed::Named(name, value) => format!("{}={}", text(name), text(&value)),
                Handed::Part(url) => text(&url),
            });
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
    fn the_parts_of_a_page_are_found_and_no_links_to_others() {
        let page = r#"<link rel="stylesheet" href="/a.css?v=1&amp;w=2"><link href=/b.js rel=modulepreload>
            <link rel=canonical href="/items/0b070a006b2d"><script async src='c.js'></script><script>1</script>
            <img src="/d.png"><a href="/e">e</a>"#;
        assert_eq!(found(page), ["/a.css?v=1&w=2", "/b.js", "c.js"]);
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

//! Tokens that a page gives by name: in the query of a link, in a script, in an attribute for one.
//!
//! `?action=trash&_wpnonce=2f5a0c81e7`, `{"nonce":"2f5a0c81e7"}`, `createNonceMiddleware("2f5a0c81e7")`, `data-csrf='2f5a0c81e7'`. Not by a
//! tree, nor by a script's syntax: a name that says token, what assigns, and a value that could be one.

use crate::shape::{is_named_token, names_token};

/// Most of them in one page.
const MAX_FOUND: usize = 256;
/// Longest name, in bytes.
const MAX_NAME: usize = 64;
/// Most bytes before the name that tell one place from another.
const MAX_BEFORE: usize = 96;
/// Parts of names that say token, as pages write them.
const WORDS: [&[u8]; 7] = [b"oken", b"OKEN", b"once", b"ONCE", b"srf", b"SRF", b"sskey"];

/// A token of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Bytes before the name, from where its list, its link or its line begins.
    pub before: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// The token, as it is written.
    pub value: &'a [u8],
}

/// Calls `each` for the tokens of a page.
pub fn found<'a>(page: &'a [u8], mut each: impl FnMut(Found<'a>)) {
    let mut left = MAX_FOUND;
    for word in WORDS {
        let mut end = 0;
        for at in memchr::memmem::find_iter(page, word) {
            // `csrfToken` has two of them, and is one name.
            if at < end {
                continue;
            }
            let is_in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
            let before = page[..at]
                .iter()
                .rev()
                .take(MAX_NAME)
                .take_while(|byte| is_in_name(byte))
                .count();
            let after = page[at..]
                .iter()
                .take(MAX_NAME)
                .take_while(|byte| is_in_name(byte))
                .count();
            end = at + after;
            let name = &page[at - before..end];
            if WORDS
                .iter()
                .take_while(|other| **other != word)
                .any(|other| memchr::memmem::find(name, other).is_some())
                || !names_token(name)
            {
                continue;
            }
            let Some(value) = assigned(&page[end..]).filter(|value| is_named_token(value)) else {
                continue;
            };
            each(Found {
                before: context(&page[..at - before]),
                name,
                value,
            });
            left -= 1;
            if left == 0 {
                return;
            }
        }
    }
}

/// The value that `rest`, which follows a name, gives it.
fn assigned(rest: &[u8]) -> Option<&[u8]> {
    let (_, rest) = without_quote(rest);
    let (assigns, rest) = rest.trim_ascii_start().split_first()?;
    if !matches!(assigns, b'=' | b':' | b'(') {
        return None;
    }
    let (quote, rest) = without_quote(rest.trim_ascii_start());
    let is_in_value = |byte: &u8| byte.is_ascii_alphanumeric() || b"!$%*+-./:=@_|~".contains(byte);
    let length = rest.iter().take_while(|byte| is_in_value(byte)).count();
    let (value, behind) = rest.split_at(length);
    let ends = match quote {
        // A parameter of a link.
        b"" => *assigns == b'=' && matches!(behind.first(), Some(b'&' | b'#' | b'"' | b'\'' | b'<')),
        quote => behind.starts_with(quote),
    };
    ends.then_some(value)
}

/// The quotation mark that `text` begins with, however it is written, and the rest.
fn without_quote(text: &[u8]) -> (&[u8], &[u8]) {
    let marks: [&[u8]; 6] = [b"\"", b"'", b"&quot;", b"\\\"", b"&#34;", b"&#039;"];
    let length = marks
        .iter()
        .find(|mark| text.starts_with(mark))
        .map_or(0, |mark| mark.len());
    text.split_at(length)
}

/// The end of `text`, from where the list, link, line or call begins that it breaks off in.
fn context(text: &[u8]) -> &[u8] {
    let begins = |byte: &u8| {
        matches!(
            byte,
            b'"' | b'\'' | b'<' | b'>' | b'\n' | b'{' | b',' | b'(' | b'?'
        )
    };
    let length = text
        .iter()
        .rev()
        .take(MAX_BEFORE)
        .take_while(|byte| !begins(byte))
        .count();
    &text[text.len() - length..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(page: &str) -> Vec<String> {
        let mut all = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        found(page.as_bytes(), |found| {
            all.push(format!(
                "{}|{}={}",
                text(found.before),
                text(found.name),
                text(found.value)
            ));
        });
        all
    }

    #[test]
    fn links_scripts_and_attributes_give_tokens_by_name() {
        for (page, expected) in [
            (
                "<a href='post.php?post=5&amp;action=trash&amp;_wpnonce=2f5a0c81e7'>",
                "post=5&amp;action=trash&amp;|_wpnonce=2f5a0c81e7",
            ),
            (
                "<script>var a = {\"root\":\"x\",\"nonce\":\"2f5a0c81e7\"};</script>",
                "|nonce=2f5a0c81e7",
            ),
            (
                "fetch.createNonceMiddleware( '2f5a0c81e7' );",
                "fetch.|createNonceMiddleware=2f5a0c81e7",
            ),
            (
                "<div data-csrf-token=\"5731042986\">",
                "div |data-csrf-token=5731042986",
            ),
            ("M.cfg = {\"sesskey\":\"aB3dE5fG7h\"}", "|sesskey=aB3dE5fG7h"),
            (
                "{&quot;token&quot;:&quot;2f5a0c81e7&quot;}",
                "&quot;|token=2f5a0c81e7",
            ),
        ] {
            assert_eq!(all(page), [expected]);
        }
    }

    #[test]
    fn what_only_looks_like_that_gives_none() {
        for page in [
            "the token is 2f5a0c81e7",
            "token = createToken12(5)",
            "token=\"disabled\"",
            "token=\"2f5a\"",
            "token=\"2f5a0c81e7",
            "once: \"2f5a0c81e7",
            "<input name=\"csrf\" value=\"2f5a0c81e7\">",
            "token",
            "",
        ] {
            assert_eq!(all(page), [""; 0], "{page}");
        }
    }

    proptest! {
        #[test]
        fn no_page_is_too_strange(page in "(token|nonce|[=:('\"&a1?%-]){0,40}") {
            found(page.as_bytes(), |found| assert!(is_named_token(found.value)));
        }
    }
}

//! Names that say that their values are secrets, and where such values stand in queries and forms.
//!
//! What is shown of a pair hides them ([`super::tally`]), and what is kept of one holds their hashes ([`super::store`]).

use std::ops::Range;

use super::form;

/// Parts of names whose values are secrets, whatever else is in the name. In lower case.
const WORDS: [&[u8]; 9] = [
    b"token",
    b"secret",
    b"passw",
    b"session",
    b"apikey",
    b"api-key",
    b"api_key",
    b"credential",
    b"signature",
];
/// Whole names of parameters that are.
const PARAMETERS: [&str; 6] = ["auth", "code", "jwt", "key", "otp", "sid"];
/// What stands between a name and its value, whatever the notation: `a=b`, `a: b`, `"a":"b"`, `<a>b`.
const ASSIGNMENTS: &[u8] = b"=:>\"'";

/// Where the first of such words in `text` ends.
fn word_end(text: &[u8]) -> Option<usize> {
    (0..text.len()).find_map(|at| {
        let rest = &text[at..];
        let is_there = |word: &&&[u8]| {
            rest.get(..word.len())
                .is_some_and(|part| part.eq_ignore_ascii_case(word))
        };
        // Most bytes begin none of them.
        matches!(rest[0].to_ascii_lowercase(), b't' | b's' | b'p' | b'a' | b'c')
            .then(|| WORDS.iter().find(is_there))
            .flatten()
            .map(|word| at + word.len())
    })
}

/// Whether there is such a word in `text`.
pub(super) fn has_word(text: &[u8]) -> bool {
    word_end(text).is_some()
}

/// Whether there is one in bytes that may be of UTF-16, too: it has a zero beside each letter.
pub(super) fn has_word_of_any_width(bytes: &[u8]) -> bool {
    has_word(bytes)
        || memchr::memchr(0, bytes).is_some() && {
            let narrow: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
            has_word(&narrow)
        }
}

/// Whether the value of the parameter called `name`, as it is written, is a secret.
pub(super) fn is_secret_parameter(name: &[u8]) -> bool {
    let name = form::decoded(&String::from_utf8_lossy(name));
    has_word(name.as_bytes())
        || PARAMETERS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name.trim()))
}

/// Whether `text`, which is itself a value, holds a name that says that what follows is a secret: JSON within a string, a link
/// with a query.
pub(super) fn holds_secret(text: &[u8]) -> bool {
    let assigned = |end: usize| text[end..].iter().any(|byte| ASSIGNMENTS.contains(byte));
    word_end(text).is_some_and(assigned) || {
        let mut any = false;
        in_query(text, |_| any = true);
        any
    }
}

/// Where values of secrets stand in the query and in the fragment of a target or link. A value lasts until the next
/// parameter, whatever is in it: better too much than half a secret.
pub(super) fn in_query(text: &[u8], mut found: impl FnMut(Range<usize>)) {
    let mut rest = memchr::memchr2(b'?', b'#', text);
    while let Some(before) = rest {
        let start = before + 1;
        // Some write `;` between parameters, and a fragment may have a query of its own.
        let is_mark = |byte: &u8| b"=&;?#".contains(byte);
        let Some(mark) = text[start..].iter().position(is_mark) else {
            return;
        };
        let mark = start + mark;
        rest = Some(mark);
        if text[mark] != b'=' {
            continue;
        }
        if is_secret_parameter(&text[start..mark]) {
            let value = &text[mark + 1..];
            let end = memchr::memchr2(b'&', b'#', value).map_or(text.len(), |at| mark + 1 + at);
            if end > mark + 1 {
                found(mark + 1..end);
            }
            rest = Some(end).filter(|end| *end < text.len());
        }
    }
}

/// Where the values of `name=value` pairs stand, each with whether it is a secret by its name.
pub(super) fn in_form(text: &[u8], mut found: impl FnMut(bool, Range<usize>)) {
    let mut start = 0;
    for pair in text.split(|byte| *byte == b'&') {
        if let Some(equals) = memchr::memchr(b'=', pair)
            && equals + 1 < pair.len()
        {
            let place = start + equals + 1..start + pair.len();
            found(is_secret_parameter(&pair[..equals]), place);
        }
        start += pair.len() + 1;
    }
}

/// `text` with `other(its bytes)` in each of `places`, which are in order and apart.
pub(super) fn replaced(
    text: &[u8],
    places: &[Range<usize>],
    mut other: impl FnMut(&[u8]) -> String,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut copied = 0;
    for place in places {
        out.extend_from_slice(&text[copied..place.start]);
        out.extend_from_slice(other(&text[place.clone()]).as_bytes());
        copied = place.end;
    }
    out.extend_from_slice(&text[copied..]);
    out
}

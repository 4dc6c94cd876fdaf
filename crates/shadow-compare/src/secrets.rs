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
/// Bytes that stand between a name and its value, whatever the notation: `a=b`, `a: b`, `"a":"b"`, `<a>b`.
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

/// Fields whose values are credentials, whatever their names say, in lower case: RFC 9110 section 11.6, RFC 7615, RFC 2965, RFC
/// 6265.
const FIELDS: [&str; 4] = ["authorization", "authentication-info", "cookie", "set-cookie"];
/// Members of JSON that say what the value beside them is called.
const NAMING: [&str; 8] = [
    "name",
    "key",
    "field",
    "id",
    "param",
    "parameter",
    "header",
    "label",
];
/// Members that such a value is in.
const VALUES: [&str; 4] = ["value", "values", "val", "content"];
/// The longest text that is a name of something.
const MAX_NAME: usize = 64;
/// How often what is encoded within a link is decoded to be looked into: a link within a link within a link.
const MAX_WITHIN: u8 = 2;

/// Values that many things have, and that tell nothing of whoever sent them. In lower case.
const COMMON: [&str; 8] = ["true", "false", "null", "none", "yes", "no", "*", "\"\""];

/// Whether a value, whatever it is called, is one of a few that are no secrets: `Access-Control-Allow-Credentials: true`.
pub(super) fn is_common(value: &str) -> bool {
    let value = value.trim();
    value.is_empty() || COMMON.iter().any(|known| known.eq_ignore_ascii_case(value))
}

/// Whether the value of the header field called `name` is a secret. Of `Set-Cookie` only a part is: what recordings hide.
pub(super) fn is_secret_field(name: &[u8]) -> bool {
    has_word(name) || {
        let name = name.to_ascii_lowercase();
        let ends_as = |known: &str| {
            name.ends_with(known.as_bytes()) || name.strip_suffix(b"2") == Some(known.as_bytes())
        };
        name != b"set-cookie" && FIELDS.iter().any(|known| ends_as(known))
    }
}

/// Whether the value of the member of JSON called `name` is a secret.
pub(super) fn is_secret_member(name: &str) -> bool {
    has_word(name.as_bytes()) || FIELDS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether there may be such a member in `text`.
pub(super) fn may_have_member(text: &str) -> bool {
    has_word_of_any_width(text.as_bytes())
        || ["ookie", "OOKIE", "uthori", "UTHORI", "uthenti", "UTHENTI"]
            .iter()
            .any(|part| memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some())
}

/// Whether a member called `name` with this text says that the value beside it is a secret: `{"name": "password", "value": ...}`.
pub(super) fn names_secret(name: &str, text: &str) -> bool {
    NAMING.iter().any(|known| known.eq_ignore_ascii_case(name))
        && text.len() <= MAX_NAME
        && !text.contains(char::is_whitespace)
        && is_secret_member(text)
}

/// Whether the member called `name` is that value.
pub(super) fn is_named_value(name: &str) -> bool {
    VALUES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether `text`, which is itself a value, holds a name that says that what follows is a secret: JSON within a string, a link
/// with a query; or a link with a user in it.
pub(super) fn holds_secret(text: &[u8]) -> bool {
    holds_within(text, MAX_WITHIN)
}

fn holds_within(text: &[u8], within: u8) -> bool {
    let assigned = |end: usize| text[end..].iter().any(|byte| ASSIGNMENTS.contains(byte));
    word_end(text).is_some_and(assigned) || !in_link_within(text, within).is_empty()
}

/// Where secrets stand in a target, in a link, or in text with links: users and passwords before a host (RFC 3986 section
/// 3.2.1), and values by the names of their parameters in path, query and fragment. In order and apart.
pub(super) fn in_link(text: &[u8]) -> Vec<Range<usize>> {
    in_link_within(text, MAX_WITHIN)
}

fn in_link_within(text: &[u8], within: u8) -> Vec<Range<usize>> {
    let mut places = userinfo(text);
    in_query(text, within, &mut places);
    in_path(text, &mut places);
    places.sort_by_key(|place| (place.start, place.end));
    places.dedup_by(|next, last| {
        let overlap = next.start <= last.end;
        if overlap {
            last.end = last.end.max(next.end);
        }
        overlap
    });
    places
}

/// The places of what stands before `@` in the authorities of URLs in `text`, and in one that is all of it (the target
/// of `CONNECT`).
pub(super) fn userinfo(text: &[u8]) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    if memchr::memchr(b'@', text).is_none() {
        return places;
    }
    let mut before_host = |start: usize| {
        let ends = |byte: &u8| b"/?#\"<>\\".contains(byte) || *byte <= b' ';
        let rest = &text[start..];
        let authority = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
        if let Some(at @ 1..) = memchr::memrchr(b'@', authority) {
            places.push(start..start + at);
        }
    };
    // Two slashes within a path are none of these.
    let begins = |at: usize| at == 0 || b":=\"'<( ,;".contains(&text[at - 1]);
    memchr::memmem::find_iter(text, b"//")
        .filter(|at| begins(*at))
        .for_each(|at| before_host(at + 2));
    let has_port = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let is_authority = has_port > 0
        && text[..text.len() - has_port].ends_with(b":")
        && !text.iter().any(|byte| b"/?# ".contains(byte));
    if is_authority {
        before_host(0);
    }
    places
}

/// Values of secrets in the query and in the fragment. A value lasts until the next parameter, whatever is in it: better too
/// much than half a secret.
fn in_query(text: &[u8], within: u8, places: &mut Vec<Range<usize>>) {
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
        let is_secret = is_secret_parameter(&text[start..mark]);
        // A value with `=` in it is looked into once.
        if !is_secret && text[before] == b'=' {
            continue;
        }
        // Of one that is no secret as much as is not looked at again, or this would take long.
        let ends = |byte: &u8| b"&#".contains(byte) || (!is_secret && b";?".contains(byte));
        let value = &text[mark + 1..];
        let value = &value[..value.iter().position(ends).unwrap_or(value.len())];
        let end = mark + 1 + value.len();
        if is_secret || holds_encoded(value, within) {
            if !value.is_empty() {
                places.push(mark + 1..end);
            }
            rest = Some(end).filter(|end| *end < text.len());
        }
    }
}

/// Whether an encoded value holds a secret once it is decoded: a link within a link.
fn holds_encoded(value: &[u8], within: u8) -> bool {
    let Some(within) = within.checked_sub(1) else {
        return false;
    };
    memchr::memchr(b'%', value).is_some()
        && std::str::from_utf8(value).is_ok_and(|text| {
            let decoded = form::decoded(text);
            decoded.as_bytes() != value && holds_within(decoded.as_bytes(), within)
        })
}

/// Values of parameters of a path (`;jsessionid=...`).
fn in_path(text: &[u8], places: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = memchr::memchr(b';', &text[from..]).map(|at| from + at) {
        from = at + 1;
        let rest = &text[from..];
        let name = rest.iter().position(|byte| b"=;/?#".contains(byte));
        let Some(equals) = name.filter(|end| rest[*end] == b'=' && has_word(&rest[..*end])) else {
            continue;
        };
        let value = &rest[equals + 1..];
        let end = value
            .iter()
            .position(|byte| b"?#&".contains(byte))
            .unwrap_or(value.len());
        if end > 0 {
            let start = from + equals + 1;
            places.push(start..start + end);
            from = start + end;
        }
    }
}

/// Where credentials stand in the value of the field `name`, where that is a challenge: a scheme with a token behind it
/// (`Negotiate YII...`, RFC 9110 section 11.3) rather than parameters.
pub(super) fn in_challenge(name: &[u8], value: &[u8]) -> Vec<Range<usize>> {
    let is_challenge = [&b"www-authenticate"[..], b"proxy-authenticate"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name));
    let mut places = Vec::new();
    let mut start = 0;
    for part in value.split(|byte| *byte == b',').filter(|_| is_challenge) {
        let skipped = part.len() - part.trim_ascii_start().len();
        let mut words = part.trim_ascii().splitn(2, |byte| *byte == b' ');
        let (scheme, token) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let spaces = token.len() - token.trim_ascii_start().len();
        let token = token.trim_ascii_start();
        let plain = token.iter().position(|byte| *byte == b'=').unwrap_or(token.len());
        let is_token68 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
        let is_token = plain > 0
            && token[..plain].iter().all(is_token68)
            && token[plain..].iter().all(|byte| *byte == b'=');
        if is_token {
            let from = start + skipped + scheme.len() + 1 + spaces;
            places.push(from..from + token.len());
        }
        start += part.len() + 1;
    }
    places
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

//! How identifiers look: strings that no two parties make by chance, and short ones that mean something within their
//! collection only.

use std::borrow::Cow;

/// Shortest string that can look random, in bytes: `nanoid`s and hexadecimal numbers of 32 bits have eight.
const MIN_TOKEN: usize = 8;
/// Longest identifier that is remembered, in bytes: cookies end there (RFC 6265 section 6.1), and tokens in headers soon after.
pub const MAX_VALUE: usize = 8192;
/// Longest short identifier.
const MAX_ID: usize = 64;
/// Digits that make a number an identifier by itself: more than the milliseconds since 1970 have.
const MIN_LONG_NUMBER: usize = 14;
/// Shortest string without any digit that can look random.
const MIN_WITHOUT_DIGITS: usize = 16;
/// Letters that nothing parts and that are no word: longer than the longest, and than names are.
const MIN_UNPARTED: usize = 48;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Digit,
    Lower,
    Upper,
}

/// Whether `value` looks random: letters and digits change places often, as in UUIDs, hashes, base64 and JSON Web Tokens, and not as
/// in words, names, versions, hosts or times. Or it is a number of many digits.
pub fn is_token(value: &[u8]) -> bool {
    if value.len() < MIN_TOKEN || value.len() > MAX_VALUE || is_date(value) {
        return false;
    }
    if is_uuid(value) || is_hash(value) || is_prefixed_hash(value) {
        return true;
    }
    // As the tokens of `MediaWiki` end, so that what mangles them is found out.
    let value = value.strip_suffix(b"\\").unwrap_or(value);
    let (mut letters, mut digits, mut changes) = (0_usize, 0_usize, 0_usize);
    let mut last = None;
    for (at, byte) in value.iter().enumerate() {
        let class = match byte {
            b'0'..=b'9' => Class::Digit,
            b'a'..=b'z' => Class::Lower,
            b'A'..=b'Z' => Class::Upper,
            b':' if value[at..].starts_with(b"://") => return false,
            b'!' | b'$' | b'%' | b'*' | b'+' | b'-'..=b'/' | b':' | b'=' | b'@' | b'_' | b'|' | b'~' => {
                continue;
            }
            _ => return false,
        };
        if class == Class::Digit {
            digits += 1;
        } else {
            letters += 1;
        }
        // A capital at the beginning of a word is no surprise.
        let is_change =
            last.is_some_and(|last| last != class && (last, class) != (Class::Upper, Class::Lower));
        changes += usize::from(is_change);
        last = Some(class);
    }
    let all = letters + digits;
    match (letters, digits) {
        (0, _) => digits == value.len() && digits >= MIN_LONG_NUMBER,
        (_, 0) if all == value.len() && all >= MIN_UNPARTED => true,
        (_, 0) => all >= MIN_WITHOUT_DIGITS && changes * 4 >= all,
        // Hexadecimal digits change every second time, base 36 every third.
        _ => all >= MIN_TOKEN && changes >= 3 && changes * 6 >= all,
    }
}

/// Whether `value` shows the beginning and the end of a token, as lists of tokens do: `3f9ab...c41d0`.
pub fn is_abbreviated(value: &[u8]) -> bool {
    let marks: [&[u8]; 3] = [b"...", "\u{2026}".as_bytes(), b"***"];
    let is_in_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    let is_part = |part: &[u8]| (2..=16).contains(&part.len()) && part.iter().all(is_in_one);
    marks.iter().any(|mark| {
        memchr::memmem::find(value, mark).is_some_and(|at| {
            let rest = &value[at + mark.len()..];
            let end = rest.iter().position(|byte| !b".*".contains(byte));
            let rest = &rest[end.unwrap_or(rest.len())..];
            is_part(&value[..at]) && (rest.is_empty() || is_part(rest))
        })
    })
}

/// Whether it is written as a UUID: of those one in some hundred has so few changes that it would be none.
fn is_uuid(value: &[u8]) -> bool {
    let is_written = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    value.len() == 36 && value.iter().enumerate().all(is_written)
}

/// Shortest hash that is one whatever its digits are: Git cuts them to twelve.
const MIN_HASH: usize = 12;

/// Whether it is a hash in hexadecimal: one in fifty of twelve digits has so few changes that it would be none.
fn is_hash(value: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    value.len() >= MIN_HASH
        && value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
}

/// Whether these are digits of a hexadecimal number of 32 bits or more: where only a version can stand, that is one.
pub fn is_hexadecimal(value: &[u8]) -> bool {
    value.len() >= MIN_TOKEN
        && value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && value.iter().any(u8::is_ascii_digit)
}

/// Whether it is a hash behind how many there were, as revisions of `CouchDB` are; or behind what it is of: `i-0f3c9a1be05d42c87`.
fn is_prefixed_hash(value: &[u8]) -> bool {
    let dash = value.iter().position(|byte| *byte == b'-');
    dash.is_some_and(|dash| {
        let is_prefix = |is: fn(&u8) -> bool| (1..=6).contains(&dash) && value[..dash].iter().all(is);
        (is_prefix(u8::is_ascii_digit) || is_prefix(u8::is_ascii_lowercase)) && is_hash(&value[dash + 1..])
    })
}

/// Whether `value` can be a token where its name says that it is one: a nonce of ten digits need not look random. No word, and no time.
pub fn is_named_token(value: &[u8]) -> bool {
    let is_in_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"!$%*+-./:=@_|~\\".contains(byte);
    (MIN_TOKEN..=MAX_VALUE).contains(&value.len())
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().all(is_in_one)
        && !is_date(value)
        && memchr::memmem::find(value, b"://").is_none()
}

/// The name of a cookie with a star for what each instance has of its own in it: a hash of its URL, its address or port. Most have nothing
/// of that.
pub fn cookie_template(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.iter().any(u8::is_ascii_digit) {
        return Cow::Borrowed(name);
    }
    let is_in_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let words = || name.split(|byte| !is_in_word(byte));
    let is_number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let is_address = words().filter(|word| is_number(word)).count() >= 4;
    let is_own = |word: &[u8]| is_token(word) || (is_number(word) && (is_address || word.len() >= 4));
    if !words().any(is_own) {
        return Cow::Borrowed(name);
    }
    let mut template = Vec::with_capacity(name.len());
    for run in name.chunk_by(|a, b| is_in_word(a) == is_in_word(b)) {
        template.extend_from_slice(if is_own(run) { b"*" } else { run });
    }
    Cow::Owned(template)
}

/// Whether `text` is what stands between the quotation marks of an entity tag that says when its list was changed: a number as long as a
/// time in seconds, or longer.
pub fn is_tag_number(text: &[u8]) -> bool {
    (10..=20).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

/// Whether it begins as a date does: `2026-11-29`, whatever follows.
fn is_date(value: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    value.len() >= 10
        && digits(&value[..4])
        && value[4] == b'-'
        && digits(&value[5..7])
        && value[7] == b'-'
        && digits(&value[8..10])
}

/// Whether `value` is a moment that a clock gave: a date by ISO 8601, or seconds or parts of them since 1970, in quotation marks or not.
pub fn is_moment(value: &[u8]) -> bool {
    let bare = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let bare = bare.unwrap_or(value);
    let is_count = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let mut parts = bare.splitn(2, |byte| *byte == b'.');
    let whole = parts.next().unwrap_or_default();
    is_date(bare) || (whole.len() >= 10 && is_count(whole) && parts.next().is_none_or(is_count))
}

/// Whether `value` can be the id of a record: short, of letters, digits, `-`, `_` and `.`.
pub fn is_id(value: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_ID).contains(&value.len()) && value.iter().all(plain)
}

/// Whether the member, field or parameter called `name` holds the id of the record that it belongs to.
pub fn is_own_id(name: &[u8]) -> bool {
    [
        b"id".as_slice(),
        b"_id",
        b"pk",
        b"uuid",
        b"guid",
        b"uid",
        b"@id",
        b"rowid",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the member, field or parameter called `name` names a record by its id: the one that it belongs to, or another.
pub fn is_reference(name: &[u8]) -> bool {
    is_own_id(name) || RecordName::of_member(name).is_some()
}

/// Whether what is called `name` is a token by its name, whatever else is in the name: `csrfmiddlewaretoken`, `X-Session-Id`.
pub fn names_token(name: &[u8]) -> bool {
    // Asked of every field and member of every answer: most letters of most names begin no such word.
    name.iter().enumerate().any(|(at, first)| {
        let is = |word: &[u8]| {
            name[at + 1..]
                .get(..word.len())
                .is_some_and(|rest| rest.eq_ignore_ascii_case(word))
        };
        match first | 0x20 {
            b't' => is(b"oken"),
            b'c' | b'x' => is(b"srf"),
            b's' => is(b"ession") || is(b"ecret") || is(b"esskey"),
            b'v' => is(b"iewstate"),
            b'n' => is(b"once"),
            b'j' => is(b"wt"),
            b'-' | b'o' => is(b"auth"),
            b'a' => is(b"uthoriz"),
            b'p' => is(b"assword"),
            _ => false,
        }
    })
}

/// Whether the field of a head called `name` holds an identifier by its name: `X-Request-Id`, `X-Node-UUID`, `traceparent`.
pub fn names_identifier(name: &[u8]) -> bool {
    let ends = |end: &[u8]| {
        name.len() > end.len()
            && name[name.len() - end.len()..].eq_ignore_ascii_case(end)
            && !name[name.len() - end.len() - 1].is_ascii_alphanumeric()
    };
    [b"id".as_slice(), b"uuid", b"guid", b"key"].into_iter().any(ends)
        || name.eq_ignore_ascii_case(b"traceparent")
}

/// Whether the member of a record that was just created called `name` holds a key that was made for it.
pub fn names_key(name: &[u8]) -> bool {
    let ends = [b"_key".as_slice(), b"-key", b"Key"];
    name.eq_ignore_ascii_case(b"key") || ends.iter().any(|end| name.ends_with(end))
}

/// Whether `value` is the revision of a record, by the member's name: a random one, or as `CouchDB` writes it: how many there were, and
/// a hash.
pub fn is_revision(name: &[u8], value: &[u8]) -> bool {
    let is_named = [b"rev".as_slice(), b"_rev"].contains(&name);
    if is_named && is_token(value) {
        return true;
    }
    let mut parts = value.splitn(2, |byte| *byte == b'-');
    let count = parts.next().unwrap_or_default();
    is_named
        && (1..=6).contains(&count.len())
        && count.iter().all(u8::is_ascii_digit)
        && parts.next().is_some_and(is_token)
}

/// A record's name as its members are called after it: `todo` for the collection `todos` and for the members `todo_id` and `todoId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordName {
    bytes: [u8; MAX_NAME],
    length: usize,
}

/// Longest name of a record, in bytes.
const MAX_NAME: usize = 32;

/// The part of a member's name before that by which it refers to a record.
fn stem(name: &[u8]) -> Option<&[u8]> {
    let ends = [
        b"_id".as_slice(),
        b"-id",
        b"_ID",
        b"Id",
        b"ID",
        b"[id]",
        b".id",
        b"_pk",
    ];
    ends.iter().find_map(|end| name.strip_suffix(*end))
}

impl RecordName {
    /// Of a member called `name`; `None` where that does not end as a reference to a record does.
    pub fn of_member(name: &[u8]) -> Option<Self> {
        // Where records are looked up by what they refer to: `groups__id__exact`.
        if let Some(at) = name.windows(4).position(|part| part == b"__id")
            && matches!(name.get(at + 4), None | Some(b'_'))
        {
            return Self::of_collection(&name[..at]);
        }
        Self::of(stem(name)?)
    }

    /// Of the same member, without the part that the record plays for its owner: `post` of `comment_post_ID`.
    pub fn last_of_member(name: &[u8]) -> Option<Self> {
        let stem = stem(name)?;
        let at = stem.iter().rposition(|byte| matches!(byte, b'_' | b'-'))?;
        Self::of(&stem[at + 1..])
    }

    /// Of a parameter that is called as the record is: `post` of `?post=5`. No page: that is a number in most lists.
    pub fn of_parameter(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"page") {
            return None;
        }
        Self::of_collection(name)
    }

    /// Of a collection called `name`, in the singular.
    pub fn of_collection(name: &[u8]) -> Option<Self> {
        let stem = match name {
            [stem @ .., b'i', b'e', b's'] if !stem.is_empty() => {
                let mut one = Self::of(stem)?;
                *one.bytes.get_mut(one.length)? = b'y';
                one.length += 1;
                return Some(one);
            }
            [stem @ .., b's'] if !stem.ends_with(b"s") => stem,
            _ => name,
        };
        Self::of(stem)
    }

    fn of(stem: &[u8]) -> Option<Self> {
        let mut name = Self {
            bytes: [0; MAX_NAME],
            length: 0,
        };
        for byte in stem.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
            *name.bytes.get_mut(name.length)? = byte.to_ascii_lowercase();
            name.length += 1;
        }
        (name.length > 0).then_some(name)
    }

    /// Its letters and digits, in lower case.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_random_is_a_token() {
        for value in [
            "0b6ff4a2-2a9b-4a55-9f3e-0a3c7b9f6d10",
            "d41d8cd98f00b204e9800998ecf8427e",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
            "s%3A8bYp3Zk0vQ2.9x1",
            "V1StGXR8_Z5jdHi6B",
            "1789234567890123456",
            "VwfJqWJbCNhXzTgDkQeRmYpB",
            "oedhlzdycouxbporyssijnldwcklrkxktmkzwdfruiosihdtxgdxsdoz",
            // A hash whose letters and digits change places seldom.
            "13844ac38426",
            "3-f143412885009015",
            // One whose letters stand together, behind what it is of.
            "i-00f34c112233445ab",
            // A UUID whose letters and digits change places seldom.
            "42754914-6ce6-42e5-9257-2247010633ca",
            "4f1c2b7a90d3e8655a0b1c2d3e4f5a6b68b81a4a+\\",
        ] {
            assert!(is_token(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn names_of_cookies_have_a_star_for_what_is_the_instances_own() {
        for (name, template) in [
            (
                "wordpress_logged_in_899a4295b3589a9e3e23d1582b23fd45",
                "wordpress_logged_in_*",
            ),
            ("username-127-0-0-1-8888", "username-*-*-*-*-*"),
            ("username-localhost-8888", "username-localhost-*"),
            ("_session_2", "_session_2"),
            ("oauth2", "oauth2"),
            ("sid", "sid"),
            ("", ""),
        ] {
            assert_eq!(*cookie_template(name.as_bytes()), *template.as_bytes(), "{name}");
        }
    }

    #[test]
    fn a_named_token_need_not_look_random() {
        for value in ["5731042986", "aaaaaaaaa1", "2f5a0c81e7", "-123456789:98765"] {
            assert!(is_named_token(value.as_bytes()), "{value}");
        }
        for value in [
            "",
            "disabled-now",
            "1234567",
            "2026-11-29T10:00",
            "http://host/12345678",
            "a b c d e f 1",
        ] {
            assert!(!is_named_token(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn tags_that_are_numbers_have_ten_digits_and_more() {
        assert!(is_tag_number(b"1789234567890") && is_tag_number(b"1789234567"));
        for tag in [
            "",
            "123456789",
            "17892345678a",
            "66f1-1a2",
            "123456789012345678901",
        ] {
            assert!(!is_tag_number(tag.as_bytes()), "{tag}");
        }
    }

    #[test]
    fn a_token_that_is_cut_short_shows_its_ends() {
        for value in [
            "a_9+b...c41==",
            "3f9ab...c41d0",
            "eyJhb…Zm9vYg",
            "ghp***9xQ2",
            "ab****",
            "sk12***",
        ] {
            assert!(is_abbreviated(value.as_bytes()), "{value}");
        }
        for value in [
            "",
            "...",
            "a...b",
            "and so on ... more",
            "wait...",
            "one two...three four",
            "abc..def",
        ] {
            assert_eq!(is_abbreviated(value.as_bytes()), value == "wait...", "{value}");
        }
    }

    #[test]
    fn words_times_hosts_and_short_numbers_are_none() {
        for value in [
            "201",
            "1764453907",
            "1764453907123",
            "2026-11-29T22:05:07.123Z",
            "application/vnd.api+json",
            "getUserNameFromList",
            "127.0.0.1:8080",
            "http://127.0.0.1:1/a1b2c3d4e5f6",
            "no-cache",
            "pod-7",
            "1.10.0",
            "a b1c2d3e4f5",
            "",
        ] {
            assert!(!is_token(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn a_name_says_token_in_any_case_wherever_it_does() {
        for name in [
            "token",
            "csrfmiddlewareToken",
            "X-CSRF",
            "xsrf",
            "PHPSESSION",
            "nonce",
            "client_secret",
            "jwt",
            "myjwt2",
            "OAuth-Proof",
            "x-authorization",
            "X-Auth",
        ] {
            assert!(names_token(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            "t",
            "toke",
            "Content-Type",
            "author",
            "x-aut",
            "jw",
            "4oken",
            "\u{14}oken",
            "sess",
        ] {
            assert!(!names_token(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn members_are_called_after_their_collections() {
        let member = |name: &str| RecordName::of_member(name.as_bytes()).map(|name| name.as_bytes().to_vec());
        let collection =
            |name: &str| RecordName::of_collection(name.as_bytes()).map(|name| name.as_bytes().to_vec());
        for name in ["todo_id", "todoId", "todo-id", "TODO_id"] {
            assert_eq!(member(name), collection("todos"), "{name}");
        }
        assert_eq!(member("category_id"), collection("categories"));
        assert_eq!(member("groups__id__exact"), collection("groups"));
        assert_eq!(member("group__id"), collection("groups"));
        assert_eq!(member("addressId"), collection("address"));
        let last =
            |name: &str| RecordName::last_of_member(name.as_bytes()).map(|name| name.as_bytes().to_vec());
        assert_eq!(last("comment_post_ID"), collection("posts"));
        assert_eq!((last("post_ID"), last("parent_post")), (None, None));
        assert_eq!(RecordName::of_parameter(b"page"), None);
        for name in ["id", "paid", "valid", "count", "__id", "a__idle"] {
            assert_eq!(member(name), None, "{name}");
        }
    }
}

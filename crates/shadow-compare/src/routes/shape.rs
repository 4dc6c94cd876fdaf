//! The shape of a path's segment, which tells what it is: an id, which collapses, or a name, which does not.

/// Decimal digits.
pub(super) const ID: &str = "{id}";
/// A UUID.
pub(super) const UUID: &str = "{uuid}";
/// Hexadecimal digits or a token, of some length.
pub(super) const HASH: &str = "{hash}";
/// A date, or a time on a date.
pub(super) const DATE: &str = "{date}";
/// An e-mail address.
pub(super) const EMAIL: &str = "{email}";
/// The class of segments of which there are many at one place, or that are too long for a name of a resource.
pub(super) const NAME: &str = "{name}";
/// Digits within a name, where there are many names that are the same but for these.
const NUMBER: &str = "{number}";
/// Hexadecimal digits too few for a hash, where there are many of them.
const HEX: &str = "{hex}";
/// The same, with something below.
pub(super) const NAMES_ABOVE: &str = "{name}/";
/// The class of everything that lies deeper than paths are looked at.
pub(super) const REST: &str = "{rest...}";

/// Longer segments are no name of a route.
const MAX_LITERAL: usize = 64;
/// Hexadecimal digits from which on they are a hash.
const MIN_HEX: usize = 16;
/// The fewest hexadecimal digits that are no word.
const MIN_SHORT_HEX: usize = 4;
/// Characters from which on what looks random is a token.
const MIN_TOKEN: usize = 20;
/// The longest extension of a file's name that is kept: `{id}.json`.
const MAX_EXTENSION: usize = 5;

/// The form of a segment in a template: a class, with the extension that it keeps; `None` for a name, which stays as it is.
pub(super) fn shape(segment: &str) -> Option<(&'static str, &str)> {
    if let Some(class) = class(segment) {
        return Some((class, ""));
    }
    let dot = segment.rfind('.')?;
    let (stem, extension) = segment.split_at(dot);
    let named = &extension[1..];
    let is_extension = named.starts_with(|c: char| c.is_ascii_alphabetic())
        && named.len() <= MAX_EXTENSION
        && named.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let class = class(stem).filter(|_| is_extension)?;
    // A long name is one whatever it ends with.
    Some((class, extension))
}

/// Whether a step of a template stands for many segments. Segments have no braces: they are in the normal form of paths.
pub(super) fn is_class(step: &str) -> bool {
    step.contains('{')
}

/// The name without its numbers: `page{number}.html` of `page7.html`, `{hex}` of `c0bc`; `None` where there are none in it.
pub(super) fn numbered(name: &str) -> Option<String> {
    // Most names have neither a number nor stand for names with numbers.
    if !name.bytes().any(|byte| byte.is_ascii_digit() || byte == b'{') {
        return None;
    }
    let (stem, slash) = name.strip_suffix('/').map_or((name, ""), |stem| (stem, "/"));
    if stem.len() >= MIN_SHORT_HEX && stem.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return stem
            .contains(|c: char| c.is_ascii_digit())
            .then(|| format!("{HEX}{slash}"));
    }
    let mut out = String::new();
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '%') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        // What is percent-encoded is no number.
        if from.starts_with('%') {
            let (encoded, after) = from.split_at(from.len().min(3));
            out.push_str(encoded);
            rest = after;
        } else {
            out.push_str(NUMBER);
            rest = from.trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    out.push_str(rest);
    is_numbered(&out).then_some(out)
}

/// Whether a step stands for names that are the same but for their numbers.
pub(super) fn is_numbered(step: &str) -> bool {
    step.contains(NUMBER) || step.starts_with(HEX)
}

/// Whether a name is the server's own rather than one of what it serves: `-`, `_search`, `.well-known`, `$metadata`. By
/// convention what is served begins with a letter or a digit wherever such names stand beside it.
pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with(['-', '_', '.', '$', '~'])
}

fn class(segment: &str) -> Option<&'static str> {
    let bytes = segment.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
        Some(ID)
    } else if bytes.len() > MAX_LITERAL {
        Some(if is_token(bytes) { HASH } else { NAME })
    } else if is_uuid(bytes) {
        Some(UUID)
    } else if bytes.len() >= MIN_HEX && bytes.iter().all(u8::is_ascii_hexdigit) || is_token(bytes) {
        Some(HASH)
    } else if is_date(bytes) {
        Some(DATE)
    } else if is_email(segment) {
        Some(EMAIL)
    } else {
        None
    }
}

/// 8-4-4-4-12 hexadecimal digits (RFC 9562 section 4).
fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// `2024-01-31`, alone or before a time: `2024-01-31T12:00:00Z`.
fn is_date(bytes: &[u8]) -> bool {
    let Some((date, time)) = bytes.split_at_checked(10) else {
        return false;
    };
    let number = |digits: &[u8]| {
        let two = digits.iter().all(u8::is_ascii_digit);
        two.then(|| {
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
        })
    };
    let is_date = date[4] == b'-'
        && date[7] == b'-'
        && number(&date[..4]).is_some()
        && number(&date[5..7]).is_some_and(|month| (1..=12).contains(&month))
        && number(&date[8..]).is_some_and(|day| (1..=31).contains(&day));
    let is_time = |byte: &u8| byte.is_ascii_digit() || b":.+-Zz".contains(byte);
    is_date && (time.is_empty() || (matches!(time[0], b'T' | b't') && time[1..].iter().all(is_time)))
}

fn is_email(segment: &str) -> bool {
    let Some((user, domain)) = segment.split_once('@') else {
        return false;
    };
    !user.is_empty() && !domain.contains('@') && domain.len() > 2 && domain[1..domain.len() - 1].contains('.')
}

/// Whether it looks random: in both cases and with digits, where more than two of five neighbours are of another kind than the
/// one before (`getUserProfileV2Details` is none); or in one case, with an eighth of digits and without a separator
/// (`top-10-ways-to-cook-rice` is none).
fn is_token(bytes: &[u8]) -> bool {
    if bytes.len() < MIN_TOKEN {
        return false;
    }
    let (mut digits, mut upper, mut lower, mut separators, mut changes) = (0, 0, 0, 0, 0);
    let mut before = 0;
    for byte in bytes {
        let kind = match byte {
            b'0'..=b'9' => &mut digits,
            b'A'..=b'Z' => &mut upper,
            b'a'..=b'z' => &mut lower,
            b'-' | b'_' | b'.' | b'~' | b'=' => &mut separators,
            _ => return false,
        };
        *kind += 1;
        let kind = match byte {
            b'0'..=b'9' => 1,
            b'A'..=b'Z' => 2,
            b'a'..=b'z' => 3,
            _ => 4,
        };
        changes += usize::from(before != 0 && before != kind);
        before = kind;
    }
    let mixed = upper > 0 && lower > 0 && digits > 0 && changes * 5 > bytes.len() * 2;
    let plain = separators == 0 && (upper == 0 || lower == 0) && digits * 8 >= bytes.len();
    mixed || plain
}

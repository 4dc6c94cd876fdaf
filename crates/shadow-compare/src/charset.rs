//! Bytes of a body as text: UTF-8, UTF-16, and Windows-1252, which includes what is called ISO 8859-1 on the web.

use std::borrow::Cow;

/// Windows-1252 from 0x80 to 0x9f; all else in it is Unicode. The five that it leaves open are controls, as on the web.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The text of `bytes`. A byte order mark says more than `charset`; without either it is UTF-8. `None` when it is no text, or
/// of a character set that is not known here.
pub(super) fn text<'a>(bytes: &'a [u8], charset: Option<&str>) -> Option<Cow<'a, str>> {
    if let Some(bytes) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return utf8(bytes);
    }
    if let Some(bytes) = bytes.strip_prefix(b"\xff\xfe") {
        return utf16(bytes, u16::from_le_bytes);
    }
    if let Some(bytes) = bytes.strip_prefix(b"\xfe\xff") {
        return utf16(bytes, u16::from_be_bytes);
    }
    match charset.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "utf-8" | "utf8") => utf8(bytes),
        Some("utf-16" | "utf-16be") => utf16(bytes, u16::from_be_bytes),
        Some("utf-16le") => utf16(bytes, u16::from_le_bytes),
        Some("iso-8859-1" | "iso8859-1" | "latin1" | "us-ascii" | "ascii" | "windows-1252" | "cp1252") => {
            Some(windows(bytes))
        }
        Some(_) => None,
    }
}

/// The character set that a page names in itself (HTML section 13.2.3.2), within its first 1024 bytes, where its head does not.
pub(super) fn of_page(bytes: &[u8]) -> Option<String> {
    let start = bytes[..bytes.len().min(1024)].to_ascii_lowercase();
    memchr::memmem::find_iter(&start, b"<meta").find_map(|at| {
        let tag = &start[at..];
        let tag = &tag[..memchr::memchr(b'>', tag)?];
        let name = memchr::memmem::find(tag, b"charset")? + b"charset".len();
        let value = tag[name..]
            .trim_ascii_start()
            .strip_prefix(b"=")?
            .trim_ascii_start();
        let value = value
            .strip_prefix(b"\"")
            .or(value.strip_prefix(b"'"))
            .unwrap_or(value);
        let end = value
            .iter()
            .position(|byte| b" \t\n\"'/;".contains(byte))
            .unwrap_or(value.len());
        let value = std::str::from_utf8(&value[..end]).ok()?;
        // It was read as ASCII to get here.
        (!value.is_empty() && !value.starts_with("utf-16")).then(|| value.to_owned())
    })
}

/// Whether [`text`] reads two bytes for a character.
pub(super) fn is_wide(bytes: &[u8], charset: Option<&str>) -> bool {
    let label = || charset.is_some_and(|charset| charset.to_ascii_lowercase().starts_with("utf-16"));
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => false,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        _ => label(),
    }
}

/// `bytes` read with one byte a character whatever they are, behind a byte order mark: ASCII as it is, and `~` for a zero and
/// for all that ASCII does not have.
pub(super) fn single_bytes(bytes: &[u8]) -> String {
    let marks = [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"];
    let behind = marks.iter().find_map(|mark| bytes.strip_prefix(*mark));
    let char_of = |byte: &u8| match byte {
        1..0x80 => char::from(*byte),
        _ => '~',
    };
    behind.unwrap_or(bytes).iter().map(char_of).collect()
}

fn utf8(bytes: &[u8]) -> Option<Cow<'_, str>> {
    std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Cow<'static, str>> {
    let (units, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(units.iter().map(|bytes| unit(*bytes))).collect();
    text.ok().filter(|_| rest.is_empty()).map(Cow::Owned)
}

fn windows(bytes: &[u8]) -> Cow<'_, str> {
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()) {
        return Cow::Borrowed(text);
    }
    let char_of = |byte: &u8| match byte {
        0x80..=0x9f => WINDOWS[usize::from(byte - 0x80)],
        byte => char::from(*byte),
    };
    Cow::Owned(bytes.iter().map(char_of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_its_character_set() {
        for (bytes, charset, expected) in [
            (&b"caf\xc3\xa9"[..], None, Some("café")),
            (b"\xef\xbb\xbfcaf\xc3\xa9", None, Some("café")),
            (b"caf\xe9", Some("ISO-8859-1"), Some("café")),
            (b"\x80 5", Some("windows-1252"), Some("€ 5")),
            (b"\xff\xfea\0b\0", None, Some("ab")),
            (b"\xfe\xff\0a\0b", Some("utf-8"), Some("ab")),
            (b"\0a\0b", Some("utf-16"), Some("ab")),
            (b"a\0b\0", Some("utf-16le"), Some("ab")),
            (b"a\0b", Some("utf-16le"), None),
            (b"\0\xd8", Some("utf-16le"), None),
            (b"caf\xe9", None, None),
            (b"abc", Some("x-unknown"), None),
        ] {
            assert_eq!(text(bytes, charset).as_deref(), expected, "{bytes:?}");
            let wide = charset.is_some_and(|charset| charset.starts_with("utf-16"))
                || bytes.starts_with(b"\xff\xfe")
                || bytes.starts_with(b"\xfe\xff");
            assert_eq!(is_wide(bytes, charset), wide, "{bytes:?}");
        }
    }

    #[test]
    fn a_page_may_name_its_character_set() {
        for (page, expected) in [
            (
                &b"<!doctype html><META charset='ISO-8859-1'>"[..],
                Some("iso-8859-1"),
            ),
            (
                b"<meta name=a><meta http-equiv=content-type content=\"text/html; charset=windows-1252\">",
                Some("windows-1252"),
            ),
            (b"<meta charset=utf-8 />", Some("utf-8")),
            (b"<meta charset=utf-16>", None),
            (b"<meta charset>", None),
            (b"<meta charset=latin1", None),
            (b"charset=latin1", None),
            (b"", None),
        ] {
            assert_eq!(of_page(page).as_deref(), expected, "{page:?}");
        }
    }

    #[test]
    fn any_bytes_are_read_one_by_one() {
        for (bytes, expected) in [
            (&b"\xfe\xff{\"a\"\n\x7f"[..], "{\"a\"\n\x7f"),
            (b"\xff\xfea\0b\0", "a~b~"),
            (b"\xef\xbb\xbf\xc3\xa9", "~~"),
            (b"\xff\0\x01", "~~\x01"),
            (b"", ""),
        ] {
            assert_eq!(single_bytes(bytes), expected, "{bytes:?}");
        }
    }
}

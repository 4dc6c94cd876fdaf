//! The parts of URLs that can be identifiers: segments of the path, and values of the query (RFC 3986), with their encoding.

use std::borrow::Cow;
use std::ops::Range;

/// A part of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Where it stands in the URL.
    pub range: Range<usize>,
    /// Its kind.
    pub kind: PartKind<'a>,
}

/// The kind of a part of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKind<'a> {
    /// A segment of the path, behind this path (without a slash at its end).
    Segment(&'a [u8]),
    /// The value of this parameter.
    Query(&'a [u8]),
}

/// Most parts of one URL, or fields of one form, that are looked at.
pub const MAX_PARTS: usize = 256;

/// Where the path of `url` begins, behind scheme and authority if there are any.
fn path_start(url: &[u8]) -> usize {
    if url.starts_with(b"/") {
        return 0;
    }
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let absolute = schemes.into_iter().find(|scheme| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    absolute.map_or(0, |scheme| {
        let authority = &url[scheme.len()..];
        let end = authority
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
        scheme.len() + end.unwrap_or(authority.len())
    })
}

/// Whether `text` is a URL or an absolute path.
pub fn is_url(text: &[u8]) -> bool {
    text.starts_with(b"/") || path_start(text) > 0
}

/// Path and query, without scheme and authority: names a resource of one server.
pub fn resource(target: &[u8]) -> &[u8] {
    let rest = &target[path_start(target)..];
    // Targets are short: a loop is done sooner than a call.
    let end = rest.iter().position(|byte| *byte == b'#');
    &rest[..end.unwrap_or(rest.len())]
}

/// The path alone, without a slash at its end.
pub fn path(target: &[u8]) -> &[u8] {
    path_of(resource(target))
}

/// The path of a resource, without a slash at its end.
pub(crate) fn path_of(resource: &[u8]) -> &[u8] {
    let end = resource.iter().position(|byte| *byte == b'?');
    let path = &resource[..end.unwrap_or(resource.len())];
    path.strip_suffix(b"/").unwrap_or(path)
}

/// Beginnings that paths of the same server may have and be written without, as those of one version of an API are within its answers: the
/// first segment of `path`, and the first two.
pub fn bases(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = memchr::memchr_iter(b'/', path).skip(1);
    slashes.take(2).map(|end| &path[..end])
}

/// The path above the last segment, and that segment.
pub fn split_last(path: &[u8]) -> (&[u8], &[u8]) {
    let slash = memchr::memrchr(b'/', path);
    slash.map_or((b"", path), |slash| (&path[..slash], &path[slash + 1..]))
}

/// The collection whose records the parameter `name` of URLs with this path names by their ids.
pub fn collection_of(path: &[u8], name: &[u8]) -> Vec<u8> {
    [path, b"?", name].concat()
}

/// Calls `each` for the parts of `url` that are not empty, in their order.
pub fn parts<'a>(url: &'a [u8], mut each: impl FnMut(Part<'a>)) {
    let start = path_start(url);
    let end = memchr::memchr(b'#', &url[start..]).map_or(url.len(), |at| start + at);
    let path_end = memchr::memchr(b'?', &url[start..end]).map_or(end, |at| start + at);
    let (mut at, mut count) = (start, 0);
    while at < path_end && count < MAX_PARTS {
        let segment_end = memchr::memchr(b'/', &url[at..path_end]).map_or(path_end, |found| at + found);
        if segment_end > at {
            let above = &url[start..at];
            each(Part {
                range: at..segment_end,
                kind: PartKind::Segment(above.strip_suffix(b"/").unwrap_or(above)),
            });
            count += 1;
        }
        at = segment_end + 1;
    }
    if path_end < end {
        fields(&url[path_end + 1..end], |name, value| {
            let from = path_end + 1;
            each(Part {
                range: from + value.start..from + value.end,
                kind: PartKind::Query(name),
            });
        });
    }
}

/// Calls `each` for the fields of a form or query whose values are not empty: the name as it is written, and where the value stands.
pub fn fields<'a>(form: &'a [u8], mut each: impl FnMut(&'a [u8], Range<usize>)) {
    let mut at = 0;
    for _ in 0..MAX_PARTS {
        if at >= form.len() {
            return;
        }
        let end = memchr::memchr(b'&', &form[at..]).map_or(form.len(), |found| at + found);
        if let Some(equals) = memchr::memchr(b'=', &form[at..end])
            && at + equals + 1 < end
        {
            each(&form[at..at + equals], at + equals + 1..end);
        }
        at = end + 1;
    }
}

/// In what a value stands, where some bytes must be percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// A segment of a path.
    Path,
    /// A query or a form: `+` is a space there.
    Query,
    /// A cookie, by the habit of most frameworks.
    Cookie,
}

/// `text` without its percent-encoding; `None` where it is none.
pub fn decoded(text: &[u8], within: Within) -> Option<Cow<'_, [u8]>> {
    let is_encoded = |byte: &u8| *byte == b'%' || (*byte == b'+' && within == Within::Query);
    if !text.iter().any(is_encoded) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let high = char::from(*bytes.next()?).to_digit(16)?;
                let low = char::from(*bytes.next()?).to_digit(16)?;
                (high * 16 + low) as u8
            }
            b'+' if within == Within::Query => b' ',
            other => *other,
        });
    }
    Some(Cow::Owned(out))
}

/// Appends `value` with what must be percent-encoded there.
pub fn encode(value: &[u8], within: Within, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in value {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || match within {
                Within::Path => b"!$&'()*+,;=:@".contains(&byte),
                Within::Query => b"!$'()*,:@/?".contains(&byte),
                Within::Cookie => b"!$'()*:@".contains(&byte),
            };
        if plain {
            out.push(byte);
        } else {
            out.push(b'%');
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> Vec<String> {
        let mut all = Vec::new();
        parts(url.as_bytes(), |part| {
            let (sign, name) = match part.kind {
                PartKind::Segment(above) => ('/', above),
                PartKind::Query(name) => ('=', name),
            };
            let name = String::from_utf8_lossy(name);
            all.push(format!("{name}{sign}{}", &url[part.range]));
        });
        all
    }

    #[test]
    fn a_url_has_segments_and_values() {
        let expected = ["/a", "/a/1", "/a/1/b", "x=2", "y=3"];
        assert_eq!(shown("/a/1//b/?x=2&z=&y=3#f")[..2], expected[..2]);
        assert_eq!(shown("/a/1?x=2&z=&y=3#f"), ["/a", "/a/1", "x=2", "y=3"]);
        assert_eq!(shown("http://h:1/a?b=c"), ["/a", "b=c"]);
        assert_eq!(shown("http://h"), [""; 0]);
        assert_eq!(shown("*"), ["/*"]);
    }

    #[test]
    fn what_was_encoded_is_encoded_again() {
        for (within, text, value) in [
            (Within::Path, "a%2Fb+c", "a/b+c"),
            (Within::Query, "a+b%2B%26%3D", "a b+&="),
            (Within::Cookie, "s%3Aa.b%2B", "s:a.b+"),
        ] {
            let read = decoded(text.as_bytes(), within).unwrap();
            assert_eq!(read, value.as_bytes());
            let mut again = Vec::new();
            encode(&read, within, &mut again);
            assert_eq!(decoded(&again, within).unwrap(), value.as_bytes());
        }
        assert_eq!(decoded(b"a%2", Within::Path), None);
        assert_eq!(decoded(b"a%zz", Within::Path), None);
    }

    #[test]
    fn a_path_has_at_most_two_bases() {
        let shown = |path: &'static str| -> Vec<&str> {
            bases(path.as_bytes())
                .map(|base| std::str::from_utf8(base).unwrap())
                .collect()
        };
        assert_eq!(shown("/api/v1/todos/4"), ["/api", "/api/v1"]);
        assert_eq!(shown("/v1/batch"), ["/v1"]);
        assert_eq!((shown("/batch"), shown("")), (vec![], vec![]));
    }

    #[test]
    fn a_resource_is_path_and_query_alone() {
        assert_eq!(resource(b"https://h/a?b#c"), b"/a?b");
        assert_eq!(path(b"/a/b/?c"), b"/a/b");
        assert_eq!(split_last(b"/a/b"), (&b"/a"[..], &b"b"[..]));
    }
}

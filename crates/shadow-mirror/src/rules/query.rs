//! The query parameters of a request target, as they stand there: nothing is decoded.
//!
//! Of a parameter that is there several times one counts, and it is the one that counts in `GoReplay`: the first of those
//! behind a `&`, and only without any that behind the `?`. A name without `=` is none.

use std::ops::Range;

/// The value of the parameter called `name`.
pub(super) fn value<'a>(target: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    find(target, name).map(|range| &target[range])
}

/// `target` with `value` as that of the parameter `name`, which is put at the end where it is not there.
pub(super) fn set(target: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    if let Some(range) = find(target, name) {
        return [&target[..range.start], value, &target[range.end..]].concat();
    }
    let (target, fragment) = target.split_at(end(target));
    let separator: &[u8] = if target.contains(&b'?') { b"&" } else { b"?" };
    [target, separator, name, b"=", value, fragment].concat()
}

/// Where the value of the parameter called `name` stands.
fn find(target: &[u8], name: &[u8]) -> Option<Range<usize>> {
    let query = &target[..end(target)];
    let mut start = memchr::memchr(b'?', query)? + 1;
    let mut first = None;
    let mut is_first = true;
    while start <= query.len() {
        let end = memchr::memchr(b'&', &query[start..]).map_or(query.len(), |at| start + at);
        let value = query[start..end]
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(b"="))
            .map(|value| end - value.len()..end);
        match value {
            Some(value) if is_first => first = Some(value),
            Some(value) => return Some(value),
            None => {}
        }
        is_first = false;
        start = end + 1;
    }
    first
}

/// Where the query ends: a fragment is none of it.
fn end(target: &[u8]) -> usize {
    memchr::memchr(b'#', target).unwrap_or(target.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_its_whole_name_and_goreplays_one_counts() {
        let value = |target: &'static str, name: &str| value(target.as_bytes(), name.as_bytes());
        assert_eq!(value("/?id=1", "id"), Some(&b"1"[..]));
        assert_eq!(value("/?xid=1&id=2&id=3", "id"), Some(&b"2"[..]));
        assert_eq!(
            value("/?id=1&id=2&id=3", "id"),
            Some(&b"2"[..]),
            "behind a & first"
        );
        assert_eq!(value("/?a=&b", "a"), Some(&b""[..]));
        assert_eq!(value("/?a=b=c#x=y", "a"), Some(&b"b=c"[..]));
        for target in [
            "/",
            "/id=1",
            "/?x=1",
            "/?id",
            "/?id&x=1",
            "/?x=1#&id=2",
            "/#?id=2",
        ] {
            assert_eq!(value(target, "id"), None, "{target}");
        }
    }

    #[test]
    fn a_parameter_is_set_where_goreplay_sets_it_or_at_the_end() {
        let set = |target: &str| String::from_utf8(set(target.as_bytes(), b"id", b"9")).unwrap();
        for (before, after) in [
            ("/", "/?id=9"),
            ("/?", "/?&id=9"),
            ("/?a=b", "/?a=b&id=9"),
            ("/?id=1&a=b", "/?id=9&a=b"),
            ("/?id=1&id=2&id=3", "/?id=1&id=9&id=3"),
            ("/?id", "/?id&id=9"),
            ("/?a&id=&xid=2", "/?a&id=9&xid=2"),
            ("/?a=b#f", "/?a=b&id=9#f"),
            ("http://example.com", "http://example.com?id=9"),
        ] {
            assert_eq!(set(before), after);
        }
    }
}

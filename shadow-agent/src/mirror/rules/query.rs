//! The query parameters of a request target, as they stand there: nothing is decoded.

/// The value of the first parameter called `name`; empty for one without a value.
pub(super) fn first<'a>(target: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let query = query(target)?;
    query
        .split(|byte| *byte == b'&')
        .map(parameter)
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// `target` with `value` as the only one of the parameter `name`: where the first of that name stands, or at the end.
pub(super) fn set(target: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    let without_fragment = &target[..memchr::memchr(b'#', target).unwrap_or(target.len())];
    let path = &without_fragment[..memchr::memchr(b'?', without_fragment).unwrap_or(without_fragment.len())];
    let mut out = Vec::with_capacity(target.len() + name.len() + value.len() + 2);
    out.extend_from_slice(path);
    let mut separator = b'?';
    let mut put = |parts: &[&[u8]]| {
        out.push(std::mem::replace(&mut separator, b'&'));
        for part in parts {
            out.extend_from_slice(part);
        }
    };
    let mut written = false;
    for text in query(target)
        .filter(|query| !query.is_empty())
        .into_iter()
        .flat_map(|query| query.split(|byte| *byte == b'&'))
    {
        if parameter(text).0 != name {
            put(&[text]);
        } else if !std::mem::replace(&mut written, true) {
            put(&[name, b"=", value]);
        }
    }
    if !written {
        put(&[name, b"=", value]);
    }
    out.extend_from_slice(&target[without_fragment.len()..]);
    out
}

/// What stands between `?` and `#`.
fn query(target: &[u8]) -> Option<&[u8]> {
    let target = &target[..memchr::memchr(b'#', target).unwrap_or(target.len())];
    memchr::memchr(b'?', target).map(|mark| &target[mark + 1..])
}

fn parameter(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', text) {
        Some(equals) => (&text[..equals], &text[equals + 1..]),
        None => (text, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_by_its_whole_name_and_the_first_counts() {
        let first = |target: &'static str, name: &str| first(target.as_bytes(), name.as_bytes());
        assert_eq!(first("/?xid=1&id=2&id=3", "id"), Some(&b"2"[..]));
        assert_eq!(first("/?a&b=", "a"), Some(&b""[..]));
        assert_eq!(first("/?a=b=c#x=y", "a"), Some(&b"b=c"[..]));
        for target in ["/", "/id=1", "/?x=1", "/?x=1#id=2", "/#?id=2"] {
            assert_eq!(first(target, "id"), None, "{target}");
        }
    }

    #[test]
    fn a_parameter_is_set_where_it_stands_or_at_the_end() {
        let set = |target: &str| String::from_utf8(set(target.as_bytes(), b"id", b"9")).unwrap();
        for (before, after) in [
            ("/", "/?id=9"),
            ("/?", "/?id=9"),
            ("/?a=b", "/?a=b&id=9"),
            ("/?id=1&a=b", "/?id=9&a=b"),
            ("/?a&id&xid=2&id=3", "/?a&id=9&xid=2"),
            ("/?a=b#f", "/?a=b&id=9#f"),
            ("http://example.com", "http://example.com?id=9"),
        ] {
            assert_eq!(set(before), after);
        }
    }
}

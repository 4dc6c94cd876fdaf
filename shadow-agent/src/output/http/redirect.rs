//! Redirects within the upstream (RFC 9110 section 15.4), followed when the user asks for it.
//!
//! Only to the same scheme, host and port: a copy must not wander off to a host nobody named, production's
//! own perhaps. Any other redirect is an answer like every other, and so is one beyond the limit.

use bytes::Bytes;

/// The next request of a redirected exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// Its target, in origin-form.
    pub target: Bytes,
    /// Whether it is a GET without the body.
    pub as_get: bool,
}

/// The hop that an answer with `status` and `location` to a request of `method` asks for, if it can be
/// followed.
pub(super) fn hop(
    status: u16,
    location: &[u8],
    method: &[u8],
    current_target: &[u8],
    tls: bool,
    upstream_host: &[u8],
) -> Option<Hop> {
    let as_get = match status {
        301 | 302 => method == b"POST",
        303 => method != b"GET" && method != b"HEAD",
        307 | 308 => false,
        _ => return None,
    };
    let target = origin_form(location, current_target, tls, upstream_host)?;
    target.iter().all(u8::is_ascii_graphic).then(|| Hop {
        target: Bytes::from(target),
        as_get,
    })
}

fn origin_form(location: &[u8], current: &[u8], tls: bool, upstream_host: &[u8]) -> Option<Vec<u8>> {
    let location = location.split(|byte| *byte == b'#').next()?;
    let scheme: &[u8] = if tls { b"https:" } else { b"http:" };
    let rest = match location.get(..scheme.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(scheme) => &location[scheme.len()..],
        _ => location,
    };
    if let Some(rest) = rest.strip_prefix(b"//") {
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let same = without_default_port(authority, tls).eq_ignore_ascii_case(upstream_host);
        return same.then(|| rooted(path));
    }
    // Another scheme, or a path with a colon in its first segment, which a relative reference may not have.
    let first_segment = rest.split(|byte| matches!(byte, b'/' | b'?')).next()?;
    if rest.len() != location.len() || first_segment.contains(&b':') {
        return None;
    }
    match rest.first() {
        Some(b'/') => Some(rest.to_vec()),
        // Relative to the directory of the current path. Dot segments are left to the server.
        Some(_) => {
            let path = current.split(|byte| *byte == b'?').next()?;
            let keep = if rest[0] == b'?' {
                path.len()
            } else {
                path.iter().rposition(|byte| *byte == b'/')? + 1
            };
            let mut target = path[..keep].to_vec();
            target.extend_from_slice(rest);
            target.starts_with(b"/").then_some(target)
        }
        None => None,
    }
}

fn rooted(path: &[u8]) -> Vec<u8> {
    if path.first() == Some(&b'/') {
        return path.to_vec();
    }
    let mut rooted = b"/".to_vec();
    rooted.extend_from_slice(path);
    rooted
}

fn without_default_port(authority: &[u8], tls: bool) -> &[u8] {
    let default: &[u8] = if tls { b":443" } else { b":80" };
    authority.strip_suffix(default).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(location: &str) -> Option<String> {
        hop(302, location.as_bytes(), b"GET", b"/a/b?c", false, b"shadow:8082")
            .map(|hop| String::from_utf8(hop.target.to_vec()).unwrap())
    }

    #[test]
    fn a_redirect_within_the_upstream_is_followed() {
        assert_eq!(target("/x").as_deref(), Some("/x"));
        assert_eq!(target("x?y#z").as_deref(), Some("/a/x?y"));
        assert_eq!(target("?y").as_deref(), Some("/a/b?y"));
        assert_eq!(target("http://Shadow:8082/x").as_deref(), Some("/x"));
        assert_eq!(target("//shadow:8082").as_deref(), Some("/"));
    }

    #[test]
    fn a_redirect_elsewhere_is_an_answer_like_every_other() {
        assert_eq!(target("http://production/x"), None);
        assert_eq!(target("https://shadow:8082/x"), None);
        assert_eq!(target("http://shadow/x"), None);
        assert_eq!(target("mailto:me"), None);
        assert_eq!(target("/a b"), None);
        assert_eq!(target("/a\r\nX: y"), None);
        assert_eq!(target(""), None);
        assert_eq!(target("http:x"), None);
    }

    #[test]
    fn see_other_becomes_a_get_and_307_keeps_the_method() {
        let get = |status, method: &[u8]| hop(status, b"/x", method, b"/", false, b"s").unwrap().as_get;
        assert!(get(303, b"PUT"));
        assert!(!get(303, b"HEAD"));
        assert!(get(301, b"POST"));
        assert!(!get(302, b"PUT"));
        assert!(!get(307, b"POST"));
        assert_eq!(hop(200, b"/x", b"GET", b"/", false, b"s"), None);
    }
}

//! Where a request is for: path, query and host, wherever in the head they stand.

use shadow_http::{Request, absolute_form};

/// The path of a target without one (`http://example.com?q`): RFC 9110 section 4.2.3.
const ROOT: &[u8] = b"/";

/// The parts of a request that say where it is for, as sent: nothing is decoded or normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// The target's path; `*` for a target in asterisk form.
    pub path: &'a [u8],
    /// The part behind the `?`; none without one.
    pub query: Option<&'a [u8]>,
    /// The authority of a target in absolute form, which outranks the Host field (RFC 9112 section 3.2.2).
    authority: Option<&'a [u8]>,
}

impl<'a> Location<'a> {
    /// Takes the target of `request` apart. What is none of the forms of RFC 9112 section 3.2 counts as a path.
    pub fn of(request: &'a Request) -> Self {
        let target = request.target();
        let (authority, rest) = match target.first() {
            Some(b'/') => (None, target),
            _ => absolute_form(target).map_or((None, target), |(authority, rest)| (Some(authority), rest)),
        };
        let (path, query) = split_query(rest);
        Self {
            path: if path.is_empty() { ROOT } else { path },
            query,
            authority,
        }
    }

    /// The host that `request`, whose location this is, is for: without port, as sent; none without any.
    pub fn host(&self, request: &'a Request) -> Option<&'a [u8]> {
        let host = self.authority.or_else(|| request.header("host"))?;
        Some(without_port(host))
    }
}

/// Path and query of a target. A fragment, which no target may have (RFC 9112 section 3.2), belongs to neither.
pub(crate) fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let fragment = memchr::memchr(b'#', target).unwrap_or(target.len());
    let target = &target[..fragment];
    match memchr::memchr(b'?', target) {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    }
}

/// A host without its port: `[::1]:80` is `[::1]`.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => &host[..colon],
        _ => host,
    }
}

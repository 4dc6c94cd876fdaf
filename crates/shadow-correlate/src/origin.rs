//! Fields of a request that name the server that was asked: an output which is asked under a host of its own gets it there, too.
//!
//! A server that guards its forms compares `Origin` or `Referer` with the host it was asked under (OWASP's verification of the
//! origin; Django, Rails and others do), and one with `WebDAV` takes no `Destination` on another host (RFC 4918 section 10.3). With production's host
//! in them every form of a browser would be refused.

use std::ops::Range;

use shadow_http::Request;

use crate::exceptions::Exceptions;

/// Their names (RFC 6454 section 7, RFC 9110 section 10.1.3, RFC 4918 section 10.3).
const FIELDS: [&[u8]; 3] = [b"origin", b"referer", b"destination"];

/// Where in the head of `request` scheme and authority of production stand, in those fields.
pub(crate) fn places(request: &Request, exceptions: &Exceptions) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for field in &request.headers {
        let name = &request.head[field.name.start as usize..field.name.end as usize];
        let is = |known: &&[u8]| name.eq_ignore_ascii_case(known);
        if !FIELDS.iter().any(is) || exceptions.has_header(name) {
            continue;
        }
        let start = field.value.start as usize;
        let value = &request.head[start..field.value.end as usize];
        let Some((authority, end)) = authority(value) else {
            continue;
        };
        if request
            .header("host")
            .is_some_and(|host| host.eq_ignore_ascii_case(authority))
        {
            places.push(start..start + end);
        }
    }
    places
}

/// The authority of a URL, and where it ends.
fn authority(url: &[u8]) -> Option<(&[u8], usize)> {
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let is_of = |scheme: &&[u8]| {
        let start = url.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let start = schemes.into_iter().find(is_of)?.len();
    let rest = &url[start..];
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    Some((&rest[..end], start + end))
}

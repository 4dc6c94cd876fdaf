//! The request target and the Host of a copy: pure functions on bytes (RFC 9112 section 3.2, RFC 9110
//! section 7.2).

use crate::http::absolute_form;

/// A request target, taken apart as far as a copy needs it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The authority of an absolute-form target, without userinfo; it outranks the Host field (RFC 9112
    /// section 3.2.2).
    pub authority: Option<&'a [u8]>,
    /// Path on the wire after the prefix.
    pub path: &'a [u8],
    /// Whether the prefix goes before it: not before `*`, nor before what is no path at all.
    pub takes_prefix: bool,
    /// Whether a `/` is missing before it.
    pub needs_slash: bool,
}

/// Takes `target` apart. Never fails: what is none of the four forms is passed on as it is, since production
/// was asked for it too.
pub(super) fn parse<'a>(target: &'a [u8], method: &[u8]) -> Target<'a> {
    let plain = |path, takes_prefix| Target {
        authority: None,
        path,
        takes_prefix,
        needs_slash: false,
    };
    if target.first() == Some(&b'/') {
        return plain(target, true);
    }
    let Some((authority, path)) = absolute_form(target) else {
        return plain(target, false);
    };
    let authority = Some(authority);
    // RFC 9112 section 3.2.4: an OPTIONS request for an absolute target without a path is `OPTIONS *`.
    if path.is_empty() && method == b"OPTIONS" {
        return Target {
            authority,
            ..plain(b"*", false)
        };
    }
    Target {
        authority,
        path,
        takes_prefix: true,
        needs_slash: path.first() != Some(&b'/'),
    }
}

/// `host` with `suffix` on its name: `a:8080` becomes `a-shadow:8080`, where Envoy writes `a:8080-shadow`,
/// which servers refuse. An IPv6 literal has no name to put it on and stays as it is, and so does an empty
/// value.
pub(super) fn with_suffix(host: &[u8], suffix: &[u8], out: &mut Vec<u8>) {
    if host.is_empty() || host[0] == b'[' {
        out.extend_from_slice(host);
        return;
    }
    let name_end = host
        .iter()
        .rposition(|byte| *byte == b':')
        .filter(|colon| host[colon + 1..].iter().all(u8::is_ascii_digit))
        .unwrap_or(host.len());
    out.extend_from_slice(&host[..name_end]);
    out.extend_from_slice(suffix);
    out.extend_from_slice(&host[name_end..]);
}

/// The Host value that names an upstream: brackets around IPv6, no default port (RFC 9110 section 7.2).
pub(super) fn upstream_host(host: &str, port: u16, tls: bool) -> String {
    let bracketed = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let default = if tls { 443 } else { 80 };
    if port == default {
        bracketed
    } else {
        format!("{bracketed}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffixed(host: &str) -> String {
        let mut out = Vec::new();
        with_suffix(host.as_bytes(), b"-shadow", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_suffix_goes_on_the_name_not_behind_the_port() {
        assert_eq!(suffixed("cluster-1"), "cluster-1-shadow");
        assert_eq!(suffixed("a:8080"), "a-shadow:8080");
        assert_eq!(suffixed("a.example:"), "a.example-shadow:");
        assert_eq!(suffixed("[::1]:8080"), "[::1]:8080");
        assert_eq!(suffixed(""), "");
    }

    #[test]
    fn the_upstreams_host_leaves_the_default_port_out() {
        assert_eq!(upstream_host("shadow", 80, false), "shadow");
        assert_eq!(upstream_host("shadow", 443, true), "shadow");
        assert_eq!(upstream_host("shadow", 80, true), "shadow:80");
        assert_eq!(upstream_host("::1", 8082, false), "[::1]:8082");
    }

    #[test]
    fn an_absolute_target_is_reduced_to_its_path() {
        let target = parse(b"http://user@example.com:81/a?b", b"GET");
        assert_eq!(target.authority, Some(&b"example.com:81"[..]));
        assert_eq!(target.path, b"/a?b");
        let target = parse(b"HTTP://example.com?q", b"GET");
        assert_eq!((target.path, target.needs_slash), (&b"?q"[..], true));
        let target = parse(b"http://example.com", b"GET");
        assert_eq!((target.path, target.needs_slash), (&b""[..], true));
    }

    #[test]
    fn the_asterisk_and_what_is_no_target_are_kept() {
        assert_eq!(parse(b"*", b"OPTIONS").path, b"*");
        assert!(!parse(b"*", b"OPTIONS").takes_prefix);
        assert_eq!(parse(b"http://example.com", b"OPTIONS").path, b"*");
        assert_eq!(parse(b"what:ever", b"GET").path, b"what:ever");
        assert!(!parse(b"what:ever", b"GET").takes_prefix);
    }
}

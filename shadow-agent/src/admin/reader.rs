//! Who may read what was captured, and which web page is the agent's own.
//!
//! A report carries traffic of production, redacted as it is. It is read from this machine, or from anywhere with the token;
//! and a browser on this machine must not be made to read it for somebody else's page. Three things see to that. The `Host`
//! must be a name that nobody else can point here: an address, `localhost`, or this machine's own name (against DNS
//! rebinding, by which a page of `evil.example` becomes a neighbour of ours). A request that the browser says is made
//! for another site's page is refused. And no answer allows to be read across origins, or shown in a frame.

use std::net::{IpAddr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName};

use super::token::{Verdict, judge, same};
use crate::secret::Secret;

/// Says for whose page a browser makes a request (W3C Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Says whether it goes to where that request leads, as a click on a link does.
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether a report may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It may.
    Allowed,
    /// The request is for a name that anybody could point here.
    ForeignHost,
    /// Another site's page made it.
    ForeignPage,
    /// There is no token, and the peer is not this machine.
    NotLocal,
    /// The peer is not this machine, and the token is missing or wrong.
    BadToken,
}

/// Judges a request for a report.
pub(super) fn may_read(token: Option<&Secret>, peer: IpAddr, request: &Parts) -> Reading {
    let headers = &request.headers;
    if !is_ours(request) {
        return Reading::ForeignHost;
    }
    let own = headers.get(ORIGIN).is_none() || is_same_origin(headers);
    if !own || !is_same_site(headers) {
        return Reading::ForeignPage;
    }
    if peer.to_canonical().is_loopback() {
        return Reading::Allowed;
    }
    match (token, judge(token, peer, headers)) {
        (_, Verdict::Allowed) => Reading::Allowed,
        (Some(token), _) if has_password(headers, token) => Reading::Allowed,
        (Some(_), _) => Reading::BadToken,
        (None, _) => Reading::NotLocal,
    }
}

/// Whether the page that made the request came from here, by what the browser says of it: its origin (RFC 6454) is the host
/// that is asked. The scheme may be another where a proxy has taken TLS off.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    let origin = single(headers, &ORIGIN).and_then(|origin| {
        let (scheme, authority) = origin.split_once("://")?;
        matches!(scheme, "http" | "https").then_some(authority)
    });
    match (origin, single(headers, &HOST)) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// Whether the request is not made for another site's page; a link there may lead here.
fn is_same_site(headers: &HeaderMap) -> bool {
    let navigates = || {
        headers
            .get(FETCH_MODE)
            .is_some_and(|mode| mode.as_bytes() == b"navigate")
    };
    match headers.get(FETCH_SITE).map(http::HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => true,
        Some(_) => navigates(),
    }
}

/// Whether the request is for a name that nobody else can point here.
fn is_ours(request: &Parts) -> bool {
    let Some(host) = single(&request.headers, &HOST) else {
        return false;
    };
    let in_target = request.uri.authority().map(Authority::as_str);
    [Some(host), in_target].into_iter().flatten().all(is_own_name)
}

fn is_own_name(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => (address, port),
            _ => return false,
        },
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if !(port.is_empty() || port.strip_prefix(':').is_some_and(digits)) {
        return false;
    }
    let host = host.to_ascii_lowercase();
    host.parse::<IpAddr>().is_ok()
        || host == "localhost"
        || host.ends_with(".localhost")
        || own_name().is_some_and(|own| own == host)
}

/// This machine's name; a pod's is the pod's.
fn own_name() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// Whether the token is the password of an `Authorization: Basic` field (RFC 7617), whoever the user: a browser asks for
/// it, and sends it with each request from then on. That is enough to read, and for no order.
fn has_password(headers: &HeaderMap, token: &Secret) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, encoded) = value.as_bytes().split_at_checked(6)?;
        let pair = STANDARD.decode(encoded.trim_ascii()).ok()?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        scheme
            .eq_ignore_ascii_case(b"basic ")
            .then(|| pair[colon + 1..].to_vec())
    });
    given.is_some_and(|given| same(&given, token.0.as_bytes()))
}

/// The value of a field that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const HERE: &str = "127.0.0.1";
    const THERE: &str = "10.0.0.5";

    fn request(fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/report");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn judged(token: Option<&str>, peer: &str, fields: &[(&str, &str)]) -> Reading {
        let token = token.map(|token| Secret(token.to_owned()));
        may_read(token.as_ref(), peer.parse().unwrap(), &request(fields))
    }

    #[test]
    fn names_that_anybody_can_point_here_are_refused() {
        let own = nix::unistd::gethostname().unwrap().into_string().unwrap();
        for host in [
            "127.0.0.1:9400",
            "127.0.0.1",
            "[::1]:9400",
            "10.0.0.7:9400",
            "localhost:9400",
            "LOCALHOST",
            "agent.localhost:9400",
            &own,
            &format!("{own}:9400"),
        ] {
            assert_eq!(judged(None, HERE, &[("host", host)]), Reading::Allowed, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9400",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evillocalhost",
            "127.0.0.1@evil.example",
            "[::1].evil.example",
            "",
            "a b",
        ] {
            assert_eq!(
                judged(None, HERE, &[("host", host)]),
                Reading::ForeignHost,
                "{host}"
            );
        }
        assert_eq!(judged(None, HERE, &[]), Reading::ForeignHost);
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(judged(None, HERE, &two), Reading::ForeignHost);
    }

    #[test]
    fn the_name_in_the_target_counts_as_well() {
        let request = Request::get("http://evil.example/report").header("host", "localhost");
        let (request, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(
            may_read(None, HERE.parse().unwrap(), &request),
            Reading::ForeignHost
        );
    }

    #[test]
    fn another_sites_page_reads_nothing_but_may_link_here() {
        let with =
            |field: (&'static str, &'static str)| judged(None, HERE, &[("host", "localhost:9400"), field]);
        assert_eq!(with(("origin", "http://localhost:9400")), Reading::Allowed);
        for origin in [
            "http://evil.example",
            "http://localhost:9401",
            "http://localhost",
            "null",
        ] {
            assert_eq!(with(("origin", origin)), Reading::ForeignPage, "{origin}");
        }
        for (site, expected) in [
            ("same-origin", Reading::Allowed),
            ("none", Reading::Allowed),
            ("same-site", Reading::ForeignPage),
            ("cross-site", Reading::ForeignPage),
        ] {
            assert_eq!(with(("sec-fetch-site", site)), expected, "{site}");
        }
        let link = [
            ("host", "localhost:9400"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ];
        assert_eq!(judged(None, HERE, &link), Reading::Allowed);
    }

    #[test]
    fn from_other_machines_it_takes_the_token_in_either_way() {
        let host = ("host", "10.0.0.7:9400");
        let with = |token, value| judged(token, THERE, &[host, ("authorization", value)]);
        assert_eq!(judged(None, THERE, &[host]), Reading::NotLocal);
        assert_eq!(judged(Some("s3cret"), THERE, &[host]), Reading::BadToken);
        assert_eq!(judged(Some("s3cret"), HERE, &[host]), Reading::Allowed);
        // "me:s3cret", ":s3cret"; "me:wrong", "s3cret".
        for value in ["Bearer s3cret", "Basic bWU6czNjcmV0", "basic OnMzY3JldA=="] {
            assert_eq!(with(Some("s3cret"), value), Reading::Allowed, "{value}");
        }
        for value in [
            "Bearer x",
            "Basic bWU6d3Jvbmc=",
            "Basic czNjcmV0",
            "Basic !",
            "Basic",
            "",
        ] {
            assert_eq!(with(Some("s3cret"), value), Reading::BadToken, "{value}");
        }
        assert_eq!(with(None, "Basic OnMzY3JldA=="), Reading::NotLocal);
    }

    #[test]
    fn an_origin_is_the_same_when_its_authority_is_the_host() {
        for (origin, host, expected) in [
            ("http://127.0.0.1:9400", "127.0.0.1:9400", true),
            ("https://shadow.example", "shadow.example", true),
            ("http://127.0.0.1:9400", "localhost:9400", false),
            ("http://127.0.0.1:9400/", "127.0.0.1:9400", false),
            ("file://127.0.0.1:9400", "127.0.0.1:9400", false),
            ("null", "null", false),
            ("", "", false),
        ] {
            let request = request(&[("origin", origin), ("host", host)]);
            assert_eq!(is_same_origin(&request.headers), expected, "{origin} {host}");
        }
        assert!(!is_same_origin(&HeaderMap::new()));
    }
}

//! Who may give orders: loopback peers, or whoever has the token where there is one.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::secret::Secret;

/// Whether an order may be obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Allowed,
    /// The token is missing or wrong.
    BadToken,
    /// There is no token, and the peer is not this machine.
    NotLocal,
}

/// Judges an order by where it comes from and what it carries. Behind a dual-stack socket an IPv4 peer has a mapped
/// address.
pub(super) fn judge(token: Option<&Secret>, peer: IpAddr, headers: &HeaderMap) -> Verdict {
    match token {
        None if peer.to_canonical().is_loopback() => Verdict::Allowed,
        None => Verdict::NotLocal,
        Some(Secret(token)) => match bearer(headers) {
            Some(given) if same(given, token.as_bytes()) => Verdict::Allowed,
            _ => Verdict::BadToken,
        },
    }
}

/// The token of an `Authorization: Bearer` field (RFC 6750 section 2.1); the scheme is in any case.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Compares in a time that depends on what was given alone, so that a token cannot be guessed byte by byte.
pub(super) fn same(given: &[u8], token: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != token.len());
    for (index, byte) in given.iter().enumerate() {
        // Never empty: the settings see to that; and if it were, nothing would match.
        let expected = token.get(index % token.len().max(1)).copied().unwrap_or(0);
        difference |= std::hint::black_box(byte ^ expected);
    }
    difference == 0 && !token.is_empty()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn judged(token: Option<&str>, peer: &str, authorization: Option<&'static str>) -> Verdict {
        let token = token.map(|token| Secret(token.to_owned()));
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        }
        judge(token.as_ref(), peer.parse().unwrap(), &headers)
    }

    #[test]
    fn without_a_token_this_machine_alone_may() {
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(judged(None, peer, None), Verdict::Allowed, "{peer}");
        }
        for peer in ["10.0.0.5", "::ffff:10.0.0.5", "fe80::1", "0.0.0.0"] {
            assert_eq!(judged(None, peer, Some("Bearer x")), Verdict::NotLocal, "{peer}");
        }
    }

    #[test]
    fn with_a_token_whoever_has_it_may_and_nobody_else() {
        for value in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert_eq!(
                judged(Some("s3cret"), "10.0.0.5", Some(value)),
                Verdict::Allowed,
                "{value}"
            );
        }
        for value in [
            "Bearer s3cre",
            "Bearer s3crets3cret",
            "Bearer S3cret",
            "Bearer ",
            "Basic s3cret",
            "s3cret",
        ] {
            assert_eq!(
                judged(Some("s3cret"), "127.0.0.1", Some(value)),
                Verdict::BadToken,
                "{value}"
            );
        }
        assert_eq!(judged(Some("s3cret"), "127.0.0.1", None), Verdict::BadToken);
    }
}

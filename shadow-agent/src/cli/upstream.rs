//! The URL of `--output-http`, read once: where copies go, and nothing of it that is secret in its name.

use std::net::{IpAddr, Ipv6Addr};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Uri;

use super::error::Problem;
use crate::settings::Secret;

/// Where copies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// `https`.
    pub tls: bool,
    /// Host as typed; IPv6 without brackets.
    pub host: String,
    /// TCP port, the scheme's own when none was typed.
    pub port: u16,
    /// Path put before each target, without a trailing `/`; empty for none.
    pub path_prefix: String,
    /// `Basic ...` from userinfo (RFC 7617).
    pub authorization: Option<Secret>,
}

impl Upstream {
    /// Reads a URL: `http` or `https`, `http` when there is no scheme.
    ///
    /// # Errors
    ///
    /// For what is no URL of HTTP, or has a part that has no meaning for an output.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        // A scheme is letters only here; `://` further on belongs to a path.
        let has_scheme = text
            .split_once("://")
            .is_some_and(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let url = if has_scheme {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        if url.contains('#') {
            return Err(Problem::new(
                "a fragment (#...) is never sent to a server",
                "leave it out; inside a password write # as %23",
            ));
        }
        let uri: Uri = url.parse().map_err(|error| {
            Problem::new(
                format!("not a URL ({error})"),
                "write http://HOST:PORT, such as http://staging:8080",
            )
        })?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            scheme => {
                return Err(Problem::new(
                    format!("'{}' is not a scheme for copies", scheme.unwrap_or_default()),
                    "write http:// or https://",
                ));
            }
        };
        if uri.query().is_some() {
            return Err(Problem::new(
                "a query (?...) does not belong here: each request has its own",
                "remove it; a path is prefixed to each request's path",
            ));
        }
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        let (userinfo, host_and_port) = match authority.rsplit_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, authority),
        };
        let (host, port) = split_port(host_and_port)?;
        Ok(Self {
            tls,
            host: parse_host(host)?,
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            path_prefix: uri.path().trim_end_matches('/').to_owned(),
            authorization: userinfo.map(basic).transpose()?,
        })
    }

    /// The upstream as logs and the ledger name it: without userinfo.
    pub fn name(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let own = if self.tls { 443 } else { 80 };
        let port = if self.port == own {
            String::new()
        } else {
            format!(":{}", self.port)
        };
        format!("{scheme}://{host}{port}{}", self.path_prefix)
    }
}

/// A URL that may not even be one, for messages: everything up to the last `@` may be a password.
pub fn without_userinfo(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}"),
        None => text.to_owned(),
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), Problem> {
    let host_end = text.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some((host, port)) = text[host_end..]
        .find(':')
        .map(|colon| (&text[..host_end + colon], &text[host_end + colon + 1..]))
    else {
        return Ok((text, None));
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number > 0 => Ok((host, Some(number))),
        _ => Err(Problem::new(
            format!("'{port}' is not a port"),
            "write a number from 1 to 65535, such as http://staging:8080",
        )),
    }
}

fn parse_host(text: &str) -> Result<String, Problem> {
    if let Some(ip) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match ip.parse::<Ipv6Addr>() {
            Ok(ip) if ip.is_unspecified() => Err(unspecified(text)),
            Ok(_) => Ok(ip.to_owned()),
            Err(_) => Err(Problem::new(
                format!("'{text}' is not an IPv6 address in brackets"),
                "write it like http://[::1]:8080",
            )),
        };
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err(Problem::new(
            "the URL has no valid host",
            "write http://HOST:PORT, such as http://staging:8080; an international name in its xn-- form",
        ));
    }
    if text.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
        return Err(unspecified(text));
    }
    Ok(text.to_owned())
}

fn unspecified(host: &str) -> Problem {
    Problem::new(
        format!("{host} means all addresses, so nothing can be sent there"),
        "write the shadow's address or name; for this machine, 127.0.0.1",
    )
}

/// The value of an Authorization header for `user:password` with percent-encoding.
fn basic(userinfo: &str) -> Result<Secret, Problem> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let broken = || {
        Problem::new(
            "the user or password before '@' is not percent-encoded text",
            "write special characters as %40 (@), %3A (:), %2F (/), %25 (%)",
        )
    };
    let user = percent_decode(user).ok_or_else(broken)?;
    let password = percent_decode(password).ok_or_else(broken)?;
    // RFC 7617 section 2: no colon in the user, no control characters in either.
    if user.contains(&b':') || user.iter().chain(&password).any(u8::is_ascii_control) {
        return Err(Problem::new(
            "the user before '@' has a colon, or a control character stands in user or password",
            "Basic authentication cannot carry these (RFC 7617 section 2)",
        ));
    }
    let pair = [user.as_slice(), b":", password.as_slice()].concat();
    Ok(Secret(format!("Basic {}", BASE64_STANDARD.encode(pair))))
}

/// `None` for a `%` without two hexadecimal digits behind it.
fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => u8::try_from(hex(bytes.next()?)? * 16 + hex(bytes.next()?)?).ok()?,
            other => other,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn upstream(text: &str) -> Upstream {
        Upstream::parse(text).unwrap()
    }

    fn problem(text: &str) -> String {
        let Problem { problem, help } = Upstream::parse(text).unwrap_err();
        format!("{problem} / {help}")
    }

    #[test]
    fn the_scheme_gives_tls_and_port() {
        let http = upstream("http://staging");
        assert_eq!((http.tls, http.port, http.host.as_str()), (false, 80, "staging"));
        let https = upstream("https://staging");
        assert_eq!((https.tls, https.port), (true, 443));
        assert_eq!(upstream("https://staging:8443").port, 8443);
    }

    #[test]
    fn a_missing_scheme_is_http() {
        let plain = upstream("staging:8080");
        assert_eq!(
            (plain.tls, plain.port, plain.host.as_str()),
            (false, 8080, "staging")
        );
        assert_eq!(upstream("10.0.0.9").name(), "http://10.0.0.9");
        assert_eq!(upstream("[::1]:8080/x").name(), "http://[::1]:8080/x");
    }

    #[test]
    fn ipv6_hosts_lose_their_brackets_and_names_have_them() {
        let six = upstream("http://[2001:db8::1]:8080");
        assert_eq!((six.host.as_str(), six.port), ("2001:db8::1", 8080));
        assert_eq!(six.name(), "http://[2001:db8::1]:8080");
    }

    #[test]
    fn a_path_is_a_prefix_and_a_mere_slash_is_none() {
        assert_eq!(upstream("http://staging/").path_prefix, "");
        assert_eq!(upstream("http://staging/v2/").path_prefix, "/v2");
        assert_eq!(upstream("http://staging/v2/%20x").path_prefix, "/v2/%20x");
        assert_eq!(upstream("http://staging/@v2").path_prefix, "/@v2");
    }

    #[test]
    fn userinfo_becomes_basic_auth_and_never_part_of_the_name() {
        let with = upstream("http://Aladdin:open%20sesame@staging:8080/x");
        assert_eq!(
            with.authorization,
            Some(Secret("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned()))
        );
        assert_eq!(with.name(), "http://staging:8080/x");
        assert!(!format!("{with:?}").contains("QWxh"));
        assert_eq!(
            upstream("http://user@staging").authorization,
            Some(Secret("Basic dXNlcjo=".to_owned()))
        );
    }

    #[test]
    fn userinfo_that_basic_auth_cannot_carry_is_refused() {
        assert!(problem("http://a%3Ab:c@staging").contains("colon"));
        assert!(problem("http://a:b%0d%0ax@staging").contains("control"));
        assert!(problem("http://a:%zz@staging").contains("percent-encoded"));
        assert!(problem("http://a:%4@staging").contains("percent-encoded"));
    }

    #[test]
    fn no_message_repeats_userinfo() {
        for text in [
            "http://user:hunter2@staging:0",
            "http://user:hunter2@",
            "user:hunter2@:x",
            "ftp://user:hunter2@a",
        ] {
            assert!(!problem(text).contains("hunter2"), "{text}");
            assert!(!without_userinfo(text).contains("hunter2"), "{text}");
        }
        assert_eq!(without_userinfo("http://user:p@ss@staging:0"), "***@staging:0");
    }

    #[test]
    fn queries_fragments_and_other_schemes_are_refused_with_a_reason() {
        assert!(problem("http://staging/?a=b").contains("each request has its own"));
        assert!(problem("http://staging/#a").contains("fragment"));
        assert!(problem("ws://staging").contains("'ws' is not a scheme"));
    }

    #[test]
    fn hosts_and_ports_that_cannot_be_are_refused() {
        for text in [
            "http://staging:0",
            "http://staging:65536",
            "http://staging:x",
            "http://staging:",
        ] {
            assert!(Upstream::parse(text).is_err(), "{text}");
        }
        assert!(problem("http://0.0.0.0:8080").contains("127.0.0.1"));
        assert!(problem("http://[::]:8080").contains("127.0.0.1"));
        for text in [
            "",
            "http://",
            "http:///x",
            "http://a b",
            "http://[::1",
            "http://é",
            "/x",
            "http://a%20b",
        ] {
            assert!(Upstream::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(https?://)?\\PC*") {
            let _ = Upstream::parse(&text);
        }

        #[test]
        fn a_name_reads_back_as_the_same_upstream(
            text in "(https?://)?([a-z][a-z0-9.-]{0,9}|\\[::[1-9]\\]|10\\.0\\.0\\.[1-9])(:[1-9][0-9]{0,3})?(/[a-z0-9@:]{0,5}){0,3}",
        ) {
            let first = Upstream::parse(&text).unwrap();
            prop_assert_eq!(Upstream::parse(&first.name()), Ok(first));
        }
    }
}

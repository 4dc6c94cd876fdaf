//! URLs of one's own: a server builds them from the `Host` it was asked under, and the shadow is asked under another.
//!
//! In a text, what stands behind `//` is an authority (RFC 3986 section 3.2) up to the first byte that cannot be in one. Where it
//! is, whole, the host that production was asked under, or the one that the other was, both are taken for the same. So is one of
//! them that stands by itself: with its port anywhere, without one where it is all of the text. So is the `Domain` of a cookie.
//! Any other host stays what it is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::cookie_attributes::worth;
use super::head::Head;
use super::mapped::Mapped;

/// Longest host, with its port, that is looked for: the longest name, and a port (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 255 + 6;

/// The hosts that others than production are asked under; `None` where it is production's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// The shadow's.
    pub shadow: Option<String>,
    /// The control's.
    pub control: Option<String>,
}

/// The request that two answers answer, and the names of both sides.
#[derive(Clone, Copy, Debug)]
pub struct CompareContext<'a> {
    /// The endpoint, such as `GET /users/{id}`: some rules hold for one alone.
    pub endpoint: &'a str,
    /// The method.
    pub method: &'a [u8],
    /// The head of the request as production got it; empty where nobody knows.
    pub head: &'a [u8],
    /// The host that the other one was asked under; `None` where it is production's.
    pub host: Option<&'a str>,
    /// Which of the other one's identifiers are which of production's, where that is known.
    pub mapped: Option<Mapped<'a>>,
    /// The host that the first one was asked under; `None` where it is production's, as it is unless two others are compared.
    pub first_host: Option<&'a str>,
}

/// The names of the one host, in lower case and without a port that says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostAliases(BTreeSet<String>);

impl HostAliases {
    /// The hosts of both sides; nothing where they are the same.
    pub fn of(question: &CompareContext<'_>) -> Self {
        if question.host.is_none() && question.first_host.is_none() {
            return Self::default();
        }
        let head = Head::new(question.head);
        let production = head.first("host").and_then(|host| std::str::from_utf8(host).ok());
        let (Some(first), Some(other)) = (question.first_host.or(production), question.host.or(production))
        else {
            return Self::default();
        };
        let is_host =
            |host: &&str| !host.is_empty() && host.len() <= MAX_HOST && host.bytes().all(in_authority);
        let names: BTreeSet<String> = [first, other]
            .iter()
            .filter(|host| is_host(host))
            .map(|host| plain(host))
            .collect();
        if names.len() < 2 {
            return Self::default();
        }
        Self(names)
    }

    /// Whether two texts are the same but for these names in them. Costs time in their lengths.
    pub fn same(&self, a: &str, b: &str) -> bool {
        !self.0.is_empty() && self.around(a) == self.around(b)
    }

    /// Whether two lists of a cookie's attributes are the same but for these names as its domain.
    pub fn same_domain(&self, a: &str, b: &str) -> bool {
        let around = |attributes: &str| -> Vec<Option<String>> {
            let attributes = worth(attributes);
            attributes
                .split("; ")
                .map(|part| {
                    let domain = part.strip_prefix("domain=");
                    let domain = domain.map(|domain| domain.strip_prefix('.').unwrap_or(domain));
                    let is_ours =
                        domain.is_some_and(|domain| self.0.iter().any(|name| without_port(name) == domain));
                    (!is_ours).then(|| part.to_owned())
                })
                .collect()
        };
        !self.0.is_empty() && around(a) == around(b)
    }

    /// The pieces of a text that stand around these names.
    fn around<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let bytes = text.as_bytes();
        let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
        while at < bytes.len() {
            if !in_authority(bytes[at]) {
                at += 1;
                continue;
            }
            if is_slash(&bytes[at..]) {
                at += SLASH.len();
                continue;
            }
            let length = bytes[at..].iter().take_while(|byte| in_authority(**byte)).count();
            // Within the query of another URL a slash is encoded.
            let length = (0..length)
                .find(|by| is_slash(&bytes[at + by..]))
                .unwrap_or(length);
            // A run of ASCII, so it begins and ends between characters.
            let run = &text[at..at + length];
            // `\/\/` is how JSON in a page has it.
            let before = &text[..at];
            let in_url = || {
                before.ends_with("//")
                    || before.ends_with("\\/\\/")
                    || (before.len() >= 6 && is_slash(&bytes[at - 6..]) && is_slash(&bytes[at - 3..]))
            };
            let run = &*run.replace("%3A", ":").replace("%3a", ":");
            let by_itself = || has_port(run) || (length == bytes.len() && run.contains('.'));
            if length <= MAX_HOST && (in_url() || by_itself()) && self.0.contains(&plain(run)) {
                parts.push(&text[from..at]);
                from = at + length;
            }
            at += length;
        }
        parts.push(&text[from..]);
        parts
    }
}

/// A slash within the query of a URL.
const SLASH: &[u8; 3] = b"%2F";

fn is_slash(text: &[u8]) -> bool {
    text.get(..SLASH.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(SLASH))
}

/// Bytes of an authority in a URL, but for those that end one in a text more often than they stand in it.
fn in_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_~:@%[]".contains(&byte)
}

fn plain(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let without = [":80", ":443"].iter().find_map(|port| host.strip_suffix(port));
    without.map_or_else(|| host.clone(), str::to_owned)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether it is a name or an address, and a port behind it.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(name, port)| {
        !name.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(own: &str, other: Option<&str>) -> HostAliases {
        let head = format!("GET / HTTP/1.1\r\nhost: {own}\r\n\r\n");
        HostAliases::of(&CompareContext {
            endpoint: "GET /",
            method: b"GET",
            head: head.as_bytes(),
            host: other,
            mapped: None,
            first_host: None,
        })
    }

    #[test]
    fn only_a_whole_authority_is_one_of_the_names() {
        let hosts = one("Shop.example", Some("next:8080"));
        let url = "see <a href='https://shop.example/a//b?c'>";
        for same in [
            "see <a href='https://next:8080/a//b?c'>",
            "see <a href='https://SHOP.example:443/a//b?c'>",
        ] {
            assert!(hosts.same(url, same) && hosts.same(same, url), "{same}");
        }
        for other in [
            "see <a href='https://next:8081/a//b?c'>",
            "see <a href='https://next/a//b?c'>",
            "see <a href='https://evil.next:8080/a//b?c'>",
            "see <a href='https://next:8080.evil/a//b?c'>",
            "see <a href='https://me@next:8080/a//b?c'>",
            "see <a href='http://next:8080/a//b?c'>",
            "see <a href='https://next:8080/a//b?d'>",
            "see <a href='https:///a//b?c'>",
            "see <a href='https://\0/a//b?c'>",
        ] {
            assert!(!hosts.same(url, other) && !hosts.same(other, url), "{other}");
        }
        assert!(hosts.same(
            "\\\"http:\\/\\/shop.example\\/\\\"",
            "\\\"http:\\/\\/next:8080\\/\\\""
        ));
        assert!(hosts.same("//shop.example", "//next:8080"));
        assert!(hosts.same(
            "/login?to=https%3A%2F%2Fshop.example%2Fa",
            "/login?to=https%3A%2F%2Fnext%3A8080%2Fa"
        ));
        assert!(!hosts.same(
            "/login?to=https%3A%2F%2Fshop.example%2Fa",
            "/login?to=https%3A%2F%2Fnext%3A8081%2Fa"
        ));
    }

    #[test]
    fn a_host_by_itself_is_one_with_its_port_or_all_of_a_text() {
        let hosts = one("127.0.0.1:22001", Some("127.0.0.1:22002"));
        for text in ["HOST", "asked as HOST, twice: HOST", "{\"Host\":\"HOST\"}"] {
            let of = |host| text.replace("HOST", host);
            assert!(
                hosts.same(&of("127.0.0.1:22001"), &of("127.0.0.1:22002")),
                "{text}"
            );
            assert!(
                !hosts.same(&of("127.0.0.1:22001"), &of("127.0.0.1:22003")),
                "{text}"
            );
            assert!(
                !hosts.same(&of("127.0.0.1:22001"), &of("x127.0.0.1:22002")),
                "{text}"
            );
        }
        let hosts = one("shop.example", Some("next.example"));
        assert!(hosts.same("shop.example", "next.example"));
        assert!(!hosts.same("by shop.example", "by next.example"));
        // Words rather than hosts.
        assert!(!one("old", Some("new")).same("old", "new"));
    }

    #[test]
    fn two_others_than_production_have_hosts_of_their_own() {
        let hosts = HostAliases::of(&CompareContext {
            endpoint: "GET /",
            method: b"GET",
            head: b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
            host: Some("control:2"),
            first_host: Some("next:1"),
            mapped: None,
        });
        assert!(hosts.same("//next:1/a", "//control:2/a"));
        assert!(!hosts.same("//shop.example/a", "//control:2/a"));
    }

    #[test]
    fn a_domain_is_a_host_without_its_port() {
        let hosts = one("shop.example:8443", Some("next:8080"));
        assert!(hosts.same_domain("domain=.shop.example; path=/", "domain=next; path=/"));
        assert!(!hosts.same_domain("domain=shop.example; path=/", "domain=other; path=/"));
        assert!(!hosts.same_domain("domain=shop.example; path=/", "domain=next; path=/a"));
        assert!(!hosts.same_domain("domain=shop.example; path=/", "path=/"));
    }

    #[test]
    fn there_is_nothing_to_take_for_the_same_where_hosts_are() {
        for (own, other) in [
            ("a", None),
            ("a", Some("A:80")),
            ("", Some("b")),
            ("a b", Some("b")),
            ("a/", Some("b")),
            (&*"a".repeat(300), Some("b")),
        ] {
            let hosts = one(own, other);
            assert_eq!(hosts, HostAliases::default(), "{own} {other:?}");
            assert!(!hosts.same("//a", "//a"));
        }
    }
}

//! URLs of one's own: a server builds them from the `Host` it was asked under, and the shadow is asked under another.
//!
//! In a text, what stands behind `//` is an authority (RFC 3986 section 3.2) up to the first byte that cannot be in one. Where it
//! is, whole, the host that production was asked under, or the one that the other was, both are taken for the same. So is the
//! `Domain` of a cookie. Any other host stays what it is.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use shadow_correlate::Map;

use super::head::Head;

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

/// What two answers answer.
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
    pub mapped: Option<&'a Mutex<Map>>,
}

/// The names of the one host, in lower case and without a port that says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostAliases(BTreeSet<String>);

impl HostAliases {
    /// The hosts of both sides; nothing where they are the same.
    pub fn of(question: &CompareContext<'_>) -> Self {
        let Some(other) = question.host else {
            return Self::default();
        };
        let own = Head::new(question.head);
        let Some(own) = own.first("host").and_then(|host| std::str::from_utf8(host).ok()) else {
            return Self::default();
        };
        let is_host =
            |host: &&str| !host.is_empty() && host.len() <= MAX_HOST && host.bytes().all(in_authority);
        let names: BTreeSet<String> = [own, other]
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
            let parts = attributes.split("; ");
            parts
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

    /// What stands around these names in a text.
    fn around<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let bytes = text.as_bytes();
        let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
        while let Some(found) = memchr::memchr(b'/', &bytes[at..]) {
            let slash = at + found;
            at = slash + 1;
            let rest = &bytes[at..];
            // `\/\/` is how JSON in a page has it.
            let begin = if rest.starts_with(b"/") {
                at + 1
            } else if rest.starts_with(b"\\/") && slash > 0 && bytes[slash - 1] == b'\\' {
                at + 2
            } else {
                continue;
            };
            let length = bytes[begin..]
                .iter()
                .take_while(|byte| in_authority(**byte))
                .count();
            let end = begin + length;
            // A run of ASCII, so it ends between characters.
            if length <= MAX_HOST && self.0.contains(&plain(&text[begin..end])) {
                parts.push(&text[from..begin]);
                from = end;
            }
            at = at.max(end);
        }
        parts.push(&text[from..]);
        parts
    }
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
        assert!(!hosts.same("shop.example", "next:8080"));
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

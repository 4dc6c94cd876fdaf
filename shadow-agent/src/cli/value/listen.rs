//! Addresses to listen on: `127.0.0.1:9400`, `:9400`, `[::1]:9400`; for VXLAN also a port alone.

use std::net::SocketAddr;

use crate::settings::Listen;

/// Parses an address to listen on. A host name is none: what it resolves to may change under a run.
///
/// # Errors
///
/// For another syntax, host names among it.
pub fn listen(text: &str) -> Result<Listen, String> {
    const SYNTAX: &str =
        "not an address to listen on: write 127.0.0.1:9400, [::1]:9400 or :9400 for any address";
    if let Some(port) = text.strip_prefix(':') {
        // `u16::from_str` takes a sign, too.
        return match port.parse() {
            Ok(port) if !text.contains('+') => Ok(Listen::Any(port)),
            _ => Err(SYNTAX.to_owned()),
        };
    }
    text.parse::<SocketAddr>()
        .map(Listen::Address)
        .map_err(|_| SYNTAX.to_owned())
}

/// Parses where VXLAN datagrams are sent to: `4789`, as `GoReplay` has it, or an address to listen on.
///
/// # Errors
///
/// For another syntax, and for port 0.
pub fn vxlan_listen(text: &str) -> Result<Listen, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits {
        listen(&format!(":{text}"))
    } else {
        listen(text)
    };
    match parsed {
        Ok(Listen::Any(port)) if port != 0 => parsed,
        Ok(Listen::Address(address)) if address.port() != 0 => parsed,
        _ => Err("not a UDP port or an address with one: write 4789, 10.0.0.5:4789 or [::1]:4789".to_owned()),
    }
}

/// The same, with `localhost:PORT` as the name of 127.0.0.1, which it is everywhere.
///
/// # Errors
///
/// As [`listen`].
pub fn listen_or_localhost(text: &str) -> Result<Listen, String> {
    match text.strip_prefix("localhost:") {
        Some(port) => listen(&format!("127.0.0.1:{port}")),
        None => listen(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_of_either_family_or_just_a_port() {
        assert_eq!(listen(":9400"), Ok(Listen::Any(9400)));
        for text in ["127.0.0.1:9400", "[::1]:9400", "0.0.0.0:1"] {
            assert_eq!(listen(text), Ok(Listen::Address(text.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for text in [
            "",
            ":",
            "9400",
            ":+1",
            ":65536",
            "::1:9400",
            "localhost:9400",
            "127.0.0.1",
        ] {
            assert!(
                listen(text).unwrap_err().contains(":9400 for any address"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_vxlan_port_may_stand_alone() {
        assert_eq!(vxlan_listen("4789"), Ok(Listen::Any(4789)));
        assert_eq!(vxlan_listen(":4789"), Ok(Listen::Any(4789)));
        assert_eq!(
            vxlan_listen("127.0.0.1:4789"),
            Ok(Listen::Address("127.0.0.1:4789".parse().unwrap()))
        );
        for text in ["", "0", ":0", "127.0.0.1:0", "65536", "vxlan", "127.0.0.1"] {
            assert!(vxlan_listen(text).unwrap_err().contains("write 4789"), "{text}");
        }
    }

    #[test]
    fn localhost_is_loopback_where_it_may_be_named() {
        let loopback = Listen::Address("127.0.0.1:80".parse().unwrap());
        assert_eq!(listen_or_localhost("localhost:80"), Ok(loopback));
        assert_eq!(listen_or_localhost(":80"), Ok(Listen::Any(80)));
        assert!(listen_or_localhost("localhost").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*") {
            let _ = listen(&text);
        }
    }
}

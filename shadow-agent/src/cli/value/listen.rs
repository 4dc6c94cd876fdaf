//! Addresses to listen on: `127.0.0.1:9400`, `:9400`, `[::1]:9400`.

use std::net::SocketAddr;

use crate::settings::Listen;

/// Parses an address to listen on. A host name is none: what it resolves to may change under a run.
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

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*") {
            let _ = listen(&text);
        }
    }
}

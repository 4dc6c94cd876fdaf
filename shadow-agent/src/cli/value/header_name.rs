//! Names of headers that the agent sets, and the suffix for hosts.

use http::HeaderName;

/// Fields that ordinary requests carry: as a marker they would keep production's own requests back, or break
/// the copies.
const TAKEN: [&str; 14] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Checks the name of the marker header (a token, RFC 9110 section 5.1); its case is kept.
///
/// # Errors
///
/// For what is no field name, and for one that ordinary requests carry.
pub fn marker_name(text: &str) -> Result<String, String> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| "not a header field name: write letters, digits and dashes, such as X-Shadow-Request")?;
    if TAKEN.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(
            "ordinary requests carry this header, and a request with the marker is never mirrored: choose a \
             name of your own, such as X-Shadow-Request"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// Fields that say where a message ends, whom it is for, or what a hop may do with it.
const OF_THE_MESSAGE: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-shadow-incomplete",
];

/// Checks the name of a header that is set to the client's address; its case is kept.
///
/// # Errors
///
/// For what is no field name, and for one that frames the message.
pub fn client_header(text: &str) -> Result<String, String> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| "not a header field name: write letters, digits and dashes, such as X-Real-IP")?;
    if OF_THE_MESSAGE.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(
            "this header is part of the message framing: choose another, such as X-Real-IP".to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// Checks a suffix for the host in the Host header.
///
/// # Errors
///
/// For nothing, and for bytes that no host name has.
pub fn host_suffix(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err("not a host suffix: write letters, digits, dots and dashes, such as -shadow".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_a_field_name_in_the_case_typed() {
        assert_eq!(marker_name("X-Kage-Sandbox"), Ok("X-Kage-Sandbox".to_owned()));
        for text in ["", "a b", "a:", "a\r\nb", "é"] {
            assert!(
                marker_name(text).unwrap_err().contains("not a header field name"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_marker_that_production_sends_anyway_is_refused() {
        assert!(marker_name("Host").unwrap_err().contains("ordinary requests"));
        assert!(
            marker_name("USER-AGENT")
                .unwrap_err()
                .contains("ordinary requests")
        );
    }

    #[test]
    fn a_client_header_is_any_field_that_the_message_does_not_need() {
        assert_eq!(client_header("X-Real-IP"), Ok("X-Real-IP".to_owned()));
        assert_eq!(client_header("forwarded-for"), Ok("forwarded-for".to_owned()));
        assert!(
            client_header("a b")
                .unwrap_err()
                .contains("not a header field name")
        );
        for text in ["Host", "content-length", "Transfer-Encoding", "Connection"] {
            assert!(
                client_header(text)
                    .unwrap_err()
                    .contains("part of the message framing"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_host_suffix_cannot_add_anything_but_a_name() {
        assert_eq!(host_suffix("-shadow"), Ok("-shadow".to_owned()));
        assert_eq!(
            host_suffix(".staging.internal"),
            Ok(".staging.internal".to_owned())
        );
        for text in ["", ":80", "a b", "\r\n", "/x"] {
            assert!(host_suffix(text).is_err(), "{text}");
        }
    }
}

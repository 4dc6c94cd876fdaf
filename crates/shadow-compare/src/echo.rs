//! Echoes: an answer that repeats the request says what the agent did to its copy, and nothing about the release.
//!
//! A copy lacks what belongs to production's connection (RFC 9110 section 7.6.1), and has fields of the agent's own. Where a
//! member of JSON is called as such a field, it was repeated: the field that production's answer has and the shadow could not
//! know, with the value that the request had, or one that only the shadow was sent. Servers spell names in their own ways:
//! `Connection`, `connection`, `HTTP_CONNECTION`.

use super::Kind;
use super::display_value::DisplayValue;
use super::head::{Head, field, lines};

/// Fields that are left out of each copy, in lower case; those that `Connection` names are as well.
const LEFT_OUT: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "te", "upgrade"];
/// Where names of the agent's own fields begin: the marker's, and those about pods.
const OWN: &str = "x-shadow-";

/// Whether a difference at `path`, of an answer to the request with this head, is an echo.
pub(super) fn is_echo(request: &[u8], path: &str, kind: Kind, production: DisplayValue<'_>) -> bool {
    let Some(name) = member(path).map(field_name) else {
        return false;
    };
    match kind {
        Kind::Extra => name.starts_with(OWN),
        Kind::Missing => {
            let is_left_out = || {
                LEFT_OUT.contains(&name.as_str()) || Head::new(request).of_connection().any(|of| of == name)
            };
            // Lists of values, as some servers have it, are no strings.
            let repeats = |value: &[u8]| production.string().is_none_or(|text| text.as_bytes() == value);
            let mut fields = lines(request).skip(1).map(field);
            is_left_out()
                && fields.any(|(own, value)| own.eq_ignore_ascii_case(name.as_bytes()) && repeats(value))
        }
        _ => false,
    }
}

/// The name of the member of JSON that `path` ends with.
pub(super) fn member(path: &str) -> Option<&str> {
    if !path.starts_with('$') {
        return None;
    }
    if let Some(quoted) = path.strip_suffix("']") {
        return quoted.rsplit_once("['").map(|(_, name)| name);
    }
    path.rsplit_once('.').map(|(_, name)| name)
}

/// The field that is called so: in lower case, as it is on the wire.
fn field_name(member: &str) -> String {
    let name = member.to_ascii_lowercase().replace('_', "-");
    name.strip_prefix("http-").map(str::to_owned).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] =
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 7\r\nX-End: 8\r\n\r\n";

    #[test]
    fn what_is_left_out_of_copies_is_no_difference_of_the_release() {
        for (path, value) in [
            ("$.headers.Connection", "keep-alive, X-Hop"),
            ("$.headers.connection", "keep-alive, X-Hop"),
            ("$.env.HTTP_CONNECTION", "keep-alive, X-Hop"),
            ("$[*]['X-Hop']", "7"),
        ] {
            assert!(
                is_echo(REQUEST, path, Kind::Missing, DisplayValue::Text(value)),
                "{path}"
            );
        }
    }

    #[test]
    fn what_only_copies_have_is_none_either() {
        for path in [
            "$.headers.X-Shadow-Request",
            "$.x_shadow_source_pod",
            "$.HTTP_X_SHADOW_REQUEST",
        ] {
            assert!(
                is_echo(REQUEST, path, Kind::Extra, DisplayValue::Absent),
                "{path}"
            );
        }
    }

    #[test]
    fn what_the_release_does_itself_counts() {
        for (path, kind, value) in [
            // Not what the request had, or not what is left out.
            ("$.headers.Connection", Kind::Missing, "close"),
            ("$.headers.X-End", Kind::Missing, "8"),
            ("$.te", Kind::Missing, "trailers"),
            ("$.headers.Connection", Kind::Value, "keep-alive, X-Hop"),
            ("$.headers.Connection", Kind::Extra, ""),
            ("$.headers.X-Shadow-Request", Kind::Missing, "1"),
            ("html p.connection", Kind::Missing, "keep-alive, X-Hop"),
            ("header.connection", Kind::Missing, "keep-alive, X-Hop"),
            ("$", Kind::Missing, ""),
        ] {
            assert!(!is_echo(REQUEST, path, kind, DisplayValue::Text(value)), "{path}");
        }
    }
}

//! Secrets that are hidden in examples by their names, beside the headers that recordings hide: whoever reads a report is seldom
//! meant to have a user's token. Values are compared all the same; here is only what is shown of them.

use std::ops::Range;

use serde_json::Value;
use shadow_mirror::rules::has_hash;

use crate::Difference;
use crate::secrets::{
    has_word, holds_secret, in_challenge, in_form, in_link, is_common, is_named_value, is_secret_field,
    is_secret_member, is_secret_parameter, names_secret, replaced,
};

/// The text that stands in place of a value.
const HIDDEN: &str = "(hidden)";

/// A head, its lines ending in `\n`, without secrets in its target and in its fields.
pub(super) fn hide_in_head(head: &str) -> String {
    let mut lines = head.split('\n');
    let first = lines.next().unwrap_or_default();
    // Method, target, version: a status line has no link.
    let words: Vec<String> = first.split(' ').map(hide_in_link).collect();
    let mut text = words.join(" ");
    for line in lines {
        text.push('\n');
        match line.split_once(':') {
            // What recordings hide has its hash already, which tells equal values.
            Some((name, value)) if is_secret_field(name.as_bytes()) && is_worth_hiding(value) => {
                text.extend([name, ": ", HIDDEN]);
            }
            Some((name, value)) => text.extend([name, ":", hide_in_field(name, value).as_str()]),
            None => text.push_str(line),
        }
    }
    text
}

/// Whether a value says anything that must not be known, whatever it is called.
fn is_worth_hiding(value: &str) -> bool {
    !has_hash(value.as_bytes()) && !is_common(value)
}

/// Whether a member's value does.
fn is_member_worth_hiding(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::String(text) => !is_common(text),
        _ => true,
    }
}

/// The value of a field without secrets.
fn hide_in_field(name: &str, value: &str) -> String {
    let places = in_challenge(name.as_bytes(), value.as_bytes());
    if places.is_empty() {
        hide_in_link(value)
    } else {
        hide(value, &places)
    }
}

/// A request target, a link, or text with links in it, without secrets.
fn hide_in_link(link: &str) -> String {
    hide(link, &in_link(link.as_bytes()))
}

/// `name=value` pairs without secrets.
pub(super) fn hide_in_form(form: &str) -> String {
    let mut places = Vec::new();
    in_form(form.as_bytes(), |is_secret, place| {
        if is_secret {
            places.push(place);
        }
    });
    hide(form, &places)
}

fn hide(text: &str, places: &[Range<usize>]) -> String {
    let hidden = replaced(text.as_bytes(), places, |_| HIDDEN.to_owned());
    String::from_utf8_lossy(&hidden).into_owned()
}

/// Text of which nobody knows where a secret in it begins and ends: the lines that may hold one are left out, and of a part of a
/// multipart form (RFC 7578) that is called so, all lines up to the next part.
pub(super) fn hide_in_text(text: &str) -> String {
    let mut in_part = false;
    let lines = text.split('\n').map(|line| {
        in_part = (in_part && !line.starts_with("--")) || names_secret_part(line);
        if in_part || has_word(line.as_bytes()) {
            HIDDEN.to_owned()
        } else {
            hide_in_link(line)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether a line is the field that names a part of a form, and says that it is a secret.
fn names_secret_part(line: &str) -> bool {
    const FIELD: &str = "content-disposition:";
    line.get(..FIELD.len())
        .is_some_and(|name| name.eq_ignore_ascii_case(FIELD))
        && line.split(';').any(|parameter| {
            let value = parameter.trim().strip_prefix("name=");
            value.is_some_and(|name| is_secret_parameter(name.trim_matches('"').as_bytes()))
        })
}

/// Hides the values of members whose names say that they are secrets, and those that hold one. As deep as JSON is read.
pub(super) fn hide_in_json(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let is_pair = is_secret_pair(members);
            for (name, value) in members {
                if is_secret_member(name) || is_pair && is_named_value(name) {
                    if is_member_worth_hiding(value) {
                        *value = Value::from(HIDDEN);
                    }
                } else {
                    hide_in_json(value);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(hide_in_json),
        Value::String(text) => {
            if has_word(text.as_bytes()) && holds_secret(text.as_bytes()) {
                HIDDEN.clone_into(text);
            } else {
                *text = hide_in_link(text);
            }
        }
        _ => {}
    }
}

fn is_secret_pair(members: &serde_json::Map<String, Value>) -> bool {
    let text = |value: &Value, name: &str| value.as_str().is_some_and(|text| names_secret(name, text));
    members.iter().any(|(name, value)| text(value, name))
}

/// Whether somewhere in it is a pair such as `{"name": "password", "value": "..."}`.
pub(super) fn has_secret_pair(value: &Value) -> bool {
    match value {
        Value::Object(members) => is_secret_pair(members) || members.values().any(has_secret_pair),
        Value::Array(elements) => elements.iter().any(has_secret_pair),
        _ => false,
    }
}

/// Hides the values of a difference whose place, or whose values, say that they are secrets. `pairs`: there is a
/// [secret pair](has_secret_pair) in one of the bodies, and any value of a pair may be its.
pub(super) fn hide_in_difference(difference: &mut Difference, pairs: bool) {
    let is_secret_step = |step: &str| {
        let name = step.split('[').next().unwrap_or_default();
        is_secret_member(name) || pairs && is_named_value(name)
    };
    let path = &*difference.path;
    let field = path.strip_prefix("header.");
    let place = has_word(path.as_bytes())
        || path.starts_with('$') && path.split('.').any(is_secret_step)
        || field.is_some_and(|name| is_secret_field(name.as_bytes()))
        || path
            .strip_prefix("form.")
            .is_some_and(|name| is_secret_parameter(name.as_bytes()))
        || path
            .split_once("[name=")
            .and_then(|(_, name)| name.split_once(']'))
            .is_some_and(|(name, _)| is_secret_parameter(name.as_bytes()));
    for value in [&mut difference.production, &mut difference.shadow] {
        let Some(text) = value else { continue };
        if (place && is_worth_hiding(text)) || has_word(text.as_bytes()) {
            HIDDEN.clone_into(text);
        } else {
            *text = hide_in_field(field.unwrap_or_default(), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn targets_fields_and_links_lose_their_secrets_and_nothing_else() {
        let head = "GET /a?page=2&Access_Token=x&code=y HTTP/1.1\nHost: a\nX-Auth-Token: z\nReferer: http://b/?sid=1&q=2";
        assert_eq!(
            hide_in_head(head),
            "GET /a?page=2&Access_Token=(hidden)&code=(hidden) HTTP/1.1\nHost: a\nX-Auth-Token: (hidden)\nReferer: \
             http://b/?sid=(hidden)&q=2"
        );
    }

    #[test]
    fn a_value_that_many_things_have_is_no_secret() {
        assert_eq!(
            hide_in_head(
                "HTTP/1.1 200 OK\nAccess-Control-Allow-Credentials: true\nX-Api-Key: *\nX-Session: none2"
            ),
            "HTTP/1.1 200 OK\nAccess-Control-Allow-Credentials: true\nX-Api-Key: *\nX-Session: (hidden)"
        );
        let mut json = serde_json::json!({"has_password": true, "token": null, "secret": "no", "session": 1});
        hide_in_json(&mut json);
        assert_eq!(
            json,
            serde_json::json!({"has_password": true, "token": null, "secret": "no", "session": "(hidden)"})
        );
        let mut difference = Difference {
            path: "header.access-control-allow-credentials".to_owned(),
            kind: Kind::Value,
            production: Some("true".to_owned()),
            shadow: Some("a1b2".to_owned()),
        };
        hide_in_difference(&mut difference, false);
        assert_eq!(
            (difference.production.as_deref(), difference.shadow.as_deref()),
            (Some("true"), Some("(hidden)"))
        );
    }

    #[test]
    fn no_field_shows_a_user_of_a_link_or_what_a_link_within_says() {
        for (shown, expected) in [
            (
                "GET http://ann:pw@b:80/?a@b HTTP/1.1",
                "GET http://(hidden)@b:80/?a@b HTTP/1.1",
            ),
            ("CONNECT ann:pw@b:443 HTTP/1.1", "CONNECT (hidden)@b:443 HTTP/1.1"),
            (
                "GET /a;jsessionid=x?b=1 HTTP/1.1",
                "GET /a;jsessionid=(hidden)?b=1 HTTP/1.1",
            ),
            ("GET /a//b@c HTTP/1.1", "GET /a//b@c HTTP/1.1"),
            (
                "GET /in?next=https%3A%2F%2Fann%3Apw%40b%2F&q=a%40b HTTP/1.1",
                "GET /in?next=(hidden)&q=a%40b HTTP/1.1",
            ),
            ("Location: https://ann@b/", "Location: https://(hidden)@b/"),
            ("Content-Location: //ann:p@w@b", "Content-Location: //(hidden)@b"),
            (
                "Referer: https://b/#access_token=x",
                "Referer: https://b/#access_token=(hidden)",
            ),
            (
                "Refresh: 5; url=https://ann:pw@b/?sid=x",
                "Refresh: 5; url=https://(hidden)@b/?sid=(hidden)",
            ),
            (
                "Refresh: 0;url=/in;session=x",
                "Refresh: 0;url=/in;session=(hidden)",
            ),
            (
                "Link: <https://a/>; rel=x, <https://ann:pw@b/>",
                "Link: <https://a/>; rel=x, <https://(hidden)@b/>",
            ),
            (
                "Authentication-Info: nextnonce=\"x\"",
                "Authentication-Info: (hidden)",
            ),
            (
                "X-Forwarded-Authorization: Bearer x",
                "X-Forwarded-Authorization: (hidden)",
            ),
            ("Set-Cookie2: sid=x; Version=1", "Set-Cookie2: (hidden)"),
            (
                "WWW-Authenticate: Negotiate YII/x==",
                "WWW-Authenticate: Negotiate (hidden)",
            ),
            (
                "WWW-Authenticate: Basic realm=\"a\"",
                "WWW-Authenticate: Basic realm=\"a\"",
            ),
            (
                "Cookie: redacted-0123456789abcdef",
                "Cookie: redacted-0123456789abcdef",
            ),
        ] {
            let text = hide_in_head(&format!("GET / HTTP/1.1\n{shown}"));
            let line = if shown.ends_with("HTTP/1.1") {
                hide_in_head(shown)
            } else {
                text["GET / HTTP/1.1\n".len()..].to_owned()
            };
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn a_part_of_a_form_that_is_called_a_secret_shows_nothing() {
        let text = "--b\r\nContent-Disposition: form-data; name=\"otp\"\r\n\r\n123\n456\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"q\"\r\n\r\nx\r\n--b--";
        assert_eq!(
            hide_in_text(text),
            "--b\r\n(hidden)\n(hidden)\n(hidden)\n(hidden)\n--b\r\n\
             Content-Disposition: form-data; name=\"q\"\r\n\r\nx\r\n--b--"
        );
    }

    #[test]
    fn a_value_beside_the_name_of_a_secret_is_hidden() {
        let mut value = serde_json::json!([
            {"name": "password", "type": "text", "value": "x"},
            {"key": "Cookie", "values": ["x"]},
            {"name": "Secret Garden", "value": 7},
            {"name": "q", "value": "https://ann:pw@b/"},
        ]);
        assert!(has_secret_pair(&value));
        hide_in_json(&mut value);
        let expected = serde_json::json!([
            {"name": "password", "type": "text", "value": "(hidden)"},
            {"key": "Cookie", "values": "(hidden)"},
            {"name": "Secret Garden", "value": 7},
            {"name": "q", "value": "https://(hidden)@b/"},
        ]);
        assert_eq!(value, expected);
    }

    #[test]
    fn lines_that_may_hold_one_are_left_out_of_what_cannot_be_read() {
        assert_eq!(hide_in_text("a\n{\"token\":\"x"), "a\n(hidden)");
    }

    #[test]
    fn members_lose_their_values_at_any_depth() {
        let mut value = serde_json::json!({"user": {"password": "x", "name": "Ada"}, "all": [{"apiKey": 1}]});
        hide_in_json(&mut value);
        let expected = serde_json::json!({"user": {"password": "(hidden)", "name": "Ada"}, "all": [{"apiKey": "(hidden)"}]});
        assert_eq!(value, expected);
    }

    #[test]
    fn a_difference_at_a_secret_or_in_what_holds_one_shows_no_values() {
        let hidden_of = |path: &str, value: &str, pairs: bool| {
            let mut difference = Difference {
                path: path.to_owned(),
                kind: Kind::Value,
                production: Some(value.to_owned()),
                shadow: None,
            };
            hide_in_difference(&mut difference, pairs);
            difference.production.unwrap()
        };
        let hidden = |path: &str, value: &str| hidden_of(path, value, false);
        assert_eq!(hidden_of("$.fields[*].value", "abc", true), HIDDEN);
        assert_eq!(hidden("$.fields[*].value", "abc"), "abc");
        assert_eq!(hidden("$.headers.Authorization", "Bearer x"), HIDDEN);
        assert_eq!(hidden("header.www-authenticate", "NTLM TlRM"), "NTLM (hidden)");
        assert_eq!(
            hidden("header.location", "https://ann:pw@b/"),
            "https://(hidden)@b/"
        );
        assert_eq!(hidden("$.access_token", "abc"), HIDDEN);
        assert_eq!(hidden("$.login", r#"{"token":"abc"}"#), HIDDEN);
        assert_eq!(
            hidden("header.location", "/in?code=abc&page=1"),
            "/in?code=(hidden)&page=1"
        );
        assert_eq!(hidden("$.price", "10"), "10");
    }
}

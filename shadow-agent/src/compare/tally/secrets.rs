//! What is hidden in examples by its name, beside the headers that recordings hide: whoever reads a report is seldom meant to
//! have a user's token. Values are compared all the same; here is only what is shown of them.

use std::ops::Range;

use serde_json::Value;

use crate::compare::Difference;
use crate::compare::secrets::{has_word, in_form, in_query, is_secret_parameter, replaced};

/// What stands in place of a value.
const HIDDEN: &str = "(hidden)";

/// A head, its lines ending in `\n`, without secrets in its target and in its fields.
pub(super) fn hide_in_head(head: &str) -> String {
    let mut lines = head.split('\n');
    let first = lines.next().unwrap_or_default();
    // Method, target, version: a status line has no query.
    let words: Vec<String> = first.split(' ').map(hide_in_target).collect();
    let mut text = words.join(" ");
    for line in lines {
        text.push('\n');
        match line.split_once(':') {
            Some((name, _)) if has_word(name.as_bytes()) => text.extend([name, ": ", HIDDEN]),
            Some((name, value)) if is_link(name) => {
                text.extend([name, ":", hide_in_target(value).as_str()]);
            }
            _ => text.push_str(line),
        }
    }
    text
}

fn is_link(name: &str) -> bool {
    ["location", "referer", "link", "content-location"]
        .iter()
        .any(|link| link.eq_ignore_ascii_case(name))
}

/// A request target or a link without secrets in its query.
fn hide_in_target(target: &str) -> String {
    let mut places = Vec::new();
    in_query(target.as_bytes(), |place| places.push(place));
    hide(target, &places)
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

/// Text of which nobody knows where a secret in it begins and ends: the lines that may hold one are left out.
pub(super) fn hide_in_text(text: &str) -> String {
    let lines = text.split('\n');
    let lines = lines.map(|line| if has_word(line.as_bytes()) { HIDDEN } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// Hides the values of members whose names say that they are secrets. As deep as JSON is read.
pub(super) fn hide_in_json(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if has_word(name.as_bytes()) {
                    *value = Value::from(HIDDEN);
                } else {
                    hide_in_json(value);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(hide_in_json),
        _ => {}
    }
}

/// Hides the values of a difference whose place, or whose values, say that they are secrets.
pub(super) fn hide_in_difference(difference: &mut Difference) {
    let place = has_word(difference.path.as_bytes())
        || difference
            .path
            .strip_prefix("form.")
            .is_some_and(|name| is_secret_parameter(name.as_bytes()));
    for value in [&mut difference.production, &mut difference.shadow] {
        if value
            .as_deref()
            .is_some_and(|value| place || has_word(value.as_bytes()) || value.contains('?'))
        {
            *value = Some(match value.as_deref() {
                Some(text) if !place && !has_word(text.as_bytes()) => hide_in_target(text),
                _ => HIDDEN.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Kind;

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
        let hidden = |path: &str, value: &str| {
            let mut difference = Difference {
                path: path.to_owned(),
                kind: Kind::Value,
                production: Some(value.to_owned()),
                shadow: None,
            };
            hide_in_difference(&mut difference);
            difference.production.unwrap()
        };
        assert_eq!(hidden("$.access_token", "abc"), HIDDEN);
        assert_eq!(hidden("$.login", r#"{"token":"abc"}"#), HIDDEN);
        assert_eq!(
            hidden("header.location", "/in?code=abc&page=1"),
            "/in?code=(hidden)&page=1"
        );
        assert_eq!(hidden("$.price", "10"), "10");
    }
}

//! URLs that each side makes of the host that it was asked under.

use proptest::prelude::*;

use super::{answer, json, lines};
use crate::{Answer, CompareContext, Compared, RuleId, Rules, compare};

const HEAD: &[u8] = b"GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n";

fn with(rules: &Rules, production: &Answer, shadow: &Answer) -> Compared {
    let question = CompareContext {
        endpoint: "GET /a",
        method: b"GET",
        head: HEAD,
        host: Some("next:8080"),
        mapped: None,
        first_host: None,
    };
    compare(&question, production, shadow, rules)
}

fn by_host(compared: &Compared) -> Vec<&str> {
    assert!(compared.by_rule.iter().all(|(_, rule)| *rule == RuleId::Host));
    compared
        .by_rule
        .iter()
        .map(|(difference, _)| &*difference.path)
        .collect()
}

/// The answer of a release that builds its URLs from `host`.
fn built(host: &str, name: &str) -> Answer {
    answer(
        "201 Created",
        &format!(
            "Location: http://{host}/orders/1\nContent-Location: //{host}/orders/1\n\
             Link: <https://{host}/?page=2>; rel=next, <https://elsewhere.example/>; rel=help\n\
             Set-Cookie: a=b; Domain={name}; Path=/\nContent-Type: application/json"
        ),
        format!(
            r#"{{"self":"http:\/\/{host}\/orders\/1","html":"<a href=\"//{host}\">","other":"http://cdn.example"}}"#
        ),
    )
}

#[test]
fn each_sides_own_host_is_the_same() {
    let (production, shadow) = (built("shop.example", "shop.example"), built("next:8080", ".next"));
    let compared = with(&Rules::default(), &production, &shadow);
    assert_eq!(lines(&compared), [""; 0]);
    assert_eq!(
        by_host(&compared),
        [
            "header.content-location",
            "header.link",
            "header.location",
            "header.set-cookie.a",
            "$.html",
            "$.self"
        ]
    );
    let exact = with(&Rules::default().with_exact_hosts(true), &production, &shadow);
    assert_eq!((exact.differences.len(), exact.by_rule.len()), (6, 0));
    let words = "the own host of each side in URLs".to_owned();
    assert!(Rules::default().all_words().contains(&words));
    assert!(
        !Rules::default()
            .with_exact_hosts(true)
            .all_words()
            .contains(&words)
    );
}

#[test]
fn another_host_is_a_difference_wherever_it_stands() {
    let compared = with(
        &Rules::default(),
        &built("shop.example", "shop.example"),
        &built("evil.example", "evil.example"),
    );
    assert_eq!((compared.differences.len(), compared.by_rule.len()), (6, 0));
    let own = with(
        &Rules::default(),
        &json(r#"{"a":"http://shop.example/1","by":"at shop.example"}"#),
        &json(r#"{"a":"http://next:8080/2","by":"at next:8080"}"#),
    );
    assert_eq!(
        lines(&own),
        [
            r#"$.a value: "http://shop.example/1" -> "http://next:8080/2""#,
            r#"$.by value: "at shop.example" -> "at next:8080""#
        ]
    );
}

#[test]
fn a_line_with_another_host_hides_no_other_line() {
    let page = |host: &str, end: &str| {
        answer(
            "200 OK",
            "Content-Type: text/html",
            format!("<p>\n<a href=\"http://{host}/\">\n<b>\n{end}\n<img src=\"//{host}/i\">\n"),
        )
    };
    let compared = with(
        &Rules::default(),
        &page("shop.example", "x"),
        &page("next:8080", "x"),
    );
    let places = vec!["html p > a@href", "html p > a > b > img@src"];
    assert_eq!((lines(&compared), by_host(&compared)), (vec![], places.clone()));
    let compared = with(
        &Rules::default(),
        &page("shop.example", "x"),
        &page("next:8080", "y"),
    );
    assert_eq!(
        (lines(&compared), by_host(&compared)),
        (vec!["html p > a > b value: x -> y".to_owned()], places)
    );
}

/// Texts with hosts in them, of which two are the same.
fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "//",
        "\\/\\/",
        "http:",
        "shop.example",
        "next:8080",
        "other",
        ":80",
        "/",
        "\n",
        "<a>",
        "'",
        " ",
        "\\",
        "é",
    ]);
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn sides_can_change_places(a in text(), b in text(), media in "application/json|text/html|text/xml") {
        let body = |text: &str| match &*media {
            "application/json" => serde_json::json!({"a": text, "b": [text, 1]}).to_string(),
            _ => text.to_owned(),
        };
        let fields = |text: &str| {
            let text = text.replace('\n', "");
            format!("Location: {text}\nSet-Cookie: a=b; Domain={text}\nContent-Type: {media}")
        };
        let [a, b] = [&a, &b].map(|text| answer("200 OK", &fields(text), body(text)));
        let places = |compared: &Compared| {
            let mut places: Vec<_> = compared
                .differences
                .iter()
                .map(|one| (one.path.clone(), None))
                .chain(compared.by_rule.iter().map(|(one, rule)| (one.path.clone(), Some(*rule))))
                .collect();
            places.sort();
            places
        };
        let rules = Rules::default();
        prop_assert_eq!(places(&with(&rules, &a, &b)), places(&with(&rules, &b, &a)));
        prop_assert!(with(&rules, &a, &a).is_equal());
    }
}

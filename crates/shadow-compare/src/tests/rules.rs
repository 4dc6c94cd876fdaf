//! Rules, and the differences that they take away.

use std::time::Duration;

use super::{answer, json, lines, question};
use crate::{
    Answer, ArrayMatch, ArrayRule, CompareContext, Compared, IgnoreRule, PathPattern, RuleId, Rules,
    Tolerance, Within, compare,
};

fn path(text: &str) -> PathPattern {
    PathPattern::parse(text).unwrap()
}

fn ignoring(paths: &[&str]) -> Rules {
    let rules = paths.iter().map(|path| IgnoreRule::parse(path).unwrap());
    rules.fold(Rules::default(), Rules::with_ignore)
}

fn with(rules: &Rules, production: &Answer, shadow: &Answer) -> Compared {
    compare(&question("GET /a"), production, shadow, rules)
}

fn by_rule(compared: &Compared) -> Vec<(&str, RuleId)> {
    compared
        .by_rule
        .iter()
        .map(|(difference, rule)| (difference.path.as_str(), *rule))
        .collect()
}

#[test]
fn what_the_agent_does_to_copies_is_no_difference() {
    let asked = CompareContext {
        head: b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        ..question("GET /")
    };
    let own = json(r#"{"headers":{"Accept":"a","Connection":"keep-alive"}}"#);
    let echo = json(r#"{"headers":{"Accept":"b","X-Shadow-Request":"1"}}"#);
    let found = compare(&asked, &own, &echo, &Rules::default());
    assert_eq!(lines(&found), ["$.headers.Accept value: \"a\" -> \"b\""]);
    let by_rule: Vec<_> = found
        .by_rule
        .iter()
        .map(|(one, rule)| (&*one.path, *rule))
        .collect();
    assert_eq!(
        by_rule,
        [
            ("$.headers.Connection", RuleId::Echo),
            ("$.headers.X-Shadow-Request", RuleId::Echo)
        ]
    );
}

#[test]
fn what_is_ignored_is_told_with_its_rule() {
    let rules = ignoring(&["header.x-a", "$..at", "POST /a $.b"]);
    let production = answer(
        "200 OK",
        "Content-Type: application/json\nX-A: 1",
        r#"{"b":1,"c":{"at":1}}"#,
    );
    let shadow = answer(
        "200 OK",
        "Content-Type: application/json\nX-A: 2",
        r#"{"b":2,"c":{"at":{"x":1}}}"#,
    );
    let compared = with(&rules, &production, &shadow);
    assert_eq!(lines(&compared), ["$.b value: 1 -> 2"]);
    assert_eq!(
        by_rule(&compared),
        [("header.x-a", RuleId::Ignore(0)), ("$.c.at", RuleId::Ignore(1))]
    );
}

#[test]
fn another_status_code_cannot_be_ignored() {
    assert_eq!(
        IgnoreRule::parse("status").unwrap_err().to_string(),
        "`status` is not a path: differences of status codes cannot be ignored"
    );
}

#[test]
fn numbers_within_a_tolerance_do_not_count() {
    let rules = Rules::default()
        .with_tolerance(Tolerance {
            path: path("$.a"),
            within: Within::Absolute(0.5),
        })
        .with_tolerance(Tolerance {
            path: path("$.r[*]"),
            within: Within::Relative(0.01),
        });
    let near = with(
        &rules,
        &json(r#"{"a":1,"r":[100]}"#),
        &json(r#"{"a":1.5,"r":[101]}"#),
    );
    assert_eq!(lines(&near), [""; 0]);
    assert_eq!(
        by_rule(&near),
        [("$.a", RuleId::Tolerance(0)), ("$.r[*]", RuleId::Tolerance(1))]
    );
    let far = with(
        &rules,
        &json(r#"{"a":1,"r":[100]}"#),
        &json(r#"{"a":1.6,"r":[102]}"#),
    );
    assert_eq!(lines(&far), ["$.a value: 1 -> 1.6", "$.r[*] value: 100 -> 102"]);
    let other = with(&rules, &json(r#"{"a":1}"#), &json(r#"{"a":"1"}"#));
    assert_eq!(lines(&other), ["$.a type: 1 -> \"1\""]);
}

#[test]
fn times_near_each_other_do_not_count() {
    let (a, b) = (
        json(r#"{"at":"2026-11-24T10:00:00Z","n":1700000000}"#),
        json(r#"{"at":"2026-11-24T10:00:09Z","n":1700000001}"#),
    );
    let compared = with(&Rules::default(), &a, &b);
    assert_eq!(lines(&compared), ["$.n value: 1700000000 -> 1700000001"]);
    assert_eq!(by_rule(&compared), [("$.at", RuleId::Time)]);
    let strict = Rules::default().with_time_tolerance(Some(Duration::from_secs(5)));
    assert_eq!(with(&strict, &a, &b).by_rule, []);
    let none = Rules::default().with_time_tolerance(None);
    assert_eq!(with(&none, &a, &b).differences.len(), 2);
}

#[test]
fn arrays_are_matched_as_the_rule_says() {
    let matched = |matched| {
        Rules::default().with_array(ArrayRule {
            path: path("$.x"),
            matched,
        })
    };
    let as_set = matched(ArrayMatch::Set);
    let (a, b) = (json(r#"{"x":[1,2,3]}"#), json(r#"{"x":[3,1,2]}"#));
    assert!(with(&as_set, &a, &b).is_equal());
    assert_eq!(
        lines(&with(&as_set, &a, &json(r#"{"x":[2,4,1]}"#))),
        ["$.x[*] missing: 3 -> nothing", "$.x[*] extra: nothing -> 4"]
    );
    let by_id = matched(ArrayMatch::Key("id".to_owned()));
    assert_eq!(
        lines(&with(
            &by_id,
            &json(r#"{"x":[{"id":1,"v":1},{"id":2,"v":1},{"id":3}]}"#),
            &json(r#"{"x":[{"id":2,"v":2},{"id":1,"v":1},{"id":4}]}"#),
        )),
        [
            "$.x[id=*].v value: 1 -> 2",
            "$.x[id=*] missing: {\"id\":3} -> nothing",
            "$.x[id=*] extra: nothing -> {\"id\":4}",
        ]
    );
}

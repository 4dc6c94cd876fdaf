//! JSON by its structure.

use super::{answer, compared, differences, json};

fn diff(production: &str, shadow: &str) -> Vec<String> {
    differences(&json(production), &json(shadow))
}

#[test]
fn members_are_compared_by_name_type_and_value() {
    assert_eq!(
        diff(
            r#"{"same":{"x":[1]},"value":"a","type":1,"gone":true,"null":null}"#,
            r#"{"new":{},"null":0,"type":"1","value":"b","same":{"x":[1.0]}}"#,
        ),
        [
            "$.gone missing: true -> nothing",
            "$.new extra: nothing -> {}",
            "$.null type: null -> 0",
            "$.type type: 1 -> \"1\"",
            "$.value value: \"a\" -> \"b\"",
        ]
    );
}

#[test]
fn numbers_are_compared_by_worth_and_without_rounding() {
    assert_eq!(diff("[1, 1.50, 100]", "[1.0, 1.5, 1e2]"), [""; 0]);
    assert_eq!(
        diff("9007199254740993", "9007199254740992"),
        ["$ value: 9007199254740993 -> 9007199254740992"]
    );
}

#[test]
fn an_element_in_front_makes_no_other_differ() {
    assert_eq!(diff("[1,2,3]", "[0,1,2,3]"), ["$ length: 3 -> 4"]);
    assert_eq!(diff("[1,2,3]", "[1,3]"), ["$ length: 3 -> 2"]);
    assert_eq!(
        diff(
            r#"[{"id":1,"n":1},{"id":2,"n":1}]"#,
            r#"[{"id":0,"n":2},{"id":1,"n":2},{"id":2,"n":2}]"#
        ),
        ["$ length: 2 -> 3", "$[*].n value: 1 -> 2"]
    );
}

#[test]
fn another_order_is_one_difference() {
    assert_eq!(
        diff(
            r#"{"a":[{"x":1},{"x":2},{"x":3}]}"#,
            r#"{"a":[{"x":1},{"x":3},{"x":2}]}"#
        ),
        ["$.a order: {\"x\":2} -> {\"x\":3}"]
    );
    assert_eq!(
        diff("[1,2,3]", "[2,1,4]"),
        ["$ order: 1 -> 2", "$[*] value: 3 -> 4"]
    );
}

#[test]
fn elements_that_changed_and_moved_are_told_as_both() {
    assert_eq!(
        diff(
            r#"[{"id":1,"n":1},{"id":2,"n":1},{"id":3,"n":1}]"#,
            r#"[{"id":2,"n":2},{"id":1,"n":2},{"id":3,"n":1}]"#
        ),
        [
            r#"$ order: {"id":1,"n":1} -> {"id":2,"n":2}"#,
            "$[*].n value: 1 -> 2"
        ]
    );
}

#[test]
fn json_lines_are_one_array() {
    let lines = |body: &str| answer("200 OK", "Content-Type: application/x-ndjson", body);
    assert_eq!(
        differences(&lines("{\"a\":1}\n{\"a\":2}\n"), &lines("{\"a\":1}\n{\"a\":3}")),
        ["$[*].a value: 2 -> 3"]
    );
}

#[test]
fn elements_share_one_path() {
    assert_eq!(
        diff(r#"[{"p":1},{"p":2},{"p":3}]"#, r#"[{"p":2},{"p":3},{"p":"4"}]"#),
        ["$[*].p type: 1 -> \"4\""]
    );
    assert_eq!(
        diff(r#"[{"p":1},{"p":2},{"p":3}]"#, r#"[{"p":4},{"p":"5"},{"p":6}]"#),
        ["$[*].p value: 1 -> 4", "$[*].p type: 2 -> \"5\""]
    );
}

#[test]
fn names_that_are_ids_share_one_path() {
    assert_eq!(
        diff(
            r#"{"byUser":{"17":{"name":"a"},"18":{"name":"b"}},"a b":1}"#,
            r#"{"byUser":{"17":{"name":"x"},"18":{"name":"y"}},"a b":2}"#,
        ),
        ["$['a b'] value: 1 -> 2", "$.byUser.*.name value: \"a\" -> \"x\""]
    );
}

#[test]
fn members_of_the_same_name_hide_nothing() {
    assert_eq!(diff(r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#), [""; 0]);
    assert_eq!(
        diff(r#"{"a":1,"a":2}"#, r#"{"a":2,"a":2}"#),
        ["$.a value: 1 -> 2"]
    );
    assert_eq!(
        diff(r#"{"a":1,"a":2}"#, r#"{"a":1}"#),
        ["$.a missing: 2 -> nothing"]
    );
}

#[test]
fn what_reads_as_json_on_one_side_alone_is_told() {
    assert_eq!(
        diff(r#"{"a":1}"#, r#"{"a":"#),
        [r#"$ unreadable: {"a":1} -> {"a":"#]
    );
    assert_eq!(diff(r#"{"a":"#, r#"{"a":1}"#), [r#"$ type: {"a": -> {"a":1}"#]);
    assert_eq!(diff("{'a", "{'b"), ["text value: {'a -> {'b"]);
    let fields = "Content-Type: application/json";
    assert_eq!(
        differences(&json("{}"), &answer("200 OK", fields, &b"\xff\xff"[..])),
        ["$ unreadable: {} -> \u{fffd}\u{fffd}"]
    );
}

#[test]
fn any_type_of_json_and_none_is_read() {
    for fields in [
        "Content-Type: application/problem+json; charset=utf-8",
        "Content-Type: text/json",
        "",
    ] {
        let production = answer("200 OK", fields, "{\"a\":1, \"b\":2}");
        let shadow = answer("200 OK", fields, "{\"b\":2,\"a\":3}");
        assert_eq!(
            differences(&production, &shadow),
            ["$.a value: 1 -> 3"],
            "{fields}"
        );
    }
}

#[test]
fn json_that_is_too_deep_is_compared_as_text() {
    let deep = |inner: &str| ["[".repeat(200), inner.to_owned(), "]".repeat(200)].concat();
    let compared = compared(&json(&deep("1")), &json(&deep("2")));
    assert_eq!(compared.differences.len(), 1);
    assert_eq!(compared.differences[0].path, "text");
}

#[test]
fn differences_are_bounded_and_the_last_says_so() {
    let object = |value: usize| {
        let members: Vec<String> = (0..5000).map(|n| format!("\"m{n}\":{value}")).collect();
        format!("{{\"a\":{{{}}}}}", members.join(","))
    };
    let compared = compared(&json(&object(1)), &json(&object(2)));
    assert_eq!(compared.differences.len(), 101);
    let last = &compared.differences[100];
    assert_eq!(
        (last.path.as_str(), last.production.as_deref()),
        ("$.a", Some("more differences than listed"))
    );
}

use proptest::prelude::*;

use super::*;

#[test]
fn an_operation_is_called_as_the_request_says_or_its_only_one() {
    for (document, named, operation) in [
        ("query GetUser { user { id } }", None, "GetUser"),
        ("query GetUser { user { id } }", Some("GetUser"), "GetUser"),
        (
            "mutation AddItem($in: In = {a: [1, 2], b: \"}\"}) @log(to: \"x\") { add(in: $in) { id } }",
            None,
            "AddItem",
        ),
        ("subscription Ticks{tick}", None, "Ticks"),
        (
            "{ user(id: \"4\") { name ...F @include(if: $x) } } fragment F on User { mail }",
            None,
            "anonymous",
        ),
        ("query ($id: ID!) { user(id: $id) { name } }", None, "anonymous"),
        ("query @live { a }", None, "anonymous"),
        (
            "fragment F on U @d { mail } query Q { u { ...F ... on V { w } alias: x } }",
            None,
            "Q",
        ),
        ("query A { a } query B { b }", Some("B"), "B"),
        ("query A { a } query B { b }", None, "anonymous"),
        ("# query Hidden { a }\n\u{feff}", None, ""),
        (
            "\u{feff}# a comment { \" \r\n ,,query\tQ{a(b:\"\"\" \\\"\"\" } \" \"\"\")}",
            None,
            "Q",
        ),
        ("query query { query }", None, "query"),
    ] {
        let expected = (!operation.is_empty()).then(|| operation.to_owned());
        assert_eq!(super::operation(document, named), expected, "{document}");
    }
}

#[test]
fn other_languages_of_queries_are_none_of_graphql() {
    for text in [
        "",
        "red shoes",
        "query",
        "query plan",
        "up{job=\"api\"}",
        "{job=\"api\"}",
        "{app=\"x\"} |= \"error\"",
        "{\"match\": {\"title\": \"x\"}}",
        "{}",
        "{ { a } }",
        "query Q { a",
        "query Q { a(b: \"c) }",
        "query Q { a } }",
        "type User { id: ID }",
        "select * from query",
        "fragment F on U { a }",
    ] {
        assert_eq!(operation(text, Some("Named")), None, "{text}");
    }
}

#[test]
fn a_request_of_graphql_is_told_by_its_body() {
    for (body, operation) in [
        (r#"{"query": "query Q { a }"}"#, Some("Q")),
        (
            r#"{"query": "query Q { a } query R { b }", "operationName": "R", "variables": {"x": [1]}}"#,
            Some("R"),
        ),
        (
            r#" {"operationName": null, "query": "query Q\n{ a }"}"#,
            Some("Q"),
        ),
        (r#"{"operationName": "", "query": "{ a }"}"#, Some("anonymous")),
        (
            r#"{"operationName": "no name)", "query": "{ a }"}"#,
            Some("anonymous"),
        ),
        (
            r#"{"operationName": "P", "variables": {}, "extensions": {"persistedQuery": {"sha256Hash": "x"}}}"#,
            Some("P"),
        ),
        (r#"{"operationName": "P"}"#, None),
        (r#"{"query": "red shoes", "page": 2}"#, None),
        (r#"{"query": {"match": {"title": "x"}}}"#, None),
        (r#"[{"query": "query Q { a }"}]"#, Some("Q")),
        (
            r#" [{"query": "query Q { a }"}, {"query": "query Q { b }"}]"#,
            Some("Q"),
        ),
        (
            r#"[{"query": "query R { a }"}, {"query": "{ b }"}, {"query": "query Q { a }"}]"#,
            Some("Q,R,anonymous"),
        ),
        (r#"[{"query": "query Q { a }"}, {"query": "red shoes"}]"#, None),
        (r#"[{"query": "query Q { a }"}, 7]"#, None),
        (r#"["query"]"#, None),
        (r#"[{"query": "query Q { a }"}"#, None),
        (r#"{"query": "query Q { a }""#, None),
        ("query", None),
    ] {
        assert_eq!(of_json(body).as_deref(), operation, "{body}");
    }
    assert_eq!(of_query("query=query%20Q%7Ba%7D&x=1").as_deref(), Some("Q"));
    assert_eq!(
        of_query("operationName=P&extensions=%7B%7D").as_deref(),
        Some("P")
    );
    assert_eq!(of_query("query=up%7Bjob%3D%22x%22%7D"), None);
    assert_eq!(of_query("query=shoes&operationName=P"), None);
}

#[test]
fn a_list_of_more_requests_than_are_read_is_none() {
    let list = |requests: usize| {
        let requests = vec![r#"{"query": "query Q { a }"}"#; requests];
        of_json(&format!("[{}]", requests.join(",")))
    };
    assert_eq!(list(64).as_deref(), Some("Q"));
    assert_eq!(list(65), None);
}

/// Text of selections, with arguments in which brackets stand within strings.
fn selections() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "a",
        "b: c",
        "d(e: 1)",
        "f(g: {h: [\"}\", \")\"]})",
        "...F",
        "... on T { i }",
        "j @k(l: \"\"\"{\"\"\")",
    ]);
    prop::collection::vec(field, 1..5)
        .prop_map(|fields| format!("{{ {} }}", fields.join(" ")))
        .prop_recursive(4, 16, 3, |within| {
            within.prop_map(|within| format!("{{ a {within} b }}"))
        })
}

proptest! {
    #[test]
    fn the_only_named_operation_is_found_wherever_it_stands(
        name in "[A-Za-z_][A-Za-z0-9_]{0,20}",
        own in selections(),
        other in selections(),
        first in any::<bool>(),
        ignored in "[ \t\n,]{1,5}(#[^\n\r]{0,10}\n)?",
    ) {
        let fragment = format!("fragment F on T{ignored}{other}");
        let own = format!("query{ignored}{name}{ignored}($v: [In!] = [{{a: \"(\"}}]) {own}");
        let document = if first { own + &ignored + &fragment } else { fragment + &ignored + &own };
        prop_assert_eq!(operation(&document, None), Some(name));
    }

    #[test]
    fn any_text_has_a_name_for_an_operation_or_none(text in "[a-z{}()\"\\\\#,:@. \n\u{fc}]{0,60}", named in prop::option::of("[a-z]{1,3}")) {
        if let Some(operation) = operation(&text, named.as_deref()) {
            prop_assert!(is_name(&operation));
        }
        let _ = of_json(&text);
        let _ = of_query(&text);
    }
}

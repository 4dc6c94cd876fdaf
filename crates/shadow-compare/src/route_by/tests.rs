use proptest::prelude::*;

use super::*;

fn route_by(ways: &[&str]) -> RouteBy {
    let mut route_by = RouteBy::default();
    for way in ways {
        route_by.add(way).expect(way);
    }
    route_by
}

/// Addition to the name of the endpoint.
fn label(ways: &[&str], head: &str, body: &str) -> Option<String> {
    let head = format!("{head} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json; charset=utf-8\r\n\r\n");
    let selected = route_by(ways).read(head.as_bytes(), body.as_bytes())?;
    Some(selected.label().unwrap_or_else(|| selected.label_of_others()))
}

#[test]
fn requests_of_one_url_are_told_apart_by_a_value_in_them() {
    for (ways, head, body, expected) in [
        (
            &["query._shape"][..],
            "GET /t.json?_shape=array&x=1",
            "",
            Some("(query._shape=array)"),
        ),
        (
            &["query._shape"],
            "GET /t.json?x=1&_sh%61pe=a+b",
            "",
            Some("(query._shape=a%20b)"),
        ),
        (
            &["query._shape"],
            "GET /t.json?_shape",
            "",
            Some("(query._shape=)"),
        ),
        (&["query._shape"], "GET /t.json", "", None),
        (
            &["body.method"],
            "POST /rpc",
            r#"{"id": 1, "method": "getUser"}"#,
            Some("(body.method=getUser)"),
        ),
        (
            &["body.action.kind"],
            "POST /rpc",
            r#"{"action": {"kind": 7}}"#,
            Some("(body.action.kind=7)"),
        ),
        (&["body.action"], "POST /rpc", r#"{"action": {"kind": 7}}"#, None),
        (&["body.action"], "POST /rpc", r#"{"action": null}"#, None),
        (
            &["body.0.method"],
            "POST /rpc",
            r#"[{"method": true}]"#,
            Some("(body.0.method=true)"),
        ),
        (&["body.method"], "POST /rpc", "{broken", None),
        // The first way that finds a value.
        (&["query.a", "query.b"], "GET /?b=2&a=1", "", Some("(query.a=1)")),
        (&["query.a", "query.b"], "GET /?b=2", "", Some("(query.b=2)")),
        // Only where it is asked for.
        (&["/t/{x} query.a"], "GET /t/7?a=1", "", Some("(query.a=1)")),
        (&["/t/{x} query.a"], "GET /u/7?a=1", "", None),
        (&["/t/{x...} query.a"], "GET /t?a=1", "", Some("(query.a=1)")),
        (&["POST /t query.a"], "GET /t?a=1", "", None),
        (
            &["POST /t query.a"],
            "POST http://h/t/?a=1",
            "",
            Some("(query.a=1)"),
        ),
    ] {
        assert_eq!(
            label(ways, head, body).as_deref(),
            expected,
            "{ways:?} {head} {body}"
        );
    }
}

#[test]
fn operations_of_graphql_are_told_apart_unless_somebody_says_no() {
    let body = r#"{"query": "query GetUser { user { id } }"}"#;
    let operation = Some("(operation GetUser)".to_owned());
    assert_eq!(label(&[], "POST /graphql", body), operation);
    assert_eq!(
        label(&[], "GET /graphql?query=query+GetUser%7Ba%7D", ""),
        operation
    );
    assert_eq!(label(&["none"], "POST /graphql", body), None);
    // The way that is given comes first.
    assert_eq!(
        label(&["query.v"], "POST /graphql?v=2", body).as_deref(),
        Some("(query.v=2)")
    );
    assert_eq!(label(&["query.v"], "POST /graphql", body), operation);
    for (method, fields, body, expected) in [
        (
            "POST",
            "Content-Type: application/graphql\r\n",
            "mutation Add { add }",
            Some("(operation Add)"),
        ),
        (
            "POST",
            "Content-Type: application/graphql+json\r\n",
            body,
            Some("(operation GetUser)"),
        ),
        ("POST", "Content-Type: text/plain\r\n", body, None),
        ("PUT", "Content-Type: application/json\r\n", body, None),
        (
            "POST",
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
            "16\r\n{\"query\": \"query GetUs\r\nf\r\ner { user { id \r\n5\r\n} }\"}\r\n0\r\n\r\n",
            Some("(operation GetUser)"),
        ),
    ] {
        let head = format!("{method} /graphql HTTP/1.1\r\n{fields}\r\n");
        let selected = RouteBy::default().read(head.as_bytes(), body.as_bytes());
        let found = selected.and_then(|selected| selected.label());
        assert_eq!(found.as_deref(), expected, "{fields} {body}");
    }
}

#[test]
fn a_value_that_is_no_name_is_cut_and_has_nothing_unprintable() {
    let long = "x".repeat(65);
    assert_eq!(
        label(&["query.a"], &format!("GET /?a={long}"), "").as_deref(),
        Some("(other query.a)")
    );
    let cut = &long[..64];
    assert_eq!(
        label(&["query.a"], &format!("GET /?a={cut}"), ""),
        Some(format!("(query.a={cut})"))
    );
    let hostile = r#"{"a": "\u001b[31m) $.x\u202e<b>"}"#;
    let expected = "(body.a=%1B[31m%29%20$.x%E2%80%AE%3Cb%3E)";
    assert_eq!(label(&["body.a"], "POST /", hostile).as_deref(), Some(expected));
}

#[test]
fn a_way_whose_values_are_secrets_by_its_name_is_told() {
    for (way, is_secret) in [
        ("query._shape", false),
        ("query.access_token", true),
        ("query.code", true),
        ("body.code", false),
        ("/a body.login.password", true),
    ] {
        assert_eq!(
            route_by(&["query.x", way]).secret().as_deref(),
            is_secret.then_some(way)
        );
    }
}

#[test]
fn a_text_that_is_no_way_is_told_why() {
    for (text, why) in [
        ("", "query.NAME"),
        ("_shape", "query.NAME"),
        ("query.", "query.NAME"),
        ("header.x", "query.NAME"),
        ("body.a..b", "empty step"),
        ("query.a(b", "parentheses"),
        ("query.\u{fc}", "printable"),
        ("GET query.a", "only a route"),
        ("/a /b query.a", "only a route"),
        ("get /b query.a", "only a route"),
        ("/a{b query.a", "a parameter takes a whole segment"),
    ] {
        let error = RouteBy::default().add(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    let mut route_by = RouteBy::default();
    (0..32).for_each(|number| route_by.add(&format!("query.a{number}")).unwrap());
    assert!(route_by.add("query.b").is_err());
}

#[test]
fn a_kept_request_is_told_by_what_it_had_when_it_was_whole() {
    let ways = route_by(&["/t query.a", "body.method"]);
    let whole = ways.read(b"POST /rpc HTTP/1.1\r\n\r\n", br#"{"method":"get user"}"#);
    let again = ways.read_again(whole.as_ref(), b"POST /rpc HTTP/1.1\r\n\r\n", b"");
    assert_eq!(again, whole);
    // By other rules, by what is left of it.
    let other = route_by(&["query.v"]);
    let again = other.read_again(whole.as_ref(), b"POST /rpc?v=1 HTTP/1.1\r\n\r\n", b"");
    assert_eq!(again.unwrap().label().as_deref(), Some("(query.v=1)"));
    assert_eq!(
        route_by(&[]).read_again(whole.as_ref(), b"POST /rpc?v=1 HTTP/1.1\r\n\r\n", b""),
        None
    );
}

proptest! {
    #[test]
    fn any_request_is_told_by_a_short_printable_text(
        target in prop::collection::vec(prop_oneof![Just(b'a'), Just(b'='), Just(b'?'), Just(b'%'), Just(b'&'), any::<u8>()], 0..99),
        body in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'a'), Just(b':'), any::<u8>()], 0..99),
    ) {
        let head = [b"POST /", &target[..], b" HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"].concat();
        let ways = route_by(&["query.a", "body.a"]);
        if let Some(selected) = ways.read(&head, &body) {
            let label = selected.label().unwrap_or_else(|| selected.label_of_others());
            prop_assert!(label.len() <= 90 && label.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", label);
            prop_assert_eq!(label.find(')'), Some(label.len() - 1));
            // Kept and read again, it is the same.
            let text = serde_json::to_string(&selected).unwrap();
            let kept: Selected = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(ways.read_again(Some(&kept), &head, b""), Some(selected));
        }
    }
}

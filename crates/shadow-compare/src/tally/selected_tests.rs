//! Operations of one URL are judged one by one.

use super::tests::{answer, comparison, judging, lines, pair, tally};
use super::*;
use crate::RouteBy;
use crate::document::Comparison;

fn graphql(number: u64, operation: &str, production: &str, shadow: &str) -> Pair {
    Pair {
        request_head: "POST /graphql HTTP/1.1\r\nContent-Type: application/json\r\n\r\n".into(),
        request_body: format!(r#"{{"query":"query {operation} {{ a }}"}}"#).into(),
        production: answer(200, production),
        shadow: answer(200, shadow),
        ..pair(number, "/", "", "")
    }
}

fn endpoints(comparison: &Comparison) -> Vec<String> {
    let endpoints = comparison.endpoints.iter();
    endpoints
        .map(|endpoint| format!("{} {}", endpoint.name, endpoint.compared))
        .collect()
}

#[test]
fn each_operation_of_graphql_is_an_endpoint() {
    let mut tally = tally(judging());
    for number in 0..100 {
        tally.add(&graphql(number, "GetUser", r#"{"a":1}"#, r#"{"a":1}"#));
    }
    tally.add(&graphql(100, "GetCart", r#"{"a":1}"#, r#"{"a":2}"#));
    let why = NotCompared::ProductionMissing;
    let lost = graphql(101, "Lost", "", "");
    let selected = RouteBy::default().read(&lost.request_head, &lost.request_body);
    tally.not_compared(&Unpaired::new(&lost.request_head, lost.at, why).selected(selected));
    let comparison = comparison(&tally);
    assert_eq!(
        endpoints(&comparison),
        [
            "POST /graphql (operation GetUser) 100",
            "POST /graphql (operation GetCart) 1",
            "POST /graphql (operation Lost) 0"
        ]
    );
    assert_eq!(
        lines(&comparison.differences),
        ["POST /graphql (operation GetCart) $.a value 1"]
    );
}

#[test]
fn a_rule_is_about_one_operation_alone() {
    let ignore = crate::IgnoreRule::parse("POST /graphql (operation GetUser) $.a").unwrap();
    let mut tally = tally(Judging {
        rules: crate::Rules::default().with_ignore(ignore),
        ..judging()
    });
    tally.add(&graphql(0, "GetUser", r#"{"a":1}"#, r#"{"a":2}"#));
    tally.add(&graphql(1, "GetCart", r#"{"a":1}"#, r#"{"a":2}"#));
    assert_eq!(
        lines(&comparison(&tally).differences),
        [
            "POST /graphql (operation GetCart) $.a value 1",
            "POST /graphql (operation GetUser) $.a value 1 rule"
        ]
    );
}

#[test]
fn a_url_with_too_many_values_is_told() {
    let mut route_by = RouteBy::default();
    route_by.add("query.id").unwrap();
    let mut tally = tally(Judging {
        route_by,
        ..judging()
    });
    for number in 0..60 {
        let shadow = if number == 57 { r#"{"a":2}"# } else { r#"{"a":1}"# };
        tally.add(&pair(number, &format!("/t?id=a{number}"), r#"{"a":1}"#, shadow));
    }
    let comparison = comparison(&tally);
    assert_eq!(comparison.endpoints.len(), 51);
    assert_eq!(
        lines(&comparison.differences),
        ["GET /t (other query.id) $.a value 1"]
    );
    assert_eq!(comparison.in_force.routes, ["by query.id"]);
    assert_eq!(
        comparison.in_force.notes.last().map(String::as_str),
        Some(
            "The requests of GET /t have more than 50 values to be told apart by: the rest is one endpoint, (other ...)."
        )
    );
}

//! Endpoints of one URL that are told apart: bounded, and the same when URLs become one.

use proptest::prelude::*;

use super::*;
use crate::route_by::{RouteBy, Selected};

fn selected(value: &str) -> Option<Selected> {
    let mut by = RouteBy::default();
    by.add("query.v").unwrap();
    by.read(format!("GET /?v={value} HTTP/1.1\r\n\r\n").as_bytes(), b"")
}

fn ask(routes: &mut Routes, target: &str, value: &str, status: u16) -> EndpointId {
    let id = routes.endpoint_of(b"GET", target.as_bytes(), Some(status));
    routes.select(id, selected(value).as_ref(), Some(status))
}

fn named(routes: &mut Routes, target: &str, value: &str) -> String {
    let id = ask(routes, target, value, 200);
    routes.name(id)
}

#[test]
fn each_value_is_an_endpoint_of_its_own() {
    let mut routes = Routes::new(vec!["/given/{a}".parse().unwrap()], 100);
    let plain = routes.endpoint(b"GET", b"/t");
    assert_eq!(named(&mut routes, "/t", "a"), "GET /t (query.v=a)");
    assert_eq!(named(&mut routes, "/t", "b"), "GET /t (query.v=b)");
    assert_eq!(routes.select(plain, None, None), plain);
    assert_eq!(named(&mut routes, "/given/x", "a"), "GET /given/{a} (query.v=a)");
    let first = ask(&mut routes, "/t", "a", 200);
    assert_eq!(ask(&mut routes, "/t", "a", 200), first);
}

#[test]
fn beyond_fifty_values_the_rest_is_one_endpoint_and_told() {
    let mut routes = Routes::new(Vec::new(), 500);
    for number in 0..50 {
        assert_eq!(
            named(&mut routes, "/t", &format!("n{number}")),
            format!("GET /t (query.v=n{number})")
        );
    }
    assert_eq!(routes.beyond_values(), ["GET /t"]);
    assert_eq!(named(&mut routes, "/t", "more"), "GET /t (other query.v)");
    // Each of them is judged as a part of it.
    let id = ask(&mut routes, "/t", "more", 200);
    assert_eq!(routes.own_name(id), Some("GET /t (query.v=more)"));
    assert_eq!(named(&mut routes, "/t", "n7"), "GET /t (query.v=n7)");
    assert_eq!(named(&mut routes, "/u", "more"), "GET /u (query.v=more)");
    let id = ask(&mut routes, "/t", &"x".repeat(99), 200);
    assert_eq!(
        (routes.name(id).as_str(), routes.own_name(id)),
        ("GET /t (other query.v)", None)
    );
}

#[test]
fn what_production_refuses_teaches_no_value() {
    let mut routes = Routes::new(Vec::new(), 500);
    named(&mut routes, "/t", "a");
    let id = ask(&mut routes, "/t", "wrong", 400);
    assert_eq!(routes.name(id), "GET /t (other query.v)");
    let id = ask(&mut routes, "/t", "a", 400);
    assert_eq!(routes.name(id), "GET /t (query.v=a)");
    let id = ask(&mut routes, "/never", "a", 404);
    assert_eq!(routes.name(id), "GET (not served)");
}

#[test]
fn values_are_bounded_by_the_number_of_endpoints() {
    let mut routes = Routes::new(Vec::new(), 3);
    for number in 0..1000 {
        ask(
            &mut routes,
            &format!("/t{}", number % 7 + 20),
            &format!("n{number}"),
            200,
        );
    }
    assert!(routes.entries.len() < 3 * IDS + 10, "{}", routes.entries.len());
}

#[test]
fn urls_that_become_one_have_one_endpoint_for_each_value() {
    let mut routes = Routes::new(Vec::new(), 500);
    let ids: Vec<_> = (0..60)
        .map(|number: u8| {
            let name = format!(
                "/t/{}{}",
                char::from(b'g' + number % 20),
                char::from(b'g' + number / 20)
            );
            ask(&mut routes, &name, ["a", "b"][usize::from(number % 2)], 200)
        })
        .collect();
    let names: Vec<_> = ids.iter().map(|id| routes.name(*id)).collect();
    assert_eq!(
        &names[..2],
        ["GET /t/{name} (query.v=a)", "GET /t/{name} (query.v=b)"]
    );
    assert!(ids.iter().all(|id| {
        [ids[0], ids[1]]
            .map(|id| routes.canonical(id))
            .contains(&routes.canonical(*id))
    }));
    assert_eq!(routes.learned, 3);
    let id = ask(&mut routes, "/t/new", "a", 200);
    assert_eq!(routes.canonical(id), routes.canonical(ids[0]));
    assert_eq!(routes.own_name(id), Some("GET /t/new (query.v=a)"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_endpoint_is_named_by_its_value_whatever_urls_become_one(
        asked in prop::collection::vec(("/[a-c]/[a-z]{2}[0-9]?", "[a-d]"), 1..200),
        max in prop::sample::select(vec![3_usize, 40, 1_000]),
    ) {
        let mut routes = Routes::new(Vec::new(), max);
        let ids: Vec<_> = asked.iter().map(|(path, value)| ask(&mut routes, path, value, 200)).collect();
        for ((_, value), id) in asked.iter().zip(ids) {
            let name = routes.name(id);
            let is_named = name.ends_with(&format!(" (query.v={value})"));
            prop_assert!(is_named || max < 1_000, "{} {}", name, value);
            let canonical = routes.canonical(id);
            prop_assert_eq!(routes.canonical(canonical), canonical);
        }
        prop_assert!(routes.learned <= 2 * max + 3);
    }
}

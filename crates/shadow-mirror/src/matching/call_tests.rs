use super::*;
use crate::testing::request;

fn call(path: &str) -> Request {
    post(path, "application/grpc")
}

fn post(path: &str, content_type: &str) -> Request {
    request(
        format!("POST {path} HTTP/1.1\r\nContent-Type: {content_type}\r\nContent-Length: 0\r\n\r\n")
            .as_bytes(),
    )
}

fn exact(service: &str, method: &str) -> CallMatch {
    CallMatch::exact(service, method)
}

fn regex(service: &str, method: &str) -> CallMatch {
    CallMatch::regex(service, method).unwrap()
}

fn route(rules: impl IntoIterator<Item = CallMatch>) -> RouteMatcher {
    let rules = rules
        .into_iter()
        .map(|call| vec![RequestMatch::new(PathMatch::Call(call))])
        .collect();
    RouteMatcher::new(Vec::new(), rules).unwrap()
}

fn matches(call: CallMatch, request: &Request) -> bool {
    route([call]).best(request).is_some()
}

#[test]
fn names_are_compared_whole_and_with_their_case() {
    for (path, service, method, both) in [
        ("/shop.Orders/Place", true, true, true),
        ("/shop.Orders/Cancel", true, false, false),
        ("/shop.Carts/Place", false, true, false),
        ("/Orders/Place", false, true, false),
        ("/shop.Orders.v2/Place", false, true, false),
        ("/shop.orders/place", false, false, false),
        ("/a/shop.Orders/Place", false, true, false),
        ("/shop.Orders", false, false, false),
        ("/Place", false, false, false),
    ] {
        let request = call(path);
        assert_eq!(matches(exact("shop.Orders", ""), &request), service, "{path}");
        assert_eq!(matches(exact("", "Place"), &request), method, "{path}");
        assert_eq!(matches(exact("shop.Orders", "Place"), &request), both, "{path}");
    }
}

#[test]
fn expressions_match_a_whole_name() {
    let found = regex(r"shop\.(Orders|Carts)", "");
    assert!(matches(found.clone(), &call("/shop.Orders/Place")));
    assert!(matches(found.clone(), &call("/shop.Carts/Clear")));
    assert!(!matches(found.clone(), &call("/shop.Orders.v2/Place")));
    assert!(!matches(found, &call("/my.shop.Orders/Place")));
    assert!(matches(regex("", "Get.*"), &call("/shop.Orders/GetAll")));
    assert!(!matches(regex("", "Get"), &call("/shop.Orders/GetAll")));
    assert!(CallMatch::regex("(", "").is_err());
    assert!(CallMatch::regex("", "a(?=b)").is_err());
}

#[test]
fn only_calls_match_whatever_their_path() {
    let matches = |request: &Request| matches(CallMatch::any(), request);
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "Application/GRPC; a=b",
        "application/grpc-web",
        "application/grpc-web-text+proto",
    ] {
        assert!(matches(&post("/a.B/C", content_type)), "{content_type}");
    }
    for content_type in ["application/json", "application/grp", ""] {
        assert!(!matches(&post("/a.B/C", content_type)), "{content_type}");
    }
    assert!(!matches(&request(
        b"POST /a.B/C HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    )));
    assert!(!matches(&request(
        b"GET /a.B/C HTTP/1.1\r\nContent-Type: application/grpc\r\n\r\n"
    )));
    assert!(!matches(&post("/health", "application/grpc")));
    assert!(!matches(&post("*", "application/grpc")));
}

#[test]
fn more_characters_of_the_service_go_first_then_of_the_method() {
    let winner = |rules: Vec<CallMatch>, path: &str| route(rules).best(&call(path)).map(|hit| hit.rule);
    let rules = || {
        vec![
            CallMatch::any(),
            regex("shop.*", ".*"),
            exact("", "Place"),
            exact("shop.Orders", ""),
            exact("shop.Orders", "Place"),
        ]
    };
    assert_eq!(winner(rules(), "/shop.Orders/Place"), Some(4));
    assert_eq!(winner(rules(), "/shop.Orders/Cancel"), Some(3));
    assert_eq!(winner(rules(), "/shop.Carts/Place"), Some(2));
    assert_eq!(winner(rules(), "/shop.Carts/Clear"), Some(1));
    assert_eq!(winner(rules(), "/other.Carts/Clear"), Some(0));
    // Of two that are alike, the first in the route.
    assert_eq!(
        winner(vec![exact("a.B", ""), exact("a.B", "")], "/a.B/C"),
        Some(0)
    );
}

#[test]
fn header_matches_decide_between_the_same_names() {
    let plain = RequestMatch::new(PathMatch::Call(exact("a.B", "C")));
    let header = plain.clone().with_header("version", Pattern::Exact("2".into()));
    let matcher = RouteMatcher::new(Vec::new(), vec![vec![plain], vec![header]]).unwrap();
    let with_header = request(
        b"POST /a.B/C HTTP/1.1\r\nContent-Type: application/grpc\r\nVersion: 2\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(matcher.best(&with_header).map(|hit| hit.rule), Some(1));
    assert_eq!(matcher.best(&call("/a.B/C")).map(|hit| hit.rule), Some(0));
}

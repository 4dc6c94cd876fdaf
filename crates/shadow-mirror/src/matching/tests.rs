use proptest::prelude::*;

use super::*;
use crate::testing::request;

fn get(target: &str, fields: &str) -> Request {
    request(format!("GET {target} HTTP/1.1\r\n{fields}\r\n").as_bytes())
}

fn exact(path: &str) -> RequestMatch {
    RequestMatch::new(PathMatch::exact(path).unwrap())
}

fn prefix(path: &str) -> RequestMatch {
    RequestMatch::new(PathMatch::prefix(path).unwrap())
}

fn regex(expression: &str) -> RequestMatch {
    RequestMatch::new(PathMatch::regex(expression).unwrap())
}

fn is(value: &str) -> Pattern {
    Pattern::Exact(value.into())
}

/// A route of rules with one match each.
fn route(rules: impl IntoIterator<Item = RequestMatch>) -> RouteMatcher {
    let rules = rules.into_iter().map(|found| vec![found]).collect();
    RouteMatcher::new(Vec::new(), rules).unwrap()
}

fn matches(found: RequestMatch, request: &Request) -> bool {
    route([found]).best(request).is_some()
}

/// The rule that wins `request`.
fn winner(rules: impl IntoIterator<Item = RequestMatch>, request: &Request) -> Option<usize> {
    route(rules).best(request).map(|hit| hit.rule)
}

#[test]
fn a_prefix_matches_element_by_element() {
    for (target, matched) in [
        ("/foo", true),
        ("/foo/", true),
        ("/foo/x", true),
        ("/foo?q", true),
        ("/foobar", false),
        ("/f", false),
        ("/Foo", false),
    ] {
        assert_eq!(matches(prefix("/foo"), &get(target, "")), matched, "{target}");
        assert_eq!(matches(prefix("/foo/"), &get(target, "")), matched, "{target}");
    }
}

#[test]
fn the_prefix_slash_matches_every_request() {
    for target in ["/", "/a", "http://a", "http://a?q", "*"] {
        assert!(matches(prefix("/"), &get(target, "")), "{target}");
    }
}

#[test]
fn an_exact_path_is_the_whole_path_without_the_query() {
    assert!(matches(exact("/foo"), &get("/foo?q=/", "")));
    assert!(matches(exact("/foo"), &get("http://a.example/foo", "")));
    assert!(matches(exact("/"), &get("http://a.example?q", "")));
    assert!(!matches(exact("/foo"), &get("/foo/", "")));
    assert!(!matches(exact("/foo"), &get("/%66oo", "")));
}

#[test]
fn an_expression_matches_the_whole_path() {
    assert!(matches(regex("/v[0-9]+/.*"), &get("/v12/x?q", "")));
    assert!(!matches(regex("/v[0-9]"), &get("/v12", "")));
    assert!(!matches(regex("v1"), &get("/v1", "")));
    assert!(!matches(regex("/a|/b"), &get("/ab", "")));
}

#[test]
fn an_expression_is_about_characters_and_its_classes_about_ascii() {
    let pattern = |expression: &str| Pattern::regex(expression).unwrap();
    assert!(pattern(".+").matches(b"a\xff"));
    assert!(pattern("é+").matches("é".as_bytes()));
    assert!(!pattern(r"\w+").matches("é".as_bytes()));
}

#[test]
fn an_expression_that_would_escape_its_anchors_is_refused() {
    assert!(PathMatch::regex("/a)|(b").is_err());
    let error = PathMatch::regex("/(").unwrap_err().to_string();
    assert_eq!(error, "invalid regular expression \"/(\": missing closing )");
}

#[test]
fn an_expression_that_would_take_too_much_memory_is_refused() {
    assert!(Pattern::regex(r"\w{1000}{1000}").is_err());
    assert!(Pattern::regex(&"a".repeat(5_000)).is_err());
    assert!(Pattern::regex(r"\pL{1,32}").is_err());
    assert!(Pattern::regex(r"[\w-]{1,64}").is_ok() && Pattern::regex("/[^/]{1,250}").is_ok());
}

#[test]
fn a_header_is_found_in_any_case_and_compared_in_its_own() {
    let version = prefix("/").with_header("X-Version", is("v2"));
    assert!(matches(version.clone(), &get("/", "x-version: v2\r\n")));
    assert!(!matches(version.clone(), &get("/", "x-version: V2\r\n")));
    assert!(!matches(version, &get("/", "")));
    let pattern = Pattern::regex("v[23]").unwrap();
    assert!(matches(
        prefix("/").with_header("a", pattern.clone()),
        &get("/", "A: v3\r\n")
    ));
    assert!(!matches(
        prefix("/").with_header("a", pattern),
        &get("/", "A: v34\r\n")
    ));
}

#[test]
fn several_fields_of_a_name_are_one_list() {
    let list = prefix("/").with_header("a", is("1,2"));
    assert!(matches(list.clone(), &get("/", "A: 1\r\nB: 3\r\na: 2\r\n")));
    assert!(!matches(list, &get("/", "A: 1\r\n")));
}

#[test]
fn of_two_entries_for_a_name_the_first_counts() {
    let found = prefix("/")
        .with_header("A", is("1"))
        .with_header("a", is("2"))
        .with_query("q", is("1"))
        .with_query("q", is("2"));
    assert!(matches(found, &get("/?q=1", "a: 1\r\n")));
}

#[test]
fn a_parameter_is_compared_as_sent_and_its_first_value_counts() {
    let found = |value: &str| prefix("/").with_query("q", is(value));
    assert!(matches(found("1"), &get("/?a=2&q=1&q=2", "")));
    assert!(!matches(found("2"), &get("/?a=2&q=1&q=2", "")));
    assert!(matches(found(""), &get("/?q", "")));
    assert!(matches(found("a=b"), &get("/?q=a=b", "")));
    assert!(!matches(found("a b"), &get("/?q=a%20b", "")));
    assert!(!matches(found("1"), &get("/?Q=1", "")));
    assert!(!matches(found(""), &get("/", "")));
}

#[test]
fn a_method_is_compared_in_its_case() {
    let found = prefix("/").with_method("GET");
    assert!(matches(found.clone(), &get("/", "")));
    assert!(!matches(found, &request(b"get / HTTP/1.1\r\n\r\n")));
}

#[test]
fn all_of_a_match_must_hold_and_one_match_of_a_rule_is_enough() {
    let both = prefix("/foo").with_header("version", is("v2"));
    let matcher = RouteMatcher::new(Vec::new(), vec![vec![both, prefix("/v2/foo")]]).unwrap();
    let hit = |target: &str, fields: &str| matcher.best(&get(target, fields)).map(|hit| hit.index);
    assert_eq!(hit("/foo", "version: v2\r\n"), Some(0));
    assert_eq!(hit("/v2/foo", ""), Some(1));
    assert_eq!(hit("/foo", ""), None);
}

#[test]
fn a_rule_without_matches_wins_what_nothing_else_does() {
    let matcher = RouteMatcher::new(Vec::new(), vec![Vec::new(), vec![prefix("/a")]]).unwrap();
    assert_eq!(matcher.best(&get("/a", "")), Some(Hit { rule: 1, index: 0 }));
    assert_eq!(matcher.best(&get("/b", "")), Some(Hit { rule: 0, index: 0 }));
}

#[test]
fn precedence_is_exact_prefix_length_method_headers_parameters_order() {
    let request = get("/a/b?q=1", "A: 1\r\nB: 2\r\n");
    let long = || prefix("/a/b");
    let (a, b) = (("A", is("1")), ("B", is("2")));
    let one_header = || prefix("/a").with_header(a.0, a.1.clone());
    assert_eq!(winner([long(), exact("/a/b")], &request), Some(1));
    assert_eq!(
        winner([prefix("/a").with_method("GET"), long()], &request),
        Some(1)
    );
    assert_eq!(
        winner(
            [
                one_header().with_header(b.0, b.1.clone()),
                prefix("/a").with_method("GET")
            ],
            &request
        ),
        Some(1)
    );
    assert_eq!(
        winner([one_header(), one_header().with_header(b.0, b.1)], &request),
        Some(1)
    );
    assert_eq!(
        winner([prefix("/a").with_query("q", is("1")), one_header()], &request),
        Some(1)
    );
    assert_eq!(
        winner([prefix("/a"), prefix("/a").with_query("q", is("1"))], &request),
        Some(1)
    );
    assert_eq!(winner([prefix("/a"), prefix("/a")], &request), Some(0));
}

#[test]
fn an_expression_comes_behind_every_prefix_and_the_longer_one_first() {
    let request = get("/a", "");
    assert_eq!(winner([regex("/a"), prefix("/")], &request), Some(1));
    assert_eq!(winner([regex("/."), regex("/[a-z]")], &request), Some(1));
}

#[test]
fn the_length_of_a_prefix_is_counted_in_characters() {
    let rules = [prefix("/é"), prefix("/a/b")];
    let matcher = route(rules);
    let first = matcher.order[0];
    assert_eq!(first.rule, 1);
}

#[test]
fn hostnames_are_names_or_everything_below_one() {
    let matcher = |name: &str| RouteMatcher::new(vec![Hostname::new(name)], vec![Vec::new()]).unwrap();
    for (name, host, matched) in [
        ("a.example", "a.example", true),
        ("a.example", "A.EXAMPLE:8080", true),
        ("a.example", "b.a.example", false),
        ("*.example", "a.example", true),
        ("*.Example", "b.a.example:80", true),
        ("*.example", "example", false),
        ("*.example", ".example", false),
        ("*.example", "a.counterexample", false),
    ] {
        let found = matcher(name).best(&get("/", &format!("Host: {host}\r\n")));
        assert_eq!(found.is_some(), matched, "{name} {host}");
    }
    assert!(
        matcher("a.example")
            .best(&get("http://a.example/", "Host: b\r\n"))
            .is_some()
    );
    assert!(matcher("a.example").best(&get("/", "")).is_none());
}

#[test]
fn a_path_that_is_none_and_matches_without_end_are_refused() {
    assert!(PathMatch::exact("foo").is_err());
    assert!(PathMatch::prefix("").is_err());
    assert!(RouteMatcher::new(Vec::new(), vec![Vec::new(); MAX_RULES + 1]).is_err());
    assert!(RouteMatcher::new(Vec::new(), vec![vec![prefix("/"); MAX_MATCHES + 1]]).is_err());
    assert!(RouteMatcher::new(Vec::new(), vec![vec![prefix("/"); 60]; 5]).is_err());
}

/// A match as a plain value, for a second opinion.
#[derive(Clone, Debug)]
struct Plain {
    exact: bool,
    path: String,
    method: Option<&'static str>,
    headers: Vec<(&'static str, &'static str)>,
    query: Vec<(&'static str, &'static str)>,
}

impl Plain {
    fn build(&self) -> RequestMatch {
        let mut found = if self.exact {
            exact(&self.path)
        } else {
            prefix(&self.path)
        };
        if let Some(method) = self.method {
            found = found.with_method(method);
        }
        for (name, value) in &self.headers {
            found = found.with_header(name, is(value));
        }
        for (name, value) in &self.query {
            found = found.with_query(name, is(value));
        }
        found
    }

    fn matches(&self, path: &str, method: &str, headers: &[(&str, &str)], query: &[(&str, &str)]) -> bool {
        let path = if self.exact {
            path == self.path
        } else {
            let wanted = self.path.trim_end_matches('/');
            wanted.is_empty() || path == wanted || path.starts_with(&format!("{wanted}/"))
        };
        path && self.method.is_none_or(|wanted| wanted == method)
            && self.headers.iter().all(|wanted| headers.contains(wanted))
            && self.query.iter().all(|wanted| query.contains(wanted))
    }

    /// Whether this goes before `other`, one question after the other.
    fn before(&self, other: &Self) -> bool {
        let length = |plain: &Self| {
            if plain.exact {
                plain.path.len()
            } else {
                plain.path.trim_end_matches('/').len()
            }
        };
        if self.exact != other.exact {
            return self.exact;
        }
        if length(self) != length(other) {
            return length(self) > length(other);
        }
        if self.method.is_some() != other.method.is_some() {
            return self.method.is_some();
        }
        if self.headers.len() != other.headers.len() {
            return self.headers.len() > other.headers.len();
        }
        self.query.len() > other.query.len()
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    (
        any::<bool>(),
        "(/[ab]){1,3}/?|/",
        prop::option::of(prop::sample::select(vec!["GET", "POST"])),
        prop::sample::subsequence(vec![("x", "1"), ("y", "1"), ("z", "2")], 0..3),
        prop::sample::subsequence(vec![("p", "1"), ("q", "1")], 0..2),
    )
        .prop_map(|(exact, path, method, headers, query)| Plain {
            exact,
            path: if exact { path } else { path.replace("//", "/") },
            method,
            headers,
            query,
        })
}

proptest! {
    /// The winner is the one that a plain comparison of each match with each other finds.
    #[test]
    fn the_best_match_is_the_one_a_plain_comparison_finds(
        rules in prop::collection::vec(prop::collection::vec(plain(), 1..4), 1..6),
        path in "(/[ab]){1,4}/?|/",
        headers in prop::sample::subsequence(vec![("x", "1"), ("y", "1"), ("z", "2")], 0..=3),
        query in prop::sample::subsequence(vec![("p", "1"), ("q", "1")], 0..=2),
    ) {
        let built = rules.iter().map(|rule| rule.iter().map(Plain::build).collect()).collect();
        let matcher = RouteMatcher::new(Vec::new(), built).unwrap();
        let mut raw = format!("GET {path}?");
        for (name, value) in &query {
            raw += &[name, "=", value, "&"].concat();
        }
        raw += " HTTP/1.1\r\n";
        for (name, value) in &headers {
            raw += &[name, ": ", value, "\r\n"].concat();
        }
        raw += "\r\n";
        let mut best: Option<(Hit, &Plain)> = None;
        for (rule, matches) in rules.iter().enumerate() {
            for (index, found) in matches.iter().enumerate() {
                let better = best.is_none_or(|(_, best)| found.before(best));
                if better && found.matches(&path, "GET", &headers, &query) {
                    best = Some((Hit { rule, index }, found));
                }
            }
        }
        prop_assert_eq!(matcher.best(&request(raw.as_bytes())), best.map(|(hit, _)| hit));
    }
}

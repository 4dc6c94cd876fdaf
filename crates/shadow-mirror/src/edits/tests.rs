use proptest::prelude::*;

use super::*;
use crate::testing::request;

fn matcher(path: PathMatch) -> Arc<RouteMatcher> {
    Arc::new(RouteMatcher::new(Vec::new(), vec![vec![RequestMatch::new(path)]]).unwrap())
}

fn everything() -> Arc<RouteMatcher> {
    matcher(PathMatch::prefix("/").unwrap())
}

fn edits(steps: Vec<Edit>) -> Result<Edits, EditError> {
    Edits::new(steps, &everything(), 0)
}

fn set(name: &str, value: &str) -> Edit {
    let (name, value) = (name.to_owned(), value.to_owned());
    Edit::SetHeader { name, value }
}

fn add(name: &str, value: &str) -> Edit {
    let (name, value) = (name.to_owned(), value.to_owned());
    Edit::AddHeader { name, value }
}

fn remove(name: &str) -> Edit {
    Edit::RemoveHeader(name.to_owned())
}

/// Rewrites `target` as when `prefix` is replaced by `replacement`.
fn rewritten(target: &str, prefix: &str, replacement: &str) -> Option<String> {
    let matcher = matcher(PathMatch::prefix(prefix).unwrap());
    let edits = Edits::new([Edit::PrefixMatch(replacement.to_owned())], &matcher, 0).unwrap();
    let request = request(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
    let mut out = Vec::new();
    edits
        .write_path(&request, target.as_bytes(), &mut out)
        .then(|| String::from_utf8(out).unwrap())
}

#[test]
fn a_prefix_is_replaced_as_the_table_of_the_specification_says() {
    for (path, prefix, replacement, expected) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
    ] {
        let what = format!("{path} with {prefix} -> {replacement}");
        assert_eq!(
            rewritten(path, prefix, replacement).as_deref(),
            Some(expected),
            "{what}"
        );
    }
}

#[test]
fn the_query_stays() {
    assert_eq!(
        rewritten("/foo?a=/b", "/foo", "/xyz").as_deref(),
        Some("/xyz?a=/b")
    );
    assert_eq!(rewritten("/foo?a", "/foo", "").as_deref(), Some("/?a"));
    assert_eq!(rewritten("/x?a", "/", "/v2").as_deref(), Some("/v2/x?a"));
}

#[test]
fn a_request_that_another_rule_wins_keeps_its_path() {
    assert_eq!(rewritten("/foobar", "/foo", "/xyz"), None);
}

#[test]
fn a_full_path_replaces_the_path_and_not_the_query() {
    let edits = edits(vec![Edit::FullPath("/new".to_owned())]).unwrap();
    let request = request(b"GET /a/b?c HTTP/1.1\r\n\r\n");
    let mut out = Vec::new();
    assert!(edits.write_path(&request, b"/a/b?c", &mut out));
    assert_eq!(out, b"/new?c");
}

#[test]
fn the_prefix_of_the_match_that_hit_is_replaced() {
    let prefixes = ["/a", "/a/b"].map(|path| RequestMatch::new(PathMatch::prefix(path).unwrap()));
    let matcher = Arc::new(RouteMatcher::new(Vec::new(), vec![prefixes.to_vec()]).unwrap());
    let edits = Edits::new([Edit::PrefixMatch("/new".to_owned())], &matcher, 0).unwrap();
    let path = |target: &str| {
        let mut out = Vec::new();
        let request = request(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
        edits.write_path(&request, target.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(path("/a/c"), "/new/c");
    assert_eq!(path("/a/b/c"), "/new/c");
}

#[test]
fn steps_are_folded_by_name_in_their_order() {
    let edits = edits(vec![
        set("A", "1"),
        add("a", "2"),
        remove("B"),
        add("C", "3"),
        set("D", "4"),
        remove("d"),
        add("E", "5"),
        set("e", "6"),
    ])
    .unwrap();
    assert_eq!(
        std::str::from_utf8(edits.lines()),
        Ok("A: 1\r\nA: 2\r\nC: 3\r\nE: 6\r\n")
    );
    for (name, drops) in [
        ("a", true),
        ("b", true),
        ("c", false),
        ("d", true),
        ("e", true),
        ("f", false),
    ] {
        assert_eq!(edits.drops(name.as_bytes()), drops, "{name}");
    }
}

#[test]
fn a_host_header_is_the_hostname_and_the_last_one_counts() {
    let edits = edits(vec![
        Edit::Hostname("a.example".to_owned()),
        set("hOST", "b.example:80"),
    ])
    .unwrap();
    assert_eq!(edits.hostname(), Some(&b"b.example:80"[..]));
    assert_eq!(edits.lines(), b"");
}

#[test]
fn what_frames_a_message_or_is_for_one_connection_cannot_be_changed() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "Connection",
        "TE",
        "Upgrade",
        "Keep-Alive",
        "Trailer",
    ] {
        let refused = Some(EditError::Framing(name.to_owned()));
        assert_eq!(edits(vec![set(name, "1")]).err(), refused);
        assert_eq!(edits(vec![add(name, "1")]).err(), refused);
        assert_eq!(edits(vec![remove(name)]).err(), refused);
    }
    assert_eq!(edits(vec![remove("Host")]).err(), Some(EditError::RemovedHost));
}

#[test]
fn what_would_break_a_line_is_refused() {
    assert_eq!(
        edits(vec![set("A", "b\r\nC: d")]).err(),
        Some(EditError::Value("A".to_owned()))
    );
    assert!(edits(vec![set("A b", "c")]).is_err());
    assert!(edits(vec![remove("")]).is_err());
    assert!(edits(vec![Edit::Hostname("a\nb".to_owned())]).is_err());
    assert!(edits(vec![Edit::FullPath("/a b".to_owned())]).is_err());
    assert!(edits(vec![Edit::FullPath("/a?b".to_owned())]).is_err());
    assert!(edits(vec![Edit::PrefixMatch("/a\r".to_owned())]).is_err());
}

#[test]
fn only_a_prefix_can_have_its_prefix_replaced() {
    let matcher = matcher(PathMatch::exact("/a").unwrap());
    let refused = Edits::new([Edit::PrefixMatch("/b".to_owned())], &matcher, 0);
    assert_eq!(refused.err(), Some(EditError::NoPrefix));
}

#[test]
fn fields_without_end_are_refused() {
    let steps = (0..=MAX_FIELDS).map(|number| add("A", &number.to_string()));
    assert_eq!(edits(steps.collect()).err(), Some(EditError::TooMany));
    let steps = (0..=MAX_FIELDS).map(|number| remove(&format!("A{number}")));
    assert_eq!(edits(steps.collect()).err(), Some(EditError::TooMany));
}

#[test]
fn values_are_not_printed() {
    let edits = edits(vec![set("Authorization", "Bearer c2VjcmV0")]).unwrap();
    let printed = format!("{edits:?}");
    assert!(
        printed.contains("Authorization") && !printed.contains("c2VjcmV0"),
        "{printed}"
    );
}

proptest! {
    /// Whatever is asked for, a path starts with `/` and holds no byte that ends a request line.
    #[test]
    fn a_rewritten_path_is_a_path(
        prefix in "/[a-c/]{0,4}",
        path in "/[a-c/%?]{0,8}",
        replacement in "\\PC{0,8}|/{0,3}[a-c]{0,2}/{0,2}",
    ) {
        let matcher = matcher(PathMatch::prefix(&prefix).unwrap());
        let request = request(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes());
        for step in [Edit::PrefixMatch(replacement.clone()), Edit::FullPath(replacement)] {
            let Ok(edits) = Edits::new([step], &matcher, 0) else { continue };
            let mut out = Vec::new();
            if edits.write_path(&request, path.as_bytes(), &mut out) {
                prop_assert!(out.starts_with(b"/"));
                prop_assert!(out.iter().all(u8::is_ascii_graphic));
                let query = |target: &[u8]| split_query(target).1.map(<[u8]>::to_vec);
                prop_assert_eq!(query(&out), query(path.as_bytes()));
            }
        }
    }

    /// Every line that is appended is one well-formed field.
    #[test]
    fn edits_append_whole_lines(steps in proptest::collection::vec(("[\\x00-\\x7f]{1,3}", "[\\x00-\\x7f]{0,3}"), 0..4)) {
        let asked = steps.len();
        let steps = steps.into_iter().map(|(name, value)| Edit::AddHeader { name, value });
        let Ok(edits) = edits(steps.collect()) else { return Ok(()) };
        let lines = std::str::from_utf8(edits.lines()).unwrap();
        prop_assert_eq!(lines.matches('\r').count(), asked);
        prop_assert_eq!(lines.matches('\n').count(), asked);
        for line in lines.split_terminator("\r\n") {
            let (name, value) = line.split_once(": ").unwrap();
            prop_assert!(is_token(name.as_bytes()) && is_field_value(value.as_bytes()));
        }
    }
}

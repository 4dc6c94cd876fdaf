use proptest::prelude::*;

use super::*;

fn names(requests: &[(&str, &str)]) -> Vec<String> {
    let mut routes = Routes::new(Vec::new(), MAX_ENDPOINTS);
    name_all(&mut routes, requests)
}

/// Learns all of them before it names any.
fn name_all(routes: &mut Routes, requests: &[(&str, &str)]) -> Vec<String> {
    let ids: Vec<_> = requests
        .iter()
        .map(|(method, target)| routes.endpoint(method.as_bytes(), target.as_bytes()))
        .collect();
    ids.into_iter().map(|id| routes.name(id)).collect()
}

fn name(target: &str) -> String {
    names(&[("GET", target)]).remove(0)
}

fn template(text: &str) -> RouteTemplate {
    text.parse().expect(text)
}

#[test]
fn ids_collapse_by_their_looks() {
    for (target, expected) in [
        ("/users/42", "GET /users/{id}"),
        ("/users/42/orders/7", "GET /users/{id}/orders/{id}"),
        ("/users/018f2a3b-1c2d-7e3f-8a4b-0123456789ab", "GET /users/{uuid}"),
        ("/users/018F2A3B-1C2D-7E3F-8A4B-0123456789AB", "GET /users/{uuid}"),
        ("/o/507f1f77bcf86cd799439011", "GET /o/{hash}"),
        ("/o/01ARZ3NDEKTSV4RRFFQ69G5FAV", "GET /o/{hash}"),
        ("/o/V1StGXR8_Z5jdHi6B-myT", "GET /o/{hash}"),
        ("/days/2024-01-31", "GET /days/{date}"),
        ("/days/2024-01-31T12:00:00Z/x", "GET /days/{date}/x"),
        ("/days/2024-13-31", "GET /days/2024-13-31"),
        ("/by/a.b%40example.com", "GET /by/{email}"),
        ("/by/a.b@example.com", "GET /by/{email}"),
        ("/files/42.json", "GET /files/{id}.json"),
        ("/files/42.7", "GET /files/42.7"),
    ] {
        assert_eq!(name(target), expected, "{target}");
    }
}

#[test]
fn names_stay_as_they_are() {
    for target in [
        "/v2/users",
        "/top-10-ways-to-cook-rice-2024",
        "/api/getUserProfileV2Details",
        "/assets/main.3f2a9c81.js",
        "/deadbeef",
        "/@me",
        "/a-long-name-of-something-1",
    ] {
        assert_eq!(name(target), format!("GET {target}"));
    }
}

#[test]
fn one_path_has_one_form_however_it_is_written() {
    for (target, expected) in [
        ("/", "GET /"),
        ("//", "GET /"),
        ("/a/", "GET /a"),
        ("//a///b//", "GET /a/b"),
        ("/a/./b/../c", "GET /a/c"),
        ("/../../a", "GET /a"),
        ("/a/%2e%2E/b", "GET /b"),
        ("/a?x=/1/2#/3", "GET /a"),
        ("/a#f", "GET /a"),
        ("/%61%2Fb", "GET /a%2Fb"),
        ("/%7e%7Busers%7d", "GET /~%7Busers%7D"),
        ("/{id}", "GET /%7Bid%7D"),
        ("/caf\u{e9}", "GET /caf%C3%A9"),
        ("/a%", "GET /a%25"),
        ("/a%2", "GET /a%252"),
        ("/a;jsessionid=1/b;c", "GET /a/b"),
        ("/%00", "GET /%00"),
        ("http://example.com:8080/users/1?x", "GET /users/{id}"),
        ("HTTPS://example.com", "GET /"),
        ("http://example.com?x=/a", "GET /"),
        ("*", "GET *"),
        ("/*", "GET /*"),
        ("example.com:443", "GET (authority)"),
        ("", "GET (authority)"),
        ("://a/b", "GET (authority)"),
    ] {
        assert_eq!(name(target), expected, "{target}");
    }
}

#[test]
fn long_and_deep_paths_are_cut() {
    assert_eq!(name(&format!("/a/{}", "q".repeat(65))), "GET /a/{name}");
    assert_eq!(
        name(&format!("/a/{}", "q".repeat(64))),
        format!("GET /a/{}", "q".repeat(64))
    );
    let deep = name(&"/a".repeat(10_000));
    assert_eq!(deep, format!("GET {}/{{rest...}}", "/a".repeat(16)));
    assert_eq!(name(&"/a".repeat(16)), format!("GET {}", "/a".repeat(16)));
    // Going back up is going back up.
    let up = format!("{}{}/b", "/a".repeat(20), "/..".repeat(19));
    assert_eq!(name(&up), "GET /a/b");
}

#[test]
fn methods_are_told_apart_and_unknown_ones_are_one() {
    let requests = [("POST", "/a"), ("BREW", "/a"), ("get", "/a"), ("", "/a")];
    let other = "(other method) /a";
    assert_eq!(names(&requests), ["POST /a", other, other, other]);
}

/// Another word for each number.
fn word(number: usize) -> String {
    let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
    [letter(number / 26), letter(number)].into_iter().collect()
}

#[test]
fn a_place_with_more_than_fifty_names_is_one() {
    let mut routes = Routes::new(Vec::new(), MAX_ENDPOINTS);
    let shop = |shop: usize, rest: &str| format!("/shops/{}{rest}", word(shop));
    let mut ids = Vec::new();
    for number in 0..50 {
        ids.push(routes.endpoint(b"GET", shop(number, "/basket").as_bytes()));
    }
    assert_eq!(routes.name(ids[7]), "GET /shops/ah/basket");
    assert_eq!(routes.merges(), 0);
    let put = routes.endpoint(b"PUT", shop(3, "/basket").as_bytes());
    let other = routes.endpoint(b"GET", shop(50, "/about").as_bytes());
    assert_eq!(routes.name(other), "GET /shops/{name}/about");
    assert_eq!(routes.name(put), "PUT /shops/{name}/basket");
    assert_eq!(routes.merges(), 1);
    for id in &ids {
        assert_eq!(routes.canonical(*id), routes.canonical(ids[0]));
        assert_eq!(routes.name(*id), "GET /shops/{name}/basket");
    }
    // A path that was remembered before.
    let again = routes.endpoint(b"GET", shop(7, "/basket").as_bytes());
    assert_eq!(again, routes.canonical(ids[0]));
    // Ids by looks stay what they are beside it.
    let id = routes.endpoint(b"GET", b"/shops/42");
    assert_eq!(routes.name(id), "GET /shops/{id}");
}

#[test]
fn names_that_differ_in_numbers_alone_are_one() {
    let pages: Vec<_> = (0..30).map(|page| format!("/docs/page{page}.html")).collect();
    let mut requests: Vec<_> = pages.iter().map(|page| ("GET", page.as_str())).collect();
    requests.extend([
        ("GET", "/docs/page.html"),
        ("GET", "/docs/index.html"),
        ("GET", "/v1/items"),
        ("GET", "/v2/items"),
        ("GET", "/left-pad/-/left-pad-1.3.0.tgz"),
    ]);
    let named = names(&requests);
    assert!(
        named[..30]
            .iter()
            .all(|name| name == "GET /docs/page{number}.html"),
        "{named:?}"
    );
    assert_eq!(
        named[30..],
        [
            "GET /docs/page.html",
            "GET /docs/index.html",
            "GET /v1/items",
            "GET /v2/items",
            "GET /left-pad/-/left-pad-1.3.0.tgz"
        ]
    );
    let ids = [
        "c0bc", "66d9", "1a2b", "f00d", "9c9c", "0aaa", "b1b1", "5e5e", "d4d4",
    ];
    let orders = ids.map(|id| format!("/orders/{id}/lines"));
    let mut requests: Vec<_> = orders.iter().map(|order| ("GET", order.as_str())).collect();
    assert_eq!(names(&requests[..8])[0], "GET /orders/c0bc/lines");
    requests.push(("GET", "/orders/face/lines"));
    assert_eq!(
        names(&requests)[8..],
        ["GET /orders/{hex}/lines", "GET /orders/face/lines"]
    );
}

#[test]
fn many_names_take_none_of_another_sort_with_them() {
    let packages: Vec<_> = (0..80).map(|number| format!("/{}", word(number))).collect();
    let files: Vec<_> = packages.iter().map(|name| format!("{name}/-/x.tgz")).collect();
    let mut requests: Vec<_> = packages.iter().map(|name| ("GET", name.as_str())).collect();
    requests.extend([
        ("GET", "/-/whoami"),
        ("GET", "/-/v1/search"),
        ("GET", "/_session"),
        ("GET", "/products/7"),
    ]);
    assert_eq!(
        names(&requests)[79..],
        [
            "GET /{name}",
            "GET /-/whoami",
            "GET /-/v1/search",
            "GET /_session",
            "GET /products/{id}"
        ]
    );
    let mut requests: Vec<_> = files.iter().map(|name| ("GET", name.as_str())).collect();
    requests.extend([("GET", "/-/whoami"), ("GET", "/status")]);
    assert_eq!(
        names(&requests)[79..],
        ["GET /{name}/-/x.tgz", "GET /-/whoami", "GET /status"]
    );
}

#[test]
fn places_that_become_one_can_have_too_many_names_together() {
    let mut routes = Routes::new(Vec::new(), 10_000);
    let mut ids = Vec::new();
    for number in 0..51 {
        for child in 0..2 {
            let target = format!("/a/{}/{}-{}", word(number), word(number), word(child));
            ids.push(routes.endpoint(b"GET", target.as_bytes()));
        }
    }
    for id in ids {
        assert_eq!(routes.name(id), "GET /a/{name}/{name}");
    }
}

#[test]
fn a_name_that_becomes_another_is_always_told() {
    let mut routes = Routes::new(Vec::new(), MAX_ENDPOINTS);
    let name = |routes: &mut Routes, number: usize| {
        let target = format!("/a/{}", word(number));
        routes.endpoint(format!("M{number}").as_bytes(), target.as_bytes())
    };
    let put = routes.endpoint(b"PUT", b"/a/put");
    assert_eq!((routes.name(put).as_str(), routes.merges()), ("PUT /a/put", 0));
    for number in 0..50 {
        name(&mut routes, number);
    }
    assert_eq!((routes.name(put).as_str(), routes.merges()), ("PUT /a/{name}", 1));
    assert_eq!(routes.canonical(put), put);
}

#[test]
fn given_templates_come_first_the_most_specific_one_of_them() {
    let given = [
        "/users/{user}",
        "/users/me",
        "/{area}/settings",
        "/files/{path...}",
        "/2024/{x}",
    ];
    let mut routes = Routes::new(given.map(template).to_vec(), 10);
    let requests = [
        ("GET", "/users/alice"),
        ("GET", "/users/me/"),
        ("GET", "/users/settings"),
        ("GET", "/admin/settings"),
        ("GET", "/users/1/settings"),
        ("GET", "/files"),
        ("GET", "/files/a/b/c?d"),
        ("GET", "/2024/a"),
        ("GET", "/2025/a"),
        ("POST", "/users/7"),
    ];
    assert_eq!(
        name_all(&mut routes, &requests),
        [
            "GET /users/{user}",
            "GET /users/me",
            "GET /users/{user}",
            "GET /{area}/settings",
            "GET /users/{id}/settings",
            "GET /files/{path...}",
            "GET /files/{path...}",
            "GET /2024/{x}",
            "GET /{id}/a",
            "POST /users/{user}",
        ]
    );
}

#[test]
fn a_template_is_found_where_a_name_leads_nowhere() {
    let mut routes = Routes::new(vec![template("/a/b/c"), template("/{x}/b/{y}")], 10);
    assert_eq!(
        name_all(&mut routes, &[("GET", "/a/b/c"), ("GET", "/a/b/d")]),
        ["GET /a/b/c", "GET /{x}/b/{y}"]
    );
    // A deeper path than is looked at is not as deep as a template.
    let sixteen = "/{x}".repeat(16);
    let mut routes = Routes::new(vec![template(&sixteen)], 10);
    let (as_deep, deeper) = ("/a".repeat(16), "/a".repeat(17));
    assert_eq!(
        name_all(&mut routes, &[("GET", &as_deep), ("GET", &deeper)]),
        [format!("GET {sixteen}"), format!("GET {as_deep}/{{rest...}}")]
    );
}

#[test]
fn what_is_wrong_with_a_template_is_said() {
    for (text, expected) in [
        ("users", "a route is a path, and begins with /: \"users\""),
        ("/a?b", "a route is only a path, without '?'"),
        ("/a b", "a route is only a path, without ' '"),
        ("/a//b", "a route has no empty segments"),
        ("/a/../b", "a route has no dot segments: \"..\""),
        (
            "/{a}.json",
            "a parameter takes a whole segment of a route: \"{a}.json\"",
        ),
        (
            "/{}",
            "\"{}\" is no parameter: a name of letters, digits, _ and - in braces",
        ),
        (
            "/{a...}/b",
            "nothing can come after {a...}, which matches the rest of the path",
        ),
        ("/users/:id", "a parameter is in braces: {id} rather than :id"),
        (
            "/files/*",
            "* is not supported here: {name} is one segment, {name...} the rest",
        ),
    ] {
        assert_eq!(
            text.parse::<RouteTemplate>().expect_err(text).to_string(),
            expected
        );
    }
    let long = format!("/{}", "a".repeat(1024));
    assert_eq!(
        long.parse::<RouteTemplate>().expect_err("long").to_string(),
        "a route has at most 1024 bytes"
    );
    let deep = "/a".repeat(17);
    assert_eq!(
        deep.parse::<RouteTemplate>().expect_err("deep").to_string(),
        "a route has at most 16 segments"
    );
    for text in ["/", "/a/{b}/{c...}", "/%7Ea/"] {
        assert!(text.parse::<RouteTemplate>().is_ok(), "{text}");
    }
    assert_eq!(template("/%7Ea/").to_string(), "/~a");
}

#[test]
fn what_there_is_no_room_for_is_one_endpoint() {
    let mut routes = Routes::new(vec![template("/given")], 2);
    let requests = [
        ("GET", "/a"),
        ("GET", "/b"),
        ("GET", "/c"),
        ("GET", "/a"),
        ("GET", "/given"),
    ];
    assert_eq!(
        name_all(&mut routes, &requests),
        ["GET /a", "GET /b", "(other)", "GET /a", "GET /given"]
    );
    assert_eq!(routes.endpoint(b"GET", b"/d"), EndpointId::OTHER);
}

#[test]
fn endpoints_that_become_one_make_room() {
    let mut routes = Routes::new(Vec::new(), 50);
    for number in 0..51 {
        routes.endpoint(b"GET", format!("/a/{}", word(number)).as_bytes());
    }
    let requests = [("GET", "/b"), ("GET", "/a/by")];
    assert_eq!(name_all(&mut routes, &requests), ["GET /b", "GET /a/{name}"]);
}

#[test]
fn nothing_grows_without_a_bound() {
    let mut routes = Routes::new(Vec::new(), 20);
    for a in 0..40 {
        for b in 0..40 {
            for c in 0..10 {
                let target = format!("/x{a}/y{b}/z{c}/{a}{b}");
                routes.endpoint(format!("M{c}").as_bytes(), target.as_bytes());
            }
        }
    }
    assert!(routes.entries.len() <= 20 * IDS + 1);
    assert!(routes.tree.places() <= 20 * NODES);
    assert!(routes.remembered.len() <= REMEMBERED);
}

/// Few names, so that places meet each other, and many where they collapse.
fn targets() -> impl Strategy<Value = Vec<String>> {
    let segment = prop_oneof![
        3 => (0..4u8).prop_map(|n| format!("s{n}")),
        2 => (0..120u8).prop_map(|n| word(n.into())),
        2 => (0..20u8).prop_map(|n| format!("page{n}.html")),
        1 => (0..60u8).prop_map(|n| format!("_{}{}", word(n.into()), n / 6)),
        1 => (0..200u8).prop_map(|n| n.to_string()),
        1 => (0..9u8).prop_map(|n| format!("{n}.json")),
    ];
    let path = prop::collection::vec(segment, 0..4).prop_map(|segments| format!("/{}", segments.join("/")));
    prop::collection::vec(path, 1..250)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn templates_do_not_depend_on_the_order_of_requests((targets, shuffled) in targets().prop_flat_map(|targets| {
        let shuffled = Just(targets.clone()).prop_shuffle();
        (Just(targets), shuffled)
    })) {
        let named = |targets: &[String]| {
            let mut routes = Routes::new(Vec::new(), 100_000);
            let ids: Vec<_> = targets.iter().map(|target| routes.endpoint(b"GET", target.as_bytes())).collect();
            let names = targets.iter().zip(ids).map(|(target, id)| (target.clone(), routes.name(id)));
            let names: std::collections::BTreeMap<_, _> = names.collect();
            // Asked again, it is the same.
            for (target, name) in &names {
                let id = routes.endpoint(b"GET", target.as_bytes());
                assert_eq!((routes.canonical(id), &routes.name(id)), (id, name));
            }
            names
        };
        prop_assert_eq!(named(&targets), named(&shuffled));
    }

    #[test]
    fn any_bytes_have_a_name_of_printable_characters(
        method in prop::collection::vec(any::<u8>(), 0..9),
        target in prop::collection::vec(prop_oneof![Just(b'/'), Just(b'%'), Just(b'.'), any::<u8>()], 0..200),
    ) {
        let mut routes = Routes::new(vec![template("/{a}/b"), template("/c/{d...}")], 3);
        let id = routes.endpoint(&method, &target);
        let name = routes.name(id);
        prop_assert!(name.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", name);
        prop_assert_eq!(routes.endpoint(&method, &target), id);
    }

    #[test]
    fn a_template_is_read_as_it_is_written(text in "/?[a{}:./*%?é -]{0,20}") {
        if let Ok(template) = text.parse::<RouteTemplate>() {
            prop_assert_eq!(template.to_string().parse(), Ok(template));
        }
    }
}

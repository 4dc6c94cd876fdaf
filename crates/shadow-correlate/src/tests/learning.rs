//! Learning from two answers: what they teach, and what they do not.

use std::time::Duration;

use shadow_core::time::Timestamp;

use super::{NOW, Sides, json, request, with_body};
use crate::rewrite::Rewriting;
use crate::{At, Bounds, Exceptions, Same, lock};

const LOGIN: &str = "POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
const A: &str = "7f3c9a1be05d42c8";
const B: &str = "0e9d81c7aa46b35f";

fn bearer(token: &str) -> String {
    format!("GET /me HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n")
}

fn token(token: &str) -> String {
    json("200", &format!(r#"{{"access_token":"{token}","type":"bearer"}}"#))
}

#[test]
fn a_token_in_json_is_mapped() {
    let mut sides = Sides::new();
    sides.answered(LOGIN, &token(A), &token(B));
    assert_eq!(sides.rewritten(&bearer(A)), bearer(B));
}

#[test]
fn whichever_side_answers_first() {
    let mut sides = Sides::new();
    let login = sides.sent(LOGIN);
    sides.own(login, &token(B));
    sides.production(login, &token(A));
    assert_eq!(sides.rewritten(&bearer(A)), bearer(B));
}

#[test]
fn what_both_sides_gave_alike_is_left_alone() {
    let mut sides = Sides::new();
    sides.answered(LOGIN, &token(A), &token(A));
    let found = sides.looked_up(&bearer(A));
    assert_eq!((found.values(), found.pending, found.missing), (0, 0, 0));
    assert!(lock(&sides.map).is_empty());
}

#[test]
fn a_value_under_way_is_pending_until_it_is_there() {
    let mut sides = Sides::new();
    let login = sides.sent(LOGIN);
    sides.production(login, &token(A));
    assert_eq!(sides.looked_up(&bearer(A)).pending, 1);
    sides.own(login, &token(B));
    assert_eq!(sides.rewritten(&bearer(A)), bearer(B));
}

#[test]
fn what_production_issues_later_is_nothing_to_a_request() {
    let mut sides = Sides::new();
    let looked_up = |sides: &Sides, at: u64| {
        let mut carrying = request(&bearer(A));
        carrying.first_byte = Timestamp(at);
        let found = Rewriting::of(&carrying, &sides.exceptions, &mut lock(&sides.map), NOW);
        (found.values(), found.pending, found.missing)
    };
    // The answer to the request itself, say, in which production repeats what it was given.
    let itself = sides.sent(LOGIN);
    sides.production(itself, &token(A));
    assert_eq!(looked_up(&sides, NOW.0 - 1), (0, 0, 0));
    assert_eq!(looked_up(&sides, NOW.0 + 1), (0, 1, 0));
    sides.own(itself, &token(B));
    assert_eq!(looked_up(&sides, NOW.0 - 1), (0, 0, 0));
    assert_eq!(looked_up(&sides, NOW.0 + 1), (1, 0, 0));
}

#[test]
fn what_the_output_never_gave_is_missing() {
    for fails in [true, false] {
        let mut sides = Sides::new();
        let login = sides.sent(LOGIN);
        sides.production(login, &token(A));
        if fails {
            sides.exchanges.own_lost(&login);
        } else {
            sides.own(login, &json("500", r#"{"error":"database"}"#));
        }
        let found = sides.looked_up(&bearer(A));
        assert_eq!((found.values(), found.pending, found.missing), (0, 0, 1));
    }
}

#[test]
fn an_answer_that_was_lost_first_gives_nothing_later() {
    let mut sides = Sides::new();
    let login = sides.sent(LOGIN);
    sides.exchanges.own_lost(&login);
    sides.production(login, &token(A));
    assert_eq!(sides.looked_up(&bearer(A)).missing, 1);
}

#[test]
fn the_newest_pair_counts() {
    let mut sides = Sides::new();
    sides.answered(LOGIN, &token(A), &token(B));
    sides.answered(LOGIN, &token(A), &token("5b1c6d0f9e3a7284"));
    assert_eq!(sides.rewritten(&bearer(A)), bearer("5b1c6d0f9e3a7284"));
    sides.answered(LOGIN, &token(A), &token(A));
    assert_eq!(sides.rewritten(&bearer(A)), bearer(A));
}

#[test]
fn nobody_waits_for_what_both_sides_issued_alike_before() {
    let mut sides = Sides::new();
    sides.answered(LOGIN, &token(A), &token(A));
    let again = sides.sent(LOGIN);
    sides.production(again, &token(A));
    assert_eq!(sides.looked_up(&bearer(A)).pending, 0);
    sides.own(again, &token(B));
    assert_eq!(sides.rewritten(&bearer(A)), bearer(B));
}

#[test]
fn an_id_that_is_given_anew_is_of_the_new_record() {
    let mut sides = Sides::new();
    let post = "POST /todos HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    let created = |id: u32| json("201", &format!(r#"{{"id":{id}}}"#));
    let get = |id: u32| format!("GET /todos/{id} HTTP/1.1\r\n\r\n");
    sides.answered(post, &created(4), &created(5));
    sides.answered(post, &created(6), &created(6));
    for (id, own) in [(4, 9), (6, 8)] {
        let again = sides.sent(post);
        sides.production(again, &created(id));
        assert_eq!(sides.looked_up(&get(id)).pending, 1);
        sides.own(again, &created(own));
        assert_eq!(sides.rewritten(&get(id)), get(own));
    }
}

#[test]
fn hidden_inputs_of_forms_are_mapped() {
    let page = |token: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><form>\
             <input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{token}\"><p>{token}</p></form>"
        )
    };
    let mut sides = Sides::new();
    sides.answered("GET /login HTTP/1.1\r\n\r\n", &page(A), &page(B));
    let form = |token: &str| {
        let head = "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
        super::with_body(head, &format!("csrfmiddlewaretoken={token}&user=a"))
    };
    assert_eq!(sides.rewritten(&form(A)), form(B));
}

#[test]
fn a_compressed_chunked_answer_is_read() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;
    let coded = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        let coded = encoder.finish().unwrap();
        let mut body = format!("{:x}\r\n", coded.len()).into_bytes();
        body.extend(coded);
        body.extend(b"\r\n0\r\n\r\n");
        body
    };
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let mut sides = Sides::new();
    let login = sides.sent(LOGIN);
    let body = |token: &str| coded(&format!("{{\"token\":\"{token}\"}}"));
    sides.exchanges.production(&login, (head, &body(A)), NOW, NOW);
    sides.exchanges.own(&login, head, &body(B), Same::Nothing, NOW);
    assert_eq!(sides.rewritten(&bearer(A)), bearer(B));
}

#[test]
fn one_record_more_in_a_list_pairs_nobody_with_a_neighbour() {
    let record = |id: &str, name: &str| format!(r#"{{"uuid":"{id}","name":"{name}"}}"#);
    let list = |records: &[String]| json("200", &format!("[{}]", records.join(",")));
    let (x, y) = ("c1d5e8f2a9b04763", "93ab7d10cc5e4f28");
    let production = list(&[record(A, "ann"), record(x, "bob")]);
    let own = list(&[
        record("1a2b3c4d5e6f7081", "new"),
        record(B, "ann"),
        record(y, "bob"),
    ]);
    let mut sides = Sides::new();
    sides.answered("GET /users HTTP/1.1\r\n\r\n", &production, &own);
    let get = |id: &str| format!("GET /users/{id} HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&get(A)), get(B));
    assert_eq!(sides.rewritten(&get(x)), get(y));
}

#[test]
fn reads_teach_no_ids_of_records() {
    let mut sides = Sides::new();
    let record = |id: u32| json("200", &format!(r#"{{"id":{id}}}"#));
    sides.answered("GET /users/7 HTTP/1.1\r\n\r\n", &record(7), &record(8));
    assert!(lock(&sides.map).is_empty());
}

#[test]
fn what_looks_like_an_identifier_alone_excuses_nothing() {
    let mut sides = Sides::new();
    let sku = |sku: &str| json("200", &format!(r#"{{"sku":"{sku}"}}"#));
    sides.answered("GET /items HTTP/1.1\r\n\r\n", &sku(A), &sku(B));
    let same =
        |sides: &Sides| lock(&sides.map).is_same(b"/items", At::Member(b"sku"), A.as_bytes(), B.as_bytes());
    assert!(!same(&sides));
    // A client takes it for one.
    sides.rewritten(&format!("GET /items/{A} HTTP/1.1\r\n\r\n"));
    assert!(same(&sides));
}

#[test]
fn mapped_values_are_the_same_where_they_mean_something() {
    let mut sides = Sides::new();
    let created = |id: u32| {
        let answer = json("201", &format!(r#"{{"id":{id}}}"#));
        answer.replacen("\r\n", &format!("\r\nLocation: http://h/todos/{id}\r\n"), 1)
    };
    sides.answered(
        "POST /todos HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &created(201),
        &created(205),
    );
    let map = lock(&sides.map);
    let same =
        |target: &str, at, a: &str, b: &str| map.is_same(target.as_bytes(), at, a.as_bytes(), b.as_bytes());
    assert!(same("/todos", At::Member(b"id"), "201", "205"));
    assert!(same("/todos/201?x", At::Member(b"id"), "201", "205"));
    assert!(same("/x", At::Member(b"todo_id"), "201", "205"));
    assert!(same(
        "/todos",
        At::Elsewhere,
        "http://h/todos/201",
        "http://h/todos/205"
    ));
    assert!(!same(
        "/todos",
        At::Elsewhere,
        "http://h/todos/201",
        "http://other/todos/205"
    ));
    assert!(!same("/todos", At::Elsewhere, "/users/201", "/users/205"));
    assert!(!same("/users/201", At::Member(b"id"), "201", "205"));
    assert!(!same("/todos", At::Member(b"count"), "201", "205"));
    assert!(!same("/todos", At::Member(b"id"), "201", "206"));
}

#[test]
fn a_map_keeps_within_its_bytes_and_forgets_the_least_used() {
    let bounds = Bounds {
        bytes: 3 * 160,
        idle: Duration::from_mins(1),
    };
    let mut sides = Sides::with(bounds, Exceptions::default());
    let nth = |n: u32| format!("a1b2c3d4e5f6{n:04}");
    let own = |n: u32| format!("f6e5d4c3b2a1{n:04}");
    for n in 0..3 {
        sides.answered(LOGIN, &token(&nth(n)), &token(&own(n)));
    }
    assert_eq!(sides.rewritten(&bearer(&nth(0))), bearer(&own(0)));
    sides.answered(LOGIN, &token(&nth(3)), &token(&own(3)));
    assert!(lock(&sides.map).bytes() <= bounds.bytes);
    assert_eq!(lock(&sides.map).counts().evicted, 1);
    assert_eq!(sides.rewritten(&bearer(&nth(1))), bearer(&nth(1)));
    assert_eq!(sides.rewritten(&bearer(&nth(0))), bearer(&own(0)));
}

#[test]
fn what_nobody_carries_expires() {
    let mut sides = Sides::new();
    sides.answered(LOGIN, &token(A), &token(B));
    let later = |seconds: u64| crate::tests::Timestamp(NOW.0 + seconds * 1_000_000_000);
    lock(&sides.map).expire(later(7199));
    assert_eq!(lock(&sides.map).len(), 1);
    lock(&sides.map).expire(later(7200));
    assert!(lock(&sides.map).is_empty());
    assert_eq!(lock(&sides.map).bytes(), 0);
}

#[test]
fn routes_and_headers_are_left_out() {
    let mut exceptions = Exceptions::default();
    exceptions.add("/admin").unwrap();
    exceptions.add("header:Authorization").unwrap();
    let mut sides = Sides::with(Bounds::default(), exceptions);
    sides.answered(
        "POST /admin/login HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &token(A),
        &token(B),
    );
    assert!(lock(&sides.map).is_empty());
    sides.answered(LOGIN, &token(A), &token(B));
    assert_eq!(sides.rewritten(&bearer(A)), bearer(A));
    let with = |token: &str| format!("GET /a HTTP/1.1\r\nX-Token: {token}\r\n\r\n");
    assert_eq!(sides.rewritten(&with(A)), with(B));
    let admin = format!("GET /admin/{A} HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&admin), admin);
}

#[test]
fn records_are_known_again_in_pages() {
    let mut sides = Sides::new();
    let made = |id: u32| format!("HTTP/1.1 302 X\r\nLocation: /admin/group/{id}/change/\r\n\r\n");
    let add = "POST /admin/group/add/ HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    sides.answered(add, &made(10), &made(17));
    let map = lock(&sides.map);
    let same = |at, a: &str, b: &str| map.is_same(b"/admin/user/", at, a.as_bytes(), b.as_bytes());
    let text = |a: &str, b: &str| same(At::Elsewhere, a, b);
    assert!(text(
        "Group with ID “10” doesn’t exist.",
        "Group with ID “17” doesn’t exist."
    ));
    assert!(text("/admin/group/10/", "/admin/group/17/"));
    assert!(text("?group__id__exact=10&q=a", "?group__id__exact=17&q=a"));
    assert!(same(At::ChoiceOf(b"groups"), "10", "17"));
    // Numbers that mean something else, or another record, count.
    for (a, b) in [
        ("10 in all", "17 in all"),
        ("User with ID “10”", "User with ID “17”"),
        ("group 10", "group 18"),
        ("group 10 of 3", "group 17 of 4"),
        ("?page__id=10", "?page__id=17"),
        ("Group 10", "Group 17 "),
    ] {
        assert!(!text(a, b), "{a}");
    }
    assert!(!same(At::ChoiceOf(b"users"), "10", "17"));
}

#[test]
fn an_id_in_the_query_of_a_location_is_of_what_stands_beside_it() {
    let mut sides = Sides::new();
    let made = |id| format!("HTTP/1.1 302 X\r\nLocation: /admin/post/edit/?id={id}&url=/admin/post/\r\n\r\n");
    let new = "POST /admin/post/new/ HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    sides.answered(new, &made(104), &made(111));
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\n\r\n");
    for (carried, own) in [
        ("/admin/post/edit/?id=104", "/admin/post/edit/?id=111"),
        (
            "/admin/post/details/?id=104&tab=1",
            "/admin/post/details/?id=111&tab=1",
        ),
        // Other records have the number as well.
        ("/admin/user/edit/?id=104", "/admin/user/edit/?id=104"),
        ("/admin/post/?page=104", "/admin/post/?page=104"),
    ] {
        assert_eq!(sides.rewritten(&get(carried)), get(own), "{carried}");
    }
    let delete = |id| {
        let form = "Content-Type: application/x-www-form-urlencoded";
        with_body(
            &format!("POST /admin/post/delete/ HTTP/1.1\r\n{form}"),
            &format!("id={id}"),
        )
    };
    assert_eq!(sides.rewritten(&delete(104)), delete(111));
    let map = lock(&sides.map);
    let is_same = |at, production: &str, own: &str| {
        map.is_same(b"/admin/post/", at, production.as_bytes(), own.as_bytes())
    };
    assert!(is_same(
        At::Elsewhere,
        "/admin/post/details/?id=104",
        "/admin/post/details/?id=111"
    ));
    assert!(!is_same(
        At::Elsewhere,
        "/admin/post/details/?id=104",
        "/admin/post/details/?id=112"
    ));
    assert!(!is_same(
        At::Elsewhere,
        "/admin/user/details/?id=104",
        "/admin/user/details/?id=111"
    ));
    assert!(is_same(At::Member(b"rowid"), "104", "111") && !is_same(At::Member(b"count"), "104", "111"));
}

#[test]
fn an_id_in_the_query_of_its_collection_is_of_that() {
    let mut sides = Sides::new();
    let made = |id| format!("HTTP/1.1 303 X\r\nLocation: /api/items?id={id}\r\n\r\n");
    let new = "POST /api/items HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    sides.answered(new, &made(7), &made(9));
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&get("/api/items?id=7")), get("/api/items?id=9"));
    assert_eq!(sides.rewritten(&get("/api/users?id=7")), get("/api/users?id=7"));
}

#[test]
fn what_an_answer_said_for_sure_is_not_taken_back_by_a_repetition() {
    let mut sides = Sides::new();
    let flow = |id: &str| format!(r#"{{"id":"{id}","label":"a"}}"#);
    let new = "POST /flow HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    sides.answered(new, &json("200", &flow(A)), &json("200", &flow(B)));
    sides.answered(
        "GET /flow/1 HTTP/1.1\r\n\r\n",
        &json("200", &flow(A)),
        &json("200", &flow(B)),
    );
    let map = lock(&sides.map);
    assert!(map.is_same(b"/flow/1", At::Member(b"z"), A.as_bytes(), B.as_bytes()));
}

#[test]
fn json_that_is_called_plain_text_is_read() {
    let mut sides = Sides::new();
    let plain = |id: &str| {
        json("201", &format!(r#"{{"ok":true,"id":"{id}"}}"#)).replace("application/json", "text/plain")
    };
    let new = "POST /shop HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    sides.answered(new, &plain(A), &plain(B));
    let get = |id: &str| format!("GET /shop/{id} HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&get(A)), get(B));
}

#[test]
fn records_of_a_list_are_told_apart_by_more_than_when_they_were_made() {
    let mut sides = Sides::new();
    let list = |ids: [&str; 2], at: u64| {
        let [first, other] = ids;
        json(
            "200",
            &format!(
                r#"[{{"id":"{first}","name":"a","at":{at}}},{{"id":"{other}","name":"b","at":"2026-11-30T12:00:{}Z"}}]"#,
                at % 60
            ),
        )
    };
    let (c, d) = ("a81f00c3d5e6b792", "b92e11d4c6f7a803");
    sides.answered(
        "GET /all HTTP/1.1\r\n\r\n",
        &list([A, c], 1_796_041_923_938),
        &list([B, d], 1_796_041_923_943),
    );
    assert_eq!(sides.rewritten(&bearer(c)), bearer(d));
}

#[test]
fn tokens_in_urls_of_headers_are_mapped() {
    let mut sides = Sides::new();
    let page =
        |token: &str| format!("HTTP/1.1 200 X\r\nNext-Page: http://h/all?_limit=5&_token={token}\r\n\r\n");
    sides.answered("GET /all HTTP/1.1\r\n\r\n", &page(A), &page(B));
    let next = |token: &str| format!("GET /all?_limit=5&_token={token} HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&next(A)), next(B));
}

#[test]
fn hashes_in_urls_of_scripts_are_mapped_and_other_scripts_are_not() {
    let mut sides = Sides::new();
    let page = |scripts: &str| format!("HTTP/1.1 200 X\r\nContent-Type: text/html\r\n\r\n<p>a</p>{scripts}");
    let of = |hash: &str| {
        page(&format!(
            r#"<script src="vendor/a.js?v={hash}"></script><link rel=stylesheet href=/b.{hash}.css>"#
        ))
    };
    let (a, b) = ("0b070a006b2d", "a7d0d79e8ed7");
    sides.answered("GET / HTTP/1.1\r\n\r\n", &of(a), &of(b));
    let get = |hash: &str| format!("GET /vendor/a.js?v={hash} HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&get(a)), get(b));
    let get = |hash: &str| format!("GET /b.{hash}.css HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&get(a)), get(b));
    let map = lock(&sides.map);
    let is_same = |a: &str, b: &str| map.is_same(b"/", At::Elsewhere, a.as_bytes(), b.as_bytes());
    assert!(is_same(
        "/vendor/a.js?v=0b070a006b2d",
        "/vendor/a.js?v=a7d0d79e8ed7"
    ));
    assert!(!is_same(
        "/vendor/a.js?v=0b070a006b2d",
        "/vendor/c.js?v=a7d0d79e8ed7"
    ));
    assert!(!is_same(
        "/vendor/a.js?v=0b070a006b2d",
        "/vendor/a.js?v=1234567890ab"
    ));
}

#[test]
fn credentials_in_a_field_of_their_own_are_read_as_those_of_basic() {
    use base64::Engine as _;
    let mut sides = Sides::new();
    let login = |password: &str| {
        json(
            "200",
            &format!(r#"{{"result":{{"password":"{password}","expiration":36000}}}}"#),
        )
    };
    sides.answered(LOGIN, &login(A), &login(B));
    let get = |password: &str| {
        let both = base64::engine::general_purpose::STANDARD.encode(format!("ann:{password}"));
        format!("GET /ann HTTP/1.1\r\nX-Devpi-Auth: {both}\r\n\r\n")
    };
    assert_eq!(sides.rewritten(&get(A)), get(B));
}

#[test]
fn fields_that_name_an_identifier_are_mapped_for_sure() {
    let mut sides = Sides::new();
    let answer = |id: &str| format!("HTTP/1.1 201 X\r\nX-Request-Id: {id}\r\nX-Digest: {id}\r\n\r\n");
    sides.answered(LOGIN, &answer(A), &answer(B));
    let map = lock(&sides.map);
    assert!(map.is_same(b"/login", At::Elsewhere, A.as_bytes(), B.as_bytes()));
    assert!(!map.is_same(b"/login", At::Elsewhere, A.as_bytes(), b"5b1c6d0f9e3a7284"));
}

#[test]
fn keys_and_revisions_of_records_are_mapped_for_sure() {
    for (name, method, status) in [
        ("key", "POST", "200"),
        ("apiKey", "POST", "201"),
        ("_rev", "GET", "200"),
    ] {
        let mut sides = Sides::new();
        let (a, b) = (format!("3-{A}"), format!("3-{B}"));
        let answer = |value: &str| json(status, &format!(r#"{{"{name}":"{value}"}}"#));
        sides.answered(
            &format!("{method} /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
            &answer(&a),
            &answer(&b),
        );
        let map = lock(&sides.map);
        assert!(
            map.is_same(b"/a", At::Member(b"x"), a.as_bytes(), b.as_bytes()),
            "{name}"
        );
    }
    let mut sides = Sides::new();
    // What only looks so may be a fault: a checksum, say.
    sides.answered(
        LOGIN,
        &json("201", &format!(r#"{{"md5":"{A}"}}"#)),
        &json("201", &format!(r#"{{"md5":"{B}"}}"#)),
    );
    assert!(!lock(&sides.map).is_same(b"/a", At::Member(b"md5"), A.as_bytes(), B.as_bytes()));
}

#[test]
fn what_the_output_gave_before_is_the_same_value_still() {
    let mut sides = Sides::new();
    sides.answered(LOGIN, &token(A), &token(B));
    let next = "5b1c6d0f9e3a7284";
    // Production gives the token of this second, the output that of the next.
    sides.answered(LOGIN, &token(A), &token(next));
    assert_eq!(sides.rewritten(&bearer(A)), bearer(next));
    let map = lock(&sides.map);
    let is_same = |own: &str| map.is_same(b"/login", At::Elsewhere, A.as_bytes(), own.as_bytes());
    assert!(is_same(B) && is_same(next) && !is_same("a81f00c3d5e6b792"));
}

#[test]
fn records_that_are_made_together_are_told_apart_by_what_they_hold() {
    let mut sides = Sides::new();
    let (c, d) = ("a81f00c3d5e6b792", "b92e11d4c6f7a803");
    let made = |[first, other]: [&str; 2], vary: &str| {
        let one = |id: &str, item: &str| {
            format!(
                r#"{{"status":201,"headers":{{"Vary":"{vary}"}},"body":{{"data":{{"id":"{id}","item":"{item}"}}}}}}"#
            )
        };
        json(
            "200",
            &format!(r#"{{"responses":[{},{}]}}"#, one(first, "a"), one(other, "b")),
        )
    };
    let batch = "POST /batch HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    sides.answered(
        batch,
        &made([A, c], "Backoff, Alert"),
        &made([B, d], "Alert, Backoff"),
    );
    let map = lock(&sides.map);
    let is_same = |a: &str, b: &str| map.is_same(b"/batch", At::Member(b"id"), a.as_bytes(), b.as_bytes());
    assert!(is_same(A, B) && is_same(c, d) && !is_same(A, d));
}

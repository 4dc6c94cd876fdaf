//! Identifiers that real applications issue and carry in ways of their own: nonces in pages, cookies that are called after their host, packets of
//! Engine.IO, ids in the query of a page.

use super::{Sides, json, with_body};
use crate::{At, lock};

const A: &str = "7f3c9a1be05d42c8";
const B: &str = "0e9d81c7aa46b35f";

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n\r\n")
}

fn of_type(media: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n{body}")
}

fn page(body: &str) -> String {
    of_type("text/html; charset=utf-8", body)
}

#[test]
fn nonces_of_links_and_scripts_are_mapped_whatever_they_look_like() {
    let mut sides = Sides::new();
    let list = |first: &str, second: &str, nonce: &str, host: &str| {
        page(&format!(
            "<a href=\"http://{host}/post.php?post=5&amp;action=trash&amp;_wpnonce={first}\">x</a>\
             <a href=\"http://{host}/post.php?post=7&amp;action=trash&amp;_wpnonce={second}\">y</a>\
             <script>var api = {{\"root\":\"http:\\/\\/{host}\\/\",\"nonce\":\"{nonce}\"}};</script>"
        ))
    };
    sides.answered(
        &get("/edit.php"),
        &list("5731042986", "2f5a0c81e7", "aaaaaaaaa1", "127.0.0.1:8000"),
        &list("111122223e", "3e07dd5c10", "bbbbbbbbb2", "127.0.0.1:8001"),
    );
    let trash = |nonce: &str| get(&format!("/post.php?post=5&action=trash&_wpnonce={nonce}"));
    assert_eq!(sides.rewritten(&trash("5731042986")), trash("111122223e"));
    assert_eq!(sides.rewritten(&trash("2f5a0c81e7")), trash("3e07dd5c10"));
    let by_header = |nonce: &str| format!("GET /me HTTP/1.1\r\nX-WP-Nonce: {nonce}\r\n\r\n");
    assert_eq!(sides.rewritten(&by_header("aaaaaaaaa1")), by_header("bbbbbbbbb2"));
    assert!(lock(&sides.map).is_same(b"/edit.php", At::Elsewhere, b"aaaaaaaaa1", b"bbbbbbbbb2"));
    // Without a name it is a number.
    let number = get("/orders?total=5731042986");
    assert_eq!(sides.rewritten(&number), number);
}

#[test]
fn versions_in_relative_links_are_mapped() {
    let mut sides = Sides::new();
    let with = |version: &str| page(&format!("<script src=\"../js/app.js?v={version}\"></script>"));
    sides.answered(&get("/p/a"), &with("bede6380"), &with("c0bf142a"));
    let is_same = |a: &str, b: &str| {
        let link = |of: &str| format!("../js/app.js?v={of}").into_bytes();
        lock(&sides.map).is_same(b"/p/a", At::Elsewhere, &link(a), &link(b))
    };
    assert!(is_same("bede6380", "c0bf142a") && !is_same("bede6380", "c0bf142b"));
}

#[test]
fn cookies_are_called_by_what_each_host_calls_them() {
    let mut sides = Sides::new();
    let login = |hash: &str, port: u16, value: &str| {
        format!(
            "HTTP/1.1 302 Found\r\nSet-Cookie: wordpress_{hash}=ann%7C{value}; Path=/admin\r\n\
             Set-Cookie: wordpress_logged_in_{hash}=in-{value}\r\nSet-Cookie: user-127-0-0-1-{port}=2|{value}\r\n\r\n"
        )
    };
    let (ours, theirs) = (
        "899a4295b3589a9e3e23d1582b23fd45",
        "eab5b7bd34841d1a2adce97d73557fa0",
    );
    let request = "POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    sides.answered(request, &login(ours, 8000, "1796"), &login(theirs, 8001, "1797"));
    let carrying = |hash: &str, port: u16, value: &str| {
        format!(
            "GET / HTTP/1.1\r\nCookie: lang=en; wordpress_{hash}=ann%7C{value};wordpress_logged_in_{hash}=in-{value}; \
             user-127-0-0-1-{port}=2|{value}\r\n\r\n"
        )
    };
    assert_eq!(
        sides.rewritten(&carrying(ours, 8000, "1796")),
        carrying(theirs, 8001, "1797")
    );
    let (ours, theirs) = (format!("wordpress_{ours}"), format!("wordpress_{theirs}"));
    let is_same =
        |own: &str| lock(&sides.map).is_same(b"/login", At::CookieName, ours.as_bytes(), own.as_bytes());
    assert!(is_same(&theirs) && !is_same("wordpress_test"));
}

#[test]
fn packets_and_events_have_identifiers() {
    for (media, issuing) in [
        (
            "text/plain; charset=UTF-8",
            "0{\"sid\":\"ID\",\"pingInterval\":25000}",
        ),
        ("text/plain", "96:0{\"sid\":\"ID\",\"upgrades\":[]}2:40"),
        (
            "text/event-stream",
            "event: endpoint\ndata: /messages?session_id=ID\n\n",
        ),
        (
            "text/event-stream",
            ": hello\n\nid: 1\ndata: {\"event_id\": \"ID\"}\n\n",
        ),
        ("application/x-ndjson", "{\"id\":\"ID\"}\n{\"count\":2}\n"),
        ("text/html", "{\"id\":\"ID\"}"),
        ("application/x-amz-json-1.0", "{\"QueueId\":\"ID\"}"),
    ] {
        let mut sides = Sides::new();
        let answer = |id: &str| of_type(media, &issuing.replace("ID", id));
        sides.answered(&get("/open"), &answer(A), &answer(B));
        let next = |id: &str| get(&format!("/next?sid={id}"));
        assert_eq!(sides.rewritten(&next(A)), next(B), "{media} {issuing}");
        let post = |media: &str, body: String| {
            with_body(&format!("POST /next HTTP/1.1\r\nContent-Type: {media}"), &body)
        };
        for (media, body) in [
            ("text/plain;charset=UTF-8", "42[\"message\",{\"user\":\"ID\"}]"),
            ("text/plain", "35:42[\"\u{e9}\",{\"user\":\"ID\"}]2:41"),
            ("application/x-ndjson", "{\"index\":{}}\n{\"user\":\"ID\"}\n"),
            ("application/x-amz-json-1.1", "{\"user\":\"ID\"}"),
        ] {
            let carrying = |id: &str| post(media, body.replace("ID", id));
            assert_eq!(sides.rewritten(&carrying(A)), carrying(B), "{media} {body}");
        }
    }
}

#[test]
fn a_record_is_named_in_a_query_as_its_own_link_has_it() {
    let mut sides = Sides::new();
    let created = |id: u32| {
        json(
            "201",
            &format!(r#"{{"id":{id},"link":"http://h/?p={id}","count":12}}"#),
        )
    };
    let request = "POST /wp-json/posts HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    sides.answered(request, &created(104), &created(109));
    for of in [
        |id: u32| get(&format!("/?p={id}")),
        |id: u32| get(&format!("/wp-json/posts/{id}")),
        |id: u32| get(&format!("/wp-admin/post.php?post={id}&action=edit")),
        |id: u32| {
            with_body(
                "POST /comments HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded",
                &format!("comment_post_ID={id}&n=104"),
            )
        },
    ] {
        assert_eq!(sides.rewritten(&of(104)), of(109));
    }
    for other in ["/list?p=104", "/?page=104", "/?size=104"] {
        assert_eq!(sides.rewritten(&get(other)), get(other));
    }
}

#[test]
fn an_identifier_that_nobody_has_seen_before_is_one_by_its_name() {
    let mut sides = Sides::new();
    let request = "POST /jobs HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    let made = |trace: &str, customer: &str| {
        json(
            "200",
            &format!(r#"{{"traceId":"{trace}","customerId":"{customer}","hash":"{customer}"}}"#),
        )
    };
    let is_same = |sides: &Sides, a: &str, b: &str| {
        lock(&sides.map).is_same(b"/jobs", At::Elsewhere, a.as_bytes(), b.as_bytes())
    };
    let (first, second) = ("c0ffee5a1b2d3e4f", "d1e2f3a4b5c60718");
    sides.answered(request, &made(A, first), &made(B, first));
    assert!(is_same(&sides, A, B));
    // Twice in one answer, as an error or not.
    let error = |id: &str| {
        let body = format!("<Error><RequestId>{id}</RequestId><Of><RequestId>{id}</RequestId></Of></Error>");
        format!("HTTP/1.1 404 X\r\nContent-Type: text/xml\r\n\r\n{body}")
    };
    sides.answered(request, &error("0a1b2c3d4e5f6071"), &error("f0e1d2c3b4a59687"));
    assert!(is_same(&sides, "0a1b2c3d4e5f6071", "f0e1d2c3b4a59687"));
    sides.answered(
        request,
        &made("1a2b3c4d5e6f7081", second),
        &made("9f8e7d6c5b4a3920", first),
    );
    // The release answers with another customer.
    assert!(!is_same(&sides, second, first));
    assert!(is_same(&sides, "1a2b3c4d5e6f7081", "9f8e7d6c5b4a3920"));
}

#[test]
fn what_objects_call_their_members_by_is_issued_too() {
    let mut sides = Sides::new();
    let list = |id: &str, token: &str| {
        json(
            "200",
            &format!(r#"{{"data":{{"s.{id}":{{"owner":"ann","token":"{token}"}}}}}}"#),
        )
    };
    sides.answered(
        &get("/sessions"),
        &list(A, "1a2b3c4d5e6f7081"),
        &list(B, "9f8e7d6c5b4a3920"),
    );
    let of = |id: &str, token: &str| get(&format!("/sessions/s.{id}?token={token}"));
    assert_eq!(
        sides.rewritten(&of(A, "1a2b3c4d5e6f7081")),
        of(B, "9f8e7d6c5b4a3920")
    );
}

#[test]
fn what_a_page_filled_in_is_sent_back_as_the_output_filled_it_in() {
    let mut sides = Sides::new();
    let form = |id: u32| {
        page(&format!(
            "<form><input type=hidden name=post_ID value={id}><input type=hidden name=step value=2></form>"
        ))
    };
    sides.answered(&get("/new"), &form(11), &form(14));
    let sent = |id: u32| {
        let head = "POST /new HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
        with_body(head, &format!("post_ID={id}&other=11&step=2"))
    };
    assert_eq!(sides.rewritten(&sent(11)), sent(14));
    // A page that shows another record's is no proof that the two are one.
    assert!(!lock(&sides.map).is_same(b"/new", At::Member(b"post_ID"), b"11", b"14"));
}

#[test]
fn ids_of_records_that_were_made_are_known_in_names_of_elements() {
    let mut sides = Sides::new();
    let created = |id: u32| json("201", &format!(r#"{{"id":{id}}}"#));
    let request = "POST /api/posts HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    sides.answered(request, &created(8), &created(17));
    let is_same = |at, a: &str, b: &str| lock(&sides.map).is_same(b"/admin", at, a.as_bytes(), b.as_bytes());
    assert!(is_same(At::Attribute, "cb-select-8", "cb-select-17"));
    for (a, b) in [("cb-select-8", "cb-select-18"), ("cb-select-8", "cb-other-17")] {
        assert!(!is_same(At::Attribute, a, b), "{a} {b}");
    }
    assert!(!is_same(At::Elsewhere, "8 items", "17 items"));
    // A link is to the record of a collection.
    assert!(!is_same(At::Elsewhere, "/users/8", "/users/17"));
}

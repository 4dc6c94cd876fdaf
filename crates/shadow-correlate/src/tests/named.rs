//! Identifiers that are told by what they are called or stand beside: their looks say too little.

use super::{Sides, json, with_body};
use crate::{At, lock};

const A: &str = "7f3c9a1be05d42c8";
const B: &str = "0e9d81c7aa46b35f";

#[test]
fn what_lists_show_of_a_token_is_a_pair_by_its_name() {
    let mut sides = Sides::new();
    let list = |token: &str| {
        json(
            "200",
            &format!(r#"{{"objects":[{{"token":"{token}","user":"ann"}}]}}"#),
        )
    };
    sides.answered(
        "GET /tokens HTTP/1.1\r\n\r\n",
        &list("aabba...ccdde"),
        &list("eeffa...aabbc"),
    );
    let map = lock(&sides.map);
    let same = |a: &str, b: &str| map.is_same(b"/tokens", At::Member(b"token"), a.as_bytes(), b.as_bytes());
    assert!(same("aabba...ccdde", "eeffa...aabbc"));
    assert!(!same("aabba...ccdde", "eeffa...aabbd"));
}

#[test]
fn a_random_id_is_known_anywhere_where_the_outputs_looks_like_a_word() {
    let mut sides = Sides::new();
    let made = |id: &str| json("201", &format!(r#"{{"id":"{id}"}}"#));
    sides.answered(
        "POST /v1/buckets HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &made("0JM1Vp7n"),
        &made("emTeda-4"),
    );
    let asked = |id: &str| format!("GET /other/{id}?b={id} HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&asked("0JM1Vp7n")), asked("emTeda-4"));
}

#[test]
fn a_revision_is_a_pair_by_its_name() {
    let mut sides = Sides::new();
    let flows = |rev: &str| json("200", &format!(r#"{{"flows":[],"rev":"{rev}","sum":"{rev}"}}"#));
    sides.answered("GET /flows HTTP/1.1\r\n\r\n", &flows(A), &flows(B));
    // As CouchDB counts them, with a hash whose letters and digits change places seldom.
    let (c, d) = ("3-130061894d796858", "3-f143412885009015");
    sides.answered("GET /flows HTTP/1.1\r\n\r\n", &flows(c), &flows(d));
    let map = lock(&sides.map);
    for (production, own) in [(A, B), (c, d)] {
        assert!(map.is_same(
            b"/flows",
            At::Member(b"rev"),
            production.as_bytes(),
            own.as_bytes()
        ));
    }
}

#[test]
fn a_list_in_another_order_does_not_take_back_what_was_made() {
    let mut sides = Sides::new();
    let made = |id: &str| json("201", &format!(r#"[{{"ok":true,"id":"{id}"}}]"#));
    let (c, d) = ("11c2bd0e7741aa39", "88f00b5e1f6c44d1");
    sides.answered(
        "POST /db/_bulk_docs HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &made(A),
        &made(B),
    );
    sides.answered(
        "POST /db/_bulk_docs HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &made(c),
        &made(d),
    );
    let list = |first: &str, second: &str| {
        json(
            "200",
            &format!(r#"{{"rows":[{{"id":"{first}"}},{{"id":"{second}"}}]}}"#),
        )
    };
    for _ in 0..3 {
        sides.answered("GET /db/_all_docs HTTP/1.1\r\n\r\n", &list(A, c), &list(d, B));
    }
    let asked = |id: &str| format!("GET /db/{id} HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&asked(A)), asked(B));
    assert_eq!(sides.rewritten(&asked(c)), asked(d));
}

#[test]
fn links_without_what_all_of_an_api_begin_with_are_the_same() {
    let mut sides = Sides::new();
    let made = |id: u32| json("201", &format!(r#"{{"id":{id}}}"#));
    sides.answered(
        "POST /v1/buckets HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &made(7),
        &made(9),
    );
    let map = lock(&sides.map);
    let same = |target: &str, a: &str, b: &str| {
        map.is_same(target.as_bytes(), At::Member(b"uri"), a.as_bytes(), b.as_bytes())
    };
    for target in ["/v1/buckets/7/history", "/v1/batch"] {
        assert!(same(target, "/buckets/7/groups", "/buckets/9/groups"), "{target}");
        assert!(same(target, "/v1/buckets/7", "/v1/buckets/9"), "{target}");
        assert!(!same(target, "/buckets/7", "/buckets/8"), "{target}");
        assert!(!same(target, "/shelves/7", "/shelves/9"), "{target}");
    }
}

#[test]
fn tokens_in_xml_are_mapped() {
    let mut sides = Sides::new();
    let report = |token: &str, upload: &str| {
        let body = format!(
            "<multistatus xmlns=\"DAV:\"><sync-token>http://radicale.org/ns/sync/{token}</sync-token><UploadId>{upload}</UploadId></multistatus>"
        );
        format!("HTTP/1.1 207 X\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n{body}")
    };
    let (c, d) = ("a81f00c3d5e6b792", "b92e11d4c6f7a80312");
    sides.answered("REPORT /cal/ HTTP/1.1\r\n\r\n", &report(A, c), &report(B, d));
    let sync = |token: &str| {
        let body = format!(
            "<sync-collection><sync-token> http://radicale.org/ns/sync/{token} </sync-token></sync-collection>"
        );
        with_body("REPORT /cal/ HTTP/1.1\r\nContent-Type: application/xml", &body)
    };
    assert_eq!(sides.rewritten(&sync(A)), sync(B));
    let part = |upload: &str| format!("PUT /a?partNumber=1&uploadId={upload} HTTP/1.1\r\n\r\n");
    assert_eq!(sides.rewritten(&part(c)), part(d));
}

#[test]
fn a_tag_that_is_a_number_is_known_in_queries_of_its_path() {
    let mut sides = Sides::new();
    let list = |time: &str| format!("HTTP/1.1 200 X\r\nETag: \"{time}\"\r\nContent-Length: 0\r\n\r\n");
    let (theirs, own) = ("1789234567890", "1789234571234");
    sides.answered("GET /records?_sort=a HTTP/1.1\r\n\r\n", &list(theirs), &list(own));
    let asked = |path: &str, since: &str| format!("GET {path}?_limit=2&_since={since} HTTP/1.1\r\n\r\n");
    for (before, after) in [("", ""), ("%22", "%22"), ("\"", "\"")] {
        let since = |time: &str| format!("{before}{time}{after}");
        assert_eq!(
            sides.rewritten(&asked("/records", &since(theirs))),
            asked("/records", &since(own))
        );
        let other = asked("/others", &since(theirs));
        assert_eq!(sides.rewritten(&other), other);
        let mixed = asked("/records", &format!("%22{theirs}\""));
        assert_eq!(sides.rewritten(&mixed), mixed);
        let newer = asked("/records", &since("1789234567891"));
        assert_eq!(sides.rewritten(&newer), newer);
    }
}

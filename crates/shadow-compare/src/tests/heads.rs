//! Status codes, header fields and cookies.

use super::{answer, differences};

fn fields(production: &str, shadow: &str) -> Vec<String> {
    differences(&answer("200 OK", production, ""), &answer("200 OK", shadow, ""))
}

#[test]
fn another_status_code_counts_and_another_phrase_does_not() {
    let with = |status| answer(status, "", "");
    assert_eq!(
        differences(&with("200 OK"), &with("500 Internal Server Error")),
        ["status status: 200 -> 500"]
    );
    assert_eq!(
        differences(&with("200 OK"), &with("201 Created")),
        ["status status: 200 -> 201"]
    );
    assert_eq!(differences(&with("200 OK"), &with("200 Fine")), [""; 0]);
}

#[test]
fn fields_are_compared_by_name_in_any_order_and_case() {
    assert_eq!(fields("X-A: 1\nX-B: 2", "x-b: 2\nx-a: 1"), [""; 0]);
    assert_eq!(
        fields("X-A: 1\nX-Gone: old", "X-A: 2\nX-New: new"),
        [
            "header.x-a value: 1 -> 2",
            "header.x-gone missing: old -> nothing",
            "header.x-new extra: nothing -> new",
        ]
    );
}

#[test]
fn several_fields_of_a_name_are_one_list() {
    assert_eq!(fields("X-A: 1\nX-A: 2", "X-A: 1, 2"), [""; 0]);
    assert_eq!(
        fields("X-A: 1\nX-A: 2", "X-A: 2\nX-A: 1"),
        ["header.x-a value: 1, 2 -> 2, 1"]
    );
}

#[test]
fn what_varies_by_nature_is_not_compared() {
    let production = "Date: Sun, 06 Nov 1994 08:49:37 GMT\nServer: nginx\nX-Request-Id: 1\nAge: 7\nConnection: close\nVia: 1.1 a";
    assert_eq!(fields(production, "X-Request-Id: 2\nServer: other"), [""; 0]);
}

#[test]
fn some_fields_count_by_being_there() {
    assert_eq!(fields("ETag: \"1\"\nX-A: 1", "ETag: \"2\"\nX-A: 1"), [""; 0]);
    assert_eq!(
        fields("ETag: \"1\"", ""),
        ["header.etag missing: \"1\" -> nothing"]
    );
}

#[test]
fn fields_of_the_connection_are_left_out() {
    assert_eq!(fields("Connection: X-Hop, close\nX-Hop: 1", ""), [""; 0]);
}

#[test]
fn vary_is_a_set_of_names() {
    assert_eq!(
        fields(
            "Vary: Origin, Accept-Encoding",
            "vary: Accept-Encoding\nVary: origin"
        ),
        [""; 0]
    );
    assert_eq!(fields("Vary: Accept-Encoding", ""), [""; 0]);
    assert_eq!(
        fields("Vary: Origin", "Vary: Cookie"),
        ["header.vary value: Origin -> Cookie"]
    );
}

#[test]
fn lists_and_media_types_have_one_spelling() {
    assert_eq!(
        fields(
            "Cache-Control: no-cache, Private\nContent-Type: text/html;charset=UTF-8",
            "Cache-Control: private,no-cache\nContent-Type: text/html; charset=utf-8",
        ),
        [""; 0]
    );
    assert_eq!(
        fields(
            "Content-Type: multipart/mixed; boundary=a",
            "Content-Type: multipart/mixed; boundary=b"
        ),
        [""; 0]
    );
    assert_eq!(
        fields("Cache-Control: no-store", "Cache-Control: max-age=60"),
        ["header.cache-control value: no-store -> max-age=60"]
    );
}

#[test]
fn cookies_are_compared_by_name_and_attributes() {
    assert_eq!(
        fields(
            "Set-Cookie: sid=1; Path=/; HttpOnly; Expires=Sun, 06 Nov 1994 08:49:37 GMT\nSet-Cookie: b=1",
            "Set-Cookie: b=2\nSet-Cookie: sid=2; httponly; expires=Mon, 07 Nov 1994 08:49:37 GMT; path=/",
        ),
        [""; 0]
    );
    assert_eq!(
        fields(
            "Set-Cookie: sid=1; Path=/; Secure\nSet-Cookie: gone=1",
            "Set-Cookie: sid=1; Path=/\nSet-Cookie: new=1; Max-Age=5",
        ),
        [
            "header.set-cookie.gone missing:  -> nothing",
            "header.set-cookie.sid value: Path=/; Secure -> Path=/",
            "header.set-cookie.new extra: nothing -> Max-Age=5",
        ]
    );
}

#[test]
fn values_are_shown_as_on_the_wire_neither_sorted_nor_in_lower_case() {
    assert_eq!(
        fields(
            "Cache-Control: Private, max-age=60\nContent-Type: Text/HTML;Charset=UTF-8\n\
             Allow: POST, GET\nAllow: PUT\nVary: Origin, Accept-Encoding\n\
             Set-Cookie: a=1; Secure; Path=/A; Expires=Sun, 06 Nov 1994 08:49:37 GMT",
            "Cache-Control: private\nContent-Type: text/plain\nAllow: POST\nVary: Cookie\nSet-Cookie: a=1; Path=/A; SameSite=Lax",
        ),
        [
            "header.allow value: POST, GET, PUT -> POST",
            "header.cache-control value: Private, max-age=60 -> private",
            "header.content-type value: Text/HTML;Charset=UTF-8 -> text/plain",
            "header.set-cookie.a value: Secure; Path=/A; Expires -> Path=/A; SameSite=Lax",
            "header.vary value: Origin, Accept-Encoding -> Cookie",
        ]
    );
}

#[test]
fn fields_that_a_status_gives_a_meaning_are_compared_across_classes() {
    let ok = answer("200 OK", "X-A: 1\nAllow: GET", "");
    for (status, fields, expected) in [
        (
            "302 Found",
            "Location: /login",
            "header.location extra: nothing -> /login",
        ),
        (
            "401 Unauthorized",
            "WWW-Authenticate: Basic",
            "header.www-authenticate extra: nothing -> Basic",
        ),
        (
            "429 Too Many Requests",
            "Retry-After: 5",
            "header.retry-after extra: nothing -> 5",
        ),
        (
            "503 Service Unavailable",
            "Retry-After: 5",
            "header.retry-after extra: nothing -> 5",
        ),
        (
            "405 Method Not Allowed",
            "Allow: POST",
            "header.allow value: GET -> POST",
        ),
    ] {
        let code = &status[..3];
        assert_eq!(
            differences(&ok, &answer(status, fields, "")),
            [&format!("status status: 200 -> {code}"), expected]
        );
    }
    assert_eq!(
        differences(
            &answer("301 Moved", "Location: /new", ""),
            &answer("404 Gone", "", "")
        ),
        [
            "status status: 301 -> 404",
            "header.location missing: /new -> nothing"
        ]
    );
    // A success has its own, of which an error has none.
    let created = answer("201 Created", "Location: /todos/201", "");
    assert_eq!(
        differences(&created, &answer("500 Oops", "", "")),
        ["status status: 201 -> 500"]
    );
}

#[test]
fn a_nonce_is_new_in_each_challenge() {
    let challenge = |nonce: &str, realm: &str| {
        let field = format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\"");
        answer("401 Unauthorized", &field, "")
    };
    assert_eq!(
        differences(&challenge("1a", "shop"), &challenge("2b", "shop")),
        [""; 0]
    );
    assert_eq!(
        differences(&challenge("1a", "shop"), &challenge("2b", "pohs")),
        [
            "header.www-authenticate value: Digest realm=\"shop\", nonce=, qop=\"auth\" -> \
            Digest realm=\"pohs\", nonce=, qop=\"auth\""
        ]
    );
}

#[test]
fn behind_a_status_of_another_class_only_the_type_is_looked_at() {
    let production = answer("200 OK", "Content-Type: application/json\nX-A: 1", "{\"a\":1}");
    let error = answer("500 Oops", "Content-Type: application/json", "{\"error\":1}");
    assert_eq!(differences(&production, &error), ["status status: 200 -> 500"]);
    let page = answer("502 Bad Gateway", "Content-Type: text/html", "<html>");
    assert_eq!(
        differences(&production, &page),
        [
            "status status: 200 -> 502",
            "header.content-type value: application/json -> text/html",
            "$ unreadable: {\"a\":1} -> <html>",
        ]
    );
    let created = answer(
        "201 Created",
        "Content-Type: application/json\nX-A: 1",
        "{\"a\":2}",
    );
    assert_eq!(
        differences(&production, &created),
        ["status status: 200 -> 201", "$.a value: 1 -> 2"]
    );
}

//! Where production's values are found in requests, and where they are left alone.

use super::{Sides, json, with_body};

const A: &str = "7f3c9a1be05d42c8";
const B: &str = "0e9d81c7aa46b35f0123";

/// One that knows a token, and the id of a record.
fn sides() -> Sides {
    let mut sides = Sides::new();
    let login = |token: &str| {
        let answer = json("200", &format!(r#"{{"token":"{token}"}}"#));
        answer.replacen(
            "\r\n",
            &format!("\r\nSet-Cookie: sid=s-{token}; Path=/; HttpOnly\r\nSet-Cookie: lang=en\r\n"),
            1,
        )
    };
    sides.answered(
        "POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &login(A),
        &login(B),
    );
    let created = |id: u32| json("201", &format!(r#"{{"id":{id},"count":201}}"#));
    sides.answered(
        "POST /v1/todos HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &created(201),
        &created(205),
    );
    sides
}

#[test]
fn a_token_is_found_wherever_it_is_whole() {
    let sides = sides();
    let basic = |token: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("api:{token}"))
    };
    let of = |token: &str| {
        let form = "POST /a HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
        let json = "PUT /a HTTP/1.1\r\nContent-Type: application/vnd.api+json";
        [
            format!("GET /a/{token}/b?x={token} HTTP/1.1\r\n\r\n"),
            format!("GET http://h/a/{token} HTTP/1.1\r\nHost: h\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\nX-Any: {token}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nAuthorization: Basic {}\r\n\r\n", basic(token)),
            format!("GET / HTTP/1.1\r\ncookie: lang=en; sid=s-{token}; x={token}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nReferer: http://h/a?t={token}\r\n\r\n"),
            with_body(form, &format!("a=b&t={token}&c")),
            with_body(
                json,
                &format!(r#"{{"a":[{{"t":"{token}"}},"{token}"],"u":"/a/{token}"}}"#),
            ),
            with_body(
                "POST /a HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x",
                &format!("--x\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\n{token}\r\n--x--\r\n"),
            ),
        ]
    };
    for (before, after) in of(A).iter().zip(of(B)) {
        assert_eq!(sides.rewritten(before), after);
    }
}

#[test]
fn a_path_in_a_body_may_lack_what_all_of_an_api_begin_with() {
    let sides = sides();
    let of = |path: &str, id: u32| {
        let body = format!(r#"{{"read":["{path}/{id}/notes"],"count":{id}}}"#);
        let body = body.replace(&format!("\"count\":{id}"), "\"count\":201");
        with_body(
            "PUT /v1/groups/7 HTTP/1.1\r\nContent-Type: application/json",
            &body,
        )
    };
    assert_eq!(sides.rewritten(&of("/todos", 201)), of("/todos", 205));
    assert_eq!(sides.rewritten(&of("/v1/todos", 201)), of("/v1/todos", 205));
    assert_eq!(sides.rewritten(&of("/other", 201)), of("/other", 201));
    // The path that is asked for is whole.
    let whole = "GET /todos/201 HTTP/1.1\r\n\r\n";
    assert_eq!(sides.rewritten(whole), whole);
}

#[test]
fn a_body_without_a_type_is_read_as_what_it_begins_like() {
    let sides = sides();
    let of = |token: &str| {
        [
            format!("<?xml version=\"1.0\"?><report><sync-token>{token}</sync-token></report>"),
            format!(r#" {{"token":"{token}"}}"#),
            format!(r#"["{token}"]"#),
        ]
        .map(|body| with_body("REPORT /cal HTTP/1.1", &body))
    };
    for (before, after) in of(A).iter().zip(of(B)) {
        assert_eq!(sides.rewritten(before), after);
    }
    for body in [A.to_owned(), format!("<p>{A}</p>"), format!("a={A}")] {
        let request = with_body("REPORT /cal HTTP/1.1", &body);
        assert_eq!(sides.rewritten(&request), request);
    }
}

#[test]
fn what_holds_a_token_as_a_part_is_left_alone() {
    let sides = sides();
    for request in [
        format!("GET /{A}x/x{A} HTTP/1.1\r\n\r\n"),
        format!("GET /?a={A}1 HTTP/1.1\r\nX: {A}, {A}\r\nCookie: sid={A}0; s={A}-\r\n\r\n"),
        with_body(
            "POST / HTTP/1.1\r\nContent-Type: application/json",
            &format!(r#"{{"{A}":"is {A}"}}"#),
        ),
        with_body("POST / HTTP/1.1\r\nContent-Type: text/plain", A),
        format!("GET / HTTP/1.1\r\nHost: {A}\r\n\r\n"),
        format!("GET /{} HTTP/1.1\r\n\r\n", A.to_uppercase()),
    ] {
        assert_eq!(sides.rewritten(&request), request);
    }
}

#[test]
fn a_short_number_means_something_in_its_collection() {
    let sides = sides();
    let json = "PUT /v1/todos/201 HTTP/1.1\r\nContent-Type: application/json";
    let other = "POST /v1/notes HTTP/1.1\r\nContent-Type: application/json";
    for (before, after) in [
        (
            "GET /v1/todos/201?page=201 HTTP/1.1\r\n\r\n".to_owned(),
            "GET /v1/todos/205?page=201 HTTP/1.1\r\n\r\n".to_owned(),
        ),
        (
            "DELETE /v1/todos/201/notes/201 HTTP/1.1\r\n\r\n".to_owned(),
            "DELETE /v1/todos/205/notes/201 HTTP/1.1\r\n\r\n".to_owned(),
        ),
        (
            with_body(json, r#"{"id":201,"count":201,"todo":"201"}"#),
            with_body(json, r#"{"id":205,"count":201,"todo":"201"}"#).replace("/201", "/205"),
        ),
        (
            with_body(other, r#"{"id":201,"todoId":201}"#),
            with_body(other, r#"{"id":201,"todoId":205}"#),
        ),
        (
            "GET /v1/notes?todo_id=201&id=201 HTTP/1.1\r\n\r\n".to_owned(),
            "GET /v1/notes?todo_id=205&id=201 HTTP/1.1\r\n\r\n".to_owned(),
        ),
    ] {
        assert_eq!(sides.rewritten(&before), after);
    }
    for same in [
        "/v1/users/201",
        "/todos/201",
        "/v1/todos/2010",
        "/v1/todos/0201",
        "/201",
        "/v1/todos?n=201",
    ] {
        let request = format!("GET {same} HTTP/1.1\r\nX-Number: 201\r\nCookie: a=201\r\n\r\n");
        assert_eq!(sides.rewritten(&request), request);
    }
}

#[test]
fn a_name_that_two_collections_have_maps_no_references() {
    let mut sides = sides();
    let created = json("201", r#"{"id":201}"#);
    sides.answered(
        "POST /v2/todos HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &created,
        &created,
    );
    let reference = "GET /notes?todo_id=201 HTTP/1.1\r\n\r\n";
    assert_eq!(sides.rewritten(reference), reference);
    let v2 = "GET /v2/todos/201 HTTP/1.1\r\n\r\n";
    assert_eq!(sides.rewritten(v2), v2);
    assert_eq!(
        sides.rewritten("GET /v1/todos/201 HTTP/1.1\r\n\r\n"),
        "GET /v1/todos/205 HTTP/1.1\r\n\r\n"
    );
}

#[test]
fn conditions_are_of_the_output_s_own_version() {
    let mut sides = Sides::new();
    let page =
        |tag: &str, date: &str| format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nLast-Modified: {date}\r\n\r\n");
    let (monday, tuesday) = ("Mon, 02 Nov 2026 10:00:00 GMT", "Tue, 03 Nov 2026 10:00:00 GMT");
    sides.answered(
        "GET /a?b HTTP/1.1\r\n\r\n",
        &page("\"1\"", monday),
        &page("W/\"a\"", tuesday),
    );
    let get = |target: &str, tags: &str, date: &str| {
        format!("GET {target} HTTP/1.1\r\nIf-None-Match: {tags}\r\nIf-Modified-Since: {date}\r\n\r\n")
    };
    assert_eq!(
        sides.rewritten(&get("/a?b", "\"0\", W/\"1\" ,\"1\"", monday)),
        get("/a?b", "\"0\", W/\"a\" ,W/\"a\"", tuesday)
    );
    assert_eq!(
        sides.rewritten("GET /a?b HTTP/1.1\r\nIf-Match: \"1\"\r\nIf-Range: \"1\"\r\n\r\n"),
        "GET /a?b HTTP/1.1\r\nIf-Match: W/\"a\"\r\nIf-Range: W/\"a\"\r\n\r\n"
    );
    for (target, tags, date) in [
        ("/a", "\"1\"", monday),
        ("/a?b", "*", tuesday),
        ("/a?b", "1, \"1", tuesday),
    ] {
        assert_eq!(sides.rewritten(&get(target, tags, date)), get(target, tags, date));
    }
}

#[test]
fn encodings_are_kept() {
    let (a, b) = ("ab1/cd2+ef3=gh4", "zy9/xw8+vu7=ts6");
    let mut sides = Sides::new();
    let answer = |token: &str| json("200", &format!(r#"{{"token":"{}"}}"#, token.replace('/', "\\/")));
    sides.answered(
        "POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &answer(a),
        &answer(b),
    );
    for (before, after) in [
        (
            "GET /ab1%2Fcd2+ef3%3dgh4 HTTP/1.1\r\n\r\n",
            "GET /zy9%2Fxw8+vu7=ts6 HTTP/1.1\r\n\r\n",
        ),
        (
            "GET /?t=ab1/cd2%2Bef3=gh4 HTTP/1.1\r\n\r\n",
            "GET /?t=zy9/xw8%2Bvu7%3Dts6 HTTP/1.1\r\n\r\n",
        ),
        (
            "GET / HTTP/1.1\r\nCookie: t=ab1%2Fcd2%2Bef3%3Dgh4\r\n\r\n",
            "GET / HTTP/1.1\r\nCookie: t=zy9%2Fxw8%2Bvu7%3Dts6\r\n\r\n",
        ),
    ] {
        assert_eq!(sides.rewritten(before), after);
    }
    let head = "POST / HTTP/1.1\r\nContent-Type: application/json";
    assert_eq!(
        sides.rewritten(&with_body(head, r#"{"t":"ab1\/cd2\u002bef3=gh4"}"#)),
        with_body(head, &format!(r#"{{"t":"{b}"}}"#))
    );
}

#[test]
fn a_chunked_body_becomes_one_chunk() {
    let head = "POST / HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let before = format!("{head}6;x\r\n{{\"t\":\"\r\n12\r\n{A}\"}}\r\n0\r\n\r\n");
    assert_eq!(
        sides().rewritten(&before),
        format!("{head}1c\r\n{{\"t\":\"{B}\"}}\r\n0\r\n\r\n")
    );
}

#[test]
fn an_id_that_is_no_number_is_quoted_where_a_number_was() {
    let mut sides = Sides::new();
    let created = |id: &str| json("201", &format!(r#"{{"id":{id}}}"#));
    sides.answered(
        "POST /t HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        &created("5"),
        &created("\"x1\""),
    );
    let head = "POST /t HTTP/1.1\r\nContent-Type: application/json";
    assert_eq!(
        sides.rewritten(&with_body(head, r#"{"id":5}"#)),
        with_body(head, r#"{"id":"x1"}"#)
    );
}

#[test]
fn the_host_that_was_asked_becomes_the_outputs() {
    let sides = sides();
    let post = |origin: &str, token: &str, record: u32| {
        format!(
            "POST /v1/todos/{record} HTTP/1.1\r\nHost: shop:8080\r\nOrigin: {origin}\r\nReferer: {origin}/a?t={token}\r\n\
             Destination: {origin}/v1/todos/{record}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let asked = post("https://SHOP:8080", A, 201);
    assert_eq!(sides.rewritten(&asked), post("https://SHOP:8080", B, 205));
    crate::lock(&sides.map).set_origin("http://staging");
    assert_eq!(sides.rewritten(&asked), post("http://staging", B, 205));
    assert_eq!(
        sides.looked_up(&asked).values(),
        3,
        "a host is no value that was issued"
    );
    // Another site that links here, and what only looks like it.
    for other in [
        "https://shop:80801",
        "https://shop",
        "null",
        "http://a.shop:8080",
        "ftp://shop:8080",
    ] {
        let asked = post(other, "x", 7);
        assert_eq!(sides.rewritten(&asked), asked, "{other}");
    }
}

#[test]
fn a_host_is_named_where_nothing_was_issued_yet() {
    let sides = Sides::new();
    crate::lock(&sides.map).set_origin("http://staging");
    let get =
        |origin: &str| format!("GET / HTTP/1.1\r\nHost: shop\r\nX: {origin}\r\nOrigin: {origin}\r\n\r\n");
    let own = get("http://shop").replace("Origin: http://shop", "Origin: http://staging");
    assert_eq!(sides.rewritten(&get("http://shop")), own);
}

//! Heads with some fields set.

use super::*;

fn request(raw: &str) -> Request {
    let mut feed = Feed::new(Start::Syn);
    feed.push(raw);
    feed.requests.pop().expect("a request")
}

fn set(raw: &str, name: &str, value: &str) -> String {
    let request = request(raw);
    let head = request.head_with(&[(name, Some(value.as_bytes()))]);
    let changed = request.rewritten(head, request.body.clone()).unwrap();
    assert_eq!(changed.header(name), Some(value.as_bytes()));
    String::from_utf8(changed.head.to_vec()).unwrap()
}

#[test]
fn a_field_is_set_in_the_place_of_the_first_of_its_name_or_at_the_end() {
    assert_eq!(
        set(GET, "X-Real-IP", "10.0.0.1"),
        "GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 10.0.0.1\r\n\r\n"
    );
    assert_eq!(
        set(
            "GET / HTTP/1.1\r\nx-real-ip: 1\r\nHost:  a \r\nX-REAL-IP: 2\r\n\r\n",
            "X-Real-IP",
            "10.0.0.1"
        ),
        "GET / HTTP/1.1\r\nX-Real-IP: 10.0.0.1\r\nHost:  a \r\n\r\n"
    );
    assert_eq!(
        set("GET / HTTP/1.1\r\n\r\n", "A", "b"),
        "GET / HTTP/1.1\r\nA: b\r\n\r\n"
    );
}

#[test]
fn a_client_cannot_have_a_hop_take_out_what_is_set() {
    assert_eq!(
        set(
            "GET / HTTP/1.1\r\nConnection: close, x-real-ip, TE\r\n\r\n",
            "X-Real-IP",
            "1"
        ),
        "GET / HTTP/1.1\r\nConnection: close, TE\r\nX-Real-IP: 1\r\n\r\n"
    );
    assert_eq!(
        set(
            "GET / HTTP/1.1\r\nConnection: x-real-ip\r\n\r\n",
            "X-Real-IP",
            "1"
        ),
        "GET / HTTP/1.1\r\nX-Real-IP: 1\r\n\r\n"
    );
}

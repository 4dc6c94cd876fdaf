//! Well-formed requests, however they arrive.

use super::*;
use crate::{Framing, Version};

#[test]
fn a_request_in_one_segment_is_complete_at_once() {
    let mut feed = Feed::new(Start::Syn);
    feed.time = 7;
    assert_eq!(feed.push(GET).take(), [Seen::Started, complete(GET)]);
    let request = &feed.requests[0];
    assert_eq!((request.method(), request.target()), (&b"GET"[..], &b"/"[..]));
    assert_eq!(request.version, Version::Http11);
    assert_eq!(request.framing, Framing::None);
    assert_eq!(request.header("HOST"), Some(&b"a"[..]));
    assert_eq!(
        (request.first_byte, request.last_byte, request.acknowledgment),
        (Timestamp(7), Timestamp(7), 1000)
    );
}

#[test]
fn a_request_over_two_segments_has_the_time_of_each_end() {
    let mut feed = Feed::new(Start::Syn);
    feed.push(POST).answered(25);
    feed.time = 9;
    feed.push("hello");
    let request = &feed.requests[0];
    assert_eq!(
        (request.first_byte, request.last_byte, request.acknowledgment),
        (Timestamp(0), Timestamp(9), 1000)
    );
    assert_eq!(&request.body[..], b"hello");
}

#[test]
fn pipelined_requests_are_told_apart() {
    let bytes = format!("{GET}{POST}hello{GET}");
    assert_eq!(
        said(bytes),
        [
            Seen::Started,
            complete(GET),
            Seen::Started,
            complete_with(POST, "hello"),
            Seen::Started,
            complete(GET)
        ]
    );
}

#[test]
fn a_start_is_told_as_soon_as_a_method_and_a_space_are_seen() {
    let mut feed = Feed::new(Start::Syn);
    assert_eq!(feed.push("GET").take(), []);
    assert_eq!(feed.push(" ").take(), [Seen::Started]);
    assert_eq!(
        feed.push("/ HTTP/1.1\r\n\r\n").take(),
        [complete("GET / HTTP/1.1\r\n\r\n")]
    );
}

#[test]
fn any_method_and_target_form_is_a_request() {
    for line in [
        "PURGE /x",
        "QUERY /q",
        "M-SEARCH *",
        "PROPFIND /dav/",
        "get /",
        "GET http://a/b",
        "OPTIONS *",
        "BASELINE-CONTROL /a",
    ] {
        let head = format!("{line} HTTP/1.1\r\n\r\n");
        assert_eq!(said(&head), [Seen::Started, complete(&head)], "{line}");
    }
}

#[test]
fn a_chunked_body_is_kept_as_it_was_sent() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = "5;ext=\"1\"\r\nhello\r\n7\r\n0\r\n\r\nab\r\n0\r\nDigest: x\r\n\r\n";
    assert_eq!(
        said(format!("{head}{body}{GET}")),
        [
            Seen::Started,
            complete_with(head, body),
            Seen::Started,
            complete(GET)
        ]
    );
}

#[test]
fn an_empty_body_and_http_1_0_are_requests_too() {
    for head in [
        "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.1\r\nEmpty:\r\n\r\n",
    ] {
        let again = format!("{head}{head}");
        assert_eq!(
            said(again),
            [Seen::Started, complete(head), Seen::Started, complete(head)]
        );
    }
}

#[test]
fn a_body_that_waits_for_100_continue_belongs_to_its_request() {
    let head = "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut feed = Feed::new(Start::Syn);
    assert_eq!(
        feed.push(head).answered(25).push("hello").take(),
        [Seen::Started, complete_with(head, "hello")]
    );
}

#[test]
fn empty_lines_before_a_request_are_counted_and_passed_over() {
    assert_eq!(
        said(format!("\r\n{GET}\r\n\r\n{GET}\r\n")),
        [
            Seen::Skipped(2, Skip::EmptyLine),
            Seen::Started,
            complete(GET),
            Seen::Skipped(4, Skip::EmptyLine),
            Seen::Started,
            complete(GET),
            Seen::Skipped(2, Skip::EmptyLine),
        ]
    );
}

#[test]
fn a_request_cut_off_is_rejected_by_how_the_connection_ended() {
    for (close, reject) in [
        (Close::Finished, Reject::Truncated),
        (Close::Idle, Reject::Truncated),
        (Close::Evicted, Reject::Truncated),
        (Close::Reused, Reject::Truncated),
        (Close::Reset, Reject::Reset),
        (Close::Shutdown, Reject::Shutdown),
    ] {
        for part in [
            "GET /",
            "GET / HTTP/1.1\r\nHost:",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell",
        ] {
            let mut feed = Feed::new(Start::Syn);
            let skipped = Seen::Skipped(part.len() as u64, Skip::AfterReject);
            assert_eq!(
                feed.push(part).end(close).take(),
                [Seen::Started, Seen::Rejected(reject), skipped]
            );
            assert_eq!(feed.end(close).take(), []);
            assert_eq!(feed.budget.used(), 0);
        }
    }
}

#[test]
fn a_method_without_its_space_never_started() {
    assert_eq!(said("GET"), [Seen::Skipped(3, Skip::NotHttp)]);
    assert_eq!(said(""), []);
}

#[test]
fn a_start_that_could_have_become_http2_is_a_start() {
    assert_eq!(
        said("PRI * HT"),
        [
            Seen::Started,
            Seen::Rejected(Reject::Truncated),
            Seen::Skipped(8, Skip::AfterReject)
        ]
    );
}

#[test]
fn nothing_is_held_between_requests() {
    let mut feed = Feed::new(Start::Syn);
    feed.push_cut(format!("{POST}hello"), 3);
    feed.requests.clear();
    assert_eq!(feed.budget.used(), 0);
    assert!(
        size_of::<RequestStream>() <= 128,
        "{}",
        size_of::<RequestStream>()
    );
}

#[test]
fn a_request_tells_whether_its_connection_lives_on() {
    let lives_on = |head: &str| Feed::new(Start::Syn).push(head).requests[0].keep_alive();
    assert!(lives_on("GET / HTTP/1.1\r\n\r\n"));
    assert!(!lives_on("GET / HTTP/1.0\r\n\r\n"));
    assert!(lives_on("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert!(!lives_on("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
}

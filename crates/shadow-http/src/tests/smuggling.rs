//! Requests that two implementations may cut differently: none is ever delivered, nor what is sent along.

use super::*;

/// `bytes`, followed by a request that must not be believed.
fn ends_the_connection(bytes: &str, reject: Reject) {
    let all = format!("{bytes}{GET}");
    let expected = [
        Seen::Started,
        Seen::Rejected(reject),
        Seen::Skipped(all.len() as u64, Skip::AfterReject),
    ];
    assert_eq!(said(&all), expected, "{bytes:?}");
}

fn with_fields(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}")
}

#[test]
fn ambiguous_lengths_end_the_connection() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: 99999999999999999999",
        "Content-Length:",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:",
    ] {
        ends_the_connection(&with_fields(fields, "0\r\n\r\n"), Reject::AmbiguousFraming);
    }
}

#[test]
fn a_coding_in_http_1_0_ends_the_connection() {
    let bytes = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    ends_the_connection(bytes, Reject::AmbiguousFraming);
}

#[test]
fn fields_that_may_hide_a_length_end_the_connection() {
    for fields in [
        "Transfer-Encoding : chunked",
        "Content-Length : 5",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\ra: b",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding\0: chunked",
        "Transfer-Encoding: chunked\0",
        "Transfer\u{2d}Encoding\t: chunked",
        "Transfer-Encoding chunked",
        "Content-Length\u{a0}: 5",
        "Content-Length:\r\n 5",
        "Content-Length: 5\r\n 6",
        "Content-Length: 5\nX: y",
        "X: y\nContent-Length: 5",
        "X: y\x0bContent-Length: 5",
        "X: y\r\n\tcontent length: 5",
        "(Content-Length): 5",
        "X\0Content_Length: 5",
        "X: y\r\n ",
        "X: y\r\n\x0c",
        "X: y\r\n\t \r\nTransfer-Encoding: chunked",
    ] {
        ends_the_connection(&with_fields(fields, "0\r\n\r\n"), Reject::Malformed);
    }
}

#[test]
fn heads_whose_end_is_read_differently_end_the_connection() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\n",
        "GET / HTTP/1.1\nHost: a\n\r\n",
        "GET / HTTP/1.1\nTransfer-Encoding: chunked\n\n",
        "GET / HTTP/1.1\nContent-Length: 5\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
    ] {
        ends_the_connection(head, Reject::Malformed);
    }
}

#[test]
fn request_lines_without_a_version_that_is_known_end_the_connection() {
    for line in [
        "GET / HTTP/1.1\rX: y",
        "GET /",
        "GET / HTTP/0.9",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "GET / HTTP/1.1x",
    ] {
        ends_the_connection(&format!("{line}\r\nHost: a\r\n\r\n"), Reject::Malformed);
    }
}

#[test]
fn bad_chunks_end_the_connection() {
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 0\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\n\n",
        "2\r\nab\n0\r\n\r\n",
    ] {
        ends_the_connection(
            &with_fields("Transfer-Encoding: chunked", body),
            Reject::AmbiguousFraming,
        );
    }
}

#[test]
fn a_field_that_only_resembles_a_length_means_nothing() {
    for field in [
        "X-Content-Length: 5",
        "Content_Length: 5",
        "Content-Lengths: 5",
        "Xransfer-Encoding: chunked",
    ] {
        let head = with_fields(field, "");
        assert_eq!(
            said(format!("{head}{GET}")),
            [Seen::Started, complete(&head), Seen::Started, complete(GET)]
        );
    }
}

#[test]
fn equal_lengths_given_twice_are_one_length() {
    let head = with_fields("Content-Length: 5\r\nContent-Length: 5", "");
    assert_eq!(
        said(format!("{head}hello{GET}"))[1..],
        [complete_with(&head, "hello"), Seen::Started, complete(GET)]
    );
}

#[test]
fn a_bad_chunk_in_a_body_that_is_passed_over_ends_the_connection() {
    let limits = Limits {
        max_body: 4,
        ..LIMITS
    };
    let mut feed = Feed::with(limits, Start::Syn, 1 << 20);
    let bytes = with_fields("Transfer-Encoding: chunked", "5\r\nhelloX");
    feed.push(format!("{bytes}{GET}"));
    let length = bytes.len() as u64 + 27;
    assert_eq!(
        feed.take(),
        [
            Seen::Started,
            Seen::Rejected(Reject::BodyTooLarge),
            Seen::Skipped(length, Skip::AfterReject)
        ]
    );
}

#[test]
fn after_a_malformed_request_starts_are_counted_not_delivered() {
    let mut feed = Feed::resuming(Start::Syn);
    feed.push("POST / HTTP/1.1\r\nX: y\nContent-Length: 5\r\n\r\n")
        .take();
    for _ in 0..3 {
        assert_eq!(
            feed.answered(100).push(format!("{GET}{GET}")).gap(3).take(),
            [
                Seen::Started,
                Seen::Rejected(Reject::AfterReject),
                Seen::Skipped(54, Skip::AfterReject)
            ]
        );
    }
}

#[test]
fn behind_an_ambiguous_request_starts_are_only_counted() {
    let mut feed = Feed::new(Start::Syn);
    feed.push(with_fields(
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "0\r\n\r\n",
    ));
    feed.take();
    for _ in 0..3 {
        assert_eq!(
            feed.answered(100).push(format!("{GET}{GET}")).gap(3).take(),
            [
                Seen::Started,
                Seen::Rejected(Reject::AmbiguousFraming),
                Seen::Skipped(54, Skip::AfterReject)
            ]
        );
    }
    assert_eq!(feed.answered(9).push("xx").end(Close::Finished).take().len(), 1);
}

#[test]
fn behind_a_bad_chunk_that_was_passed_over_starts_are_counted_too() {
    let mut feed = Feed::with(
        Limits {
            max_body: 4,
            ..LIMITS
        },
        Start::Syn,
        1 << 20,
    );
    feed.push(with_fields("Transfer-Encoding: chunked", "5\r\nhelloX"));
    feed.take();
    feed.answered(100).push(GET);
    assert_eq!(
        feed.take()[..2],
        [Seen::Started, Seen::Rejected(Reject::AmbiguousFraming)]
    );
}

//! Leniency: a message that servers answer although RFC 9112 has it otherwise is mirrored where it can be read in one way only,
//! else counted, and its body passed over.

use super::*;
use crate::Oddity;

/// All that is complete of `bytes` and of the request behind them.
fn read(bytes: &str) -> Vec<Seen> {
    let mut seen = said(format!("{bytes}{GET}"));
    assert_eq!(seen.pop(), Some(complete(GET)), "{bytes:?}");
    assert_eq!(seen.pop(), Some(Seen::Started), "{bytes:?}");
    seen
}

#[test]
fn a_head_with_lf_alone_is_mirrored_with_crlf() {
    let seen = read("POST /lf HTTP/1.1\nHost: a\nContent-Length: 5\n\nhe\nlo");
    let head = "POST /lf HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(seen, [Seen::Started, complete_with(head, "he\nlo")]);
    let seen = read("GET /lf HTTP/1.1\r\nHost: a\nX: y\r\nZ: z\r\n\r\n");
    assert_eq!(
        seen,
        [
            Seen::Started,
            complete("GET /lf HTTP/1.1\r\nHost: a\r\nX: y\r\nZ: z\r\n\r\n")
        ]
    );
}

#[test]
fn folded_lines_are_mirrored_as_one() {
    let seen = read("GET / HTTP/1.1\r\nHost: a\r\nX: b,\r\n\t c\r\n d\r\nY: e\r\n\r\n");
    assert_eq!(
        seen,
        [
            Seen::Started,
            complete("GET / HTTP/1.1\r\nHost: a\r\nX: b, c d\r\nY: e\r\n\r\n")
        ]
    );
}

#[test]
fn bytes_passed_over_are_those_that_came_not_those_written_anew() {
    for head in [
        "POST / HTTP/1.1\nContent-Length: 5\n\n",
        "POST / HTTP/1.1\r\nX: b,\r\n\t   c\r\nContent-Length: 5\r\n\r\n",
    ] {
        let mut feed = Feed::new(Start::Syn);
        let came = head.len() as u64 + 3;
        assert_eq!(
            feed.push(head).push("abc").end(Close::Finished).take(),
            [
                Seen::Started,
                Seen::Rejected(Reject::Truncated),
                Seen::Skipped(came, Skip::AfterReject)
            ],
            "{head:?}"
        );
    }
    let head = "POST / HTTP/1.1\nContent-Length: 9999999\n\n";
    assert_eq!(
        Feed::new(Start::Syn).push(head).take(),
        [
            Seen::Started,
            Seen::Rejected(Reject::BodyTooLarge),
            Seen::Skipped(head.len() as u64, Skip::AfterReject)
        ]
    );
}

#[test]
fn spaces_in_a_request_line_are_mirrored_as_one_each() {
    let seen = read("GET   /a  HTTP/1.1 \r\nHost: a\r\n\r\n");
    assert_eq!(
        seen,
        [Seen::Started, complete("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")]
    );
}

#[test]
fn control_bytes_and_delimiters_in_fields_are_mirrored_as_sent() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=\x01b\x7f\r\nX(Y): z\r\nX[0]: z\r\n\r\n";
    assert_eq!(read(head), [Seen::Started, complete(head)]);
    let mut feed = Feed::new(Start::Syn);
    feed.push(head);
    assert_eq!(feed.requests[0].header("x(y)"), Some(&b"z"[..]));
    assert_eq!(feed.requests[0].header("cookie"), Some(&b"a=\x01b\x7f"[..]));
}

#[test]
fn chunk_sizes_padded_with_spaces_are_mirrored_as_they_came() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = "5  \r\nhello\r\n0  \r\n\r\n";
    assert_eq!(
        read(&format!("{head}{body}")),
        [Seen::Started, complete_with(head, body)]
    );
}

#[test]
fn what_cannot_be_mirrored_is_malformed_and_its_body_passed_over() {
    for (line, fault) in [
        ("no colon", Oddity::NoColon),
        ("X : y", Oddity::SpaceBeforeColon),
        ("X\t: y", Oddity::SpaceBeforeColon),
        ("X Y: z", Oddity::Name),
        ("X\0Y: z", Oddity::Name),
        ("H\u{e4}st: a", Oddity::Name),
        (": y", Oddity::NoName),
        ("X: y\0", Oddity::Nul),
        ("X(Y): \0", Oddity::Nul),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{line}\r\nContent-Length: 27\r\n\r\n");
        let bytes = format!("{head}{GET}");
        let expected = [
            Seen::Started,
            Seen::Rejected(Reject::Malformed),
            Seen::Skipped(bytes.len() as u64, Skip::AfterReject),
        ];
        assert_eq!(read(&bytes), expected, "{line:?}");
        let mut feed = Feed::new(Start::Syn);
        feed.push(bytes);
        let fault = Fault {
            line: Some(3),
            what: fault,
        };
        assert_eq!(feed.faults, [fault], "{line:?}");
    }
}

#[test]
fn ambiguous_request_lines_are_malformed_and_their_bodies_skipped() {
    for line in [
        "POST /a b HTTP/1.1",
        "POST /\tHTTP/1.1",
        "POST /\0 HTTP/1.1",
        "POST HTTP/1.1",
    ] {
        let bytes = format!("{line}\r\nContent-Length: 27\r\n\r\n{GET}");
        let expected = [
            Seen::Started,
            Seen::Rejected(Reject::Malformed),
            Seen::Skipped(bytes.len() as u64, Skip::AfterReject),
        ];
        assert_eq!(read(&bytes), expected, "{line:?}");
    }
    let bytes = format!("POST / HTTP/1.1\r\n X: y\r\nContent-Length: 27\r\n\r\n{GET}");
    assert_eq!(read(&bytes)[1], Seen::Rejected(Reject::Malformed));
}

#[test]
fn a_fault_says_where_it_is() {
    let fault = |bytes: &str| {
        let mut feed = Feed::new(Start::Syn);
        feed.push(bytes).end(Close::Finished);
        feed.faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        fault("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
        ["line 3: white space before the colon"]
    );
    assert_eq!(
        fault("GET /\r\n\r\n"),
        ["line 1: no start line of HTTP/1.0 or HTTP/1.1"]
    );
    assert_eq!(
        fault("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ["both Content-Length and Transfer-Encoding"]
    );
    assert_eq!(
        fault("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
        ["bad chunk size"]
    );
    assert_eq!(fault(GET), Vec::<String>::new());
}

#[test]
fn a_rewritten_head_beyond_the_limit_is_too_large() {
    let limits = Limits {
        max_head: 60,
        ..LIMITS
    };
    let mut feed = Feed::with(limits, Start::Syn, 1 << 20);
    feed.push(format!(
        "POST / HTTP/1.1\nContent-Length: 27\n{}\n{GET}{GET}",
        "A:\n".repeat(7)
    ));
    assert_eq!(feed.take()[1], Seen::Rejected(Reject::HeadTooLarge));
    assert_eq!(feed.requests.len(), 1);
}

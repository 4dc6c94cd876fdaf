//! Responses: framing by the request they answer, interim ones, and ends by close.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Close, Start};

use super::LIMITS;
use crate::{RequestKind, ResponseEvent, ResponseStream};

/// Everything a server said, each event as one line; every way of cutting its bytes must say the same.
fn said(kinds: &[RequestKind], bytes: &str, close: Close) -> Vec<String> {
    let run = |size: usize| {
        let budget = MemoryBudget::new(1 << 20);
        let mut stream = ResponseStream::new(LIMITS, Start::Syn);
        assert!(kinds.iter().all(|&kind| stream.expect(kind)));
        let mut lines = Vec::new();
        for piece in bytes.as_bytes().chunks(size) {
            stream.push(chunk(piece, 1), &budget, &mut |event| note(&mut lines, event));
        }
        stream.end(close, &mut |event| note(&mut lines, event));
        assert_eq!(budget.used(), 0);
        lines
    };
    let whole = run(bytes.len());
    for size in [1, 2, 3, 7, 40] {
        assert_eq!(run(size), whole, "in pieces of {size}");
    }
    whole
}

fn chunk(bytes: &[u8], acknowledgment: u32) -> Chunk<'_> {
    Chunk {
        bytes,
        sequence: 0,
        acknowledgment,
        segment_start: true,
        time: Timestamp(0),
    }
}

fn note(lines: &mut Vec<String>, event: ResponseEvent) {
    match event {
        ResponseEvent::Started => {}
        ResponseEvent::Interim(status) => lines.push(format!("interim {status}")),
        ResponseEvent::Complete(response) => {
            let body = String::from_utf8_lossy(&response.body);
            lines.push(format!("complete {} {body:?}", response.status));
        }
        ResponseEvent::Rejected(reject) => lines.push(format!("rejected {reject:?}")),
        ResponseEvent::Skipped { why, .. } => {
            let line = format!("skipped {why:?}");
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        ResponseEvent::Recognised(why) => lines.push(format!("recognised {why:?}")),
    }
}

const OTHER: RequestKind = RequestKind::Other;
const HEAD: RequestKind = RequestKind::Head;
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

#[test]
fn counted_chunked_and_empty_bodies_end_where_they_say() {
    let bytes = format!(
        "{OK}helloHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    );
    assert_eq!(
        said(&[OTHER; 3], &bytes, Close::Idle),
        [
            "complete 200 \"hello\"",
            "complete 200 \"2\\r\\nab\\r\\n0\\r\\n\\r\\n\"",
            "complete 204 \"\""
        ]
    );
}

#[test]
fn folded_fields_and_padded_chunk_sizes_are_answers_too() {
    let bytes = format!(
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nab\r\n0  \r\n\r\n{OK}hello"
    );
    assert_eq!(
        said(&[OTHER; 2], &bytes, Close::Idle),
        [
            "complete 200 \"2  \\r\\nab\\r\\n0  \\r\\n\\r\\n\"",
            "complete 200 \"hello\""
        ]
    );
}

#[test]
fn an_answer_to_head_and_a_304_have_no_body_whatever_their_length() {
    let bytes = format!("{OK}HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n{OK}hello");
    assert_eq!(
        said(&[HEAD, OTHER, OTHER], &bytes, Close::Idle),
        ["complete 200 \"\"", "complete 304 \"\"", "complete 200 \"hello\""]
    );
}

#[test]
fn interim_responses_of_any_words_come_before_the_final_one() {
    let bytes = format!(
        "HTTP/1.1 100 Go ahead then\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100\r\n\r\n{OK}hello"
    );
    assert_eq!(
        said(&[OTHER], &bytes, Close::Idle),
        [
            "interim 100",
            "interim 103",
            "interim 100",
            "complete 200 \"hello\""
        ]
    );
}

#[test]
fn interim_responses_do_not_use_up_an_answer_to_head() {
    let bytes = format!("HTTP/1.1 100 Continue\r\n\r\n{OK}{OK}hello");
    assert_eq!(
        said(&[HEAD, OTHER], &bytes, Close::Idle),
        ["interim 100", "complete 200 \"\"", "complete 200 \"hello\""]
    );
}

#[test]
fn a_body_without_length_is_complete_at_fin() {
    for head in [
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ] {
        assert_eq!(
            said(&[OTHER], &format!("{head}some bytes"), Close::Finished),
            ["complete 200 \"some bytes\""]
        );
        assert_eq!(said(&[OTHER], head, Close::Finished), ["complete 200 \"\""]);
        assert_eq!(
            said(&[OTHER], &format!("{head}some"), Close::Reset),
            ["rejected Reset", "skipped AfterReject"]
        );
    }
}

#[test]
fn a_counted_body_cut_off_by_fin_is_truncated() {
    assert_eq!(
        said(&[OTHER], &format!("{OK}hell"), Close::Finished),
        ["rejected Truncated", "skipped AfterReject"]
    );
}

#[test]
fn switching_protocols_ends_the_responses() {
    let bytes = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\u{1}\u{2}HTTP/1.1 200 OK";
    assert_eq!(
        said(&[OTHER], bytes, Close::Finished),
        ["complete 101 \"\"", "recognised Upgraded", "skipped Upgraded"]
    );
}

#[test]
fn a_granted_connect_is_a_tunnel_and_a_refused_one_is_not() {
    let granted = said(
        &[RequestKind::Connect],
        "HTTP/1.1 200 Go\r\n\r\nbytes",
        Close::Finished,
    );
    assert_eq!(
        granted,
        ["complete 200 \"\"", "recognised Upgraded", "skipped Upgraded"]
    );
    let refused = said(
        &[RequestKind::Connect, OTHER],
        &format!("HTTP/1.1 405 No\r\nContent-Length: 2\r\n\r\nno{OK}hello"),
        Close::Idle,
    );
    assert_eq!(refused, ["complete 405 \"no\"", "complete 200 \"hello\""]);
}

#[test]
fn ambiguous_responses_end_the_connection() {
    let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{OK}");
    assert_eq!(
        said(&[OTHER], &bytes, Close::Finished),
        ["rejected AmbiguousFraming", "skipped AfterReject"]
    );
}

#[test]
fn a_response_may_come_before_its_request_is_read() {
    let budget = MemoryBudget::new(1 << 20);
    let mut stream = ResponseStream::new(LIMITS, Start::Syn);
    let mut lines = Vec::new();
    let early = format!("{OK}hello");
    stream.push(chunk(early.as_bytes(), 1), &budget, &mut |event| {
        note(&mut lines, event);
    });
    assert!(stream.expect(OTHER) && stream.expect(HEAD));
    stream.push(chunk(OK.as_bytes(), 1), &budget, &mut |event| {
        note(&mut lines, event);
    });
    assert_eq!(lines, ["complete 200 \"hello\"", "complete 200 \"\""]);
}

#[test]
fn after_a_gap_a_response_is_framed_by_its_newer_request() {
    let budget = MemoryBudget::new(1 << 20);
    let mut stream = ResponseStream::new(LIMITS, Start::Syn);
    let mut lines = Vec::new();
    assert!(stream.expect(OTHER));
    stream.gap(100, &mut |event| note(&mut lines, event));
    stream.push(chunk(b"tail", 1), &budget, &mut |event| note(&mut lines, event));
    assert!(stream.expect(HEAD));
    stream.push(chunk(OK.as_bytes(), 50), &budget, &mut |event| {
        note(&mut lines, event);
    });
    assert_eq!(lines, ["skipped AfterGap", "complete 200 \"\""]);
}

#[test]
fn requests_that_wait_for_responses_are_bounded() {
    let mut stream = ResponseStream::new(LIMITS, Start::Syn);
    assert_eq!((0..5000).filter(|_| stream.expect(OTHER)).count(), 1024);
    stream.forget_expected();
    assert!(stream.expect(OTHER));
}

#[test]
fn a_server_that_talks_something_else_is_recognised() {
    assert_eq!(
        said(&[], "220 smtp ready\r\n", Close::Finished),
        ["recognised NotHttp", "skipped NotHttp"]
    );
}

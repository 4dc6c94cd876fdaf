//! Requests whose end was lost, where they are asked for.

use super::*;

/// A stream that hands on what is there.
fn feed() -> Feed {
    let mut feed = Feed::new(Start::Syn);
    feed.stream = RequestStream::new(LIMITS, Start::Syn).with_incomplete();
    feed
}

fn part(head: &str, body: &str, why: Reject) -> Seen {
    Seen::Incomplete(head.into(), body.into(), why)
}

/// Head and body of what the last request comes to.
fn cut_short(mut feed: Feed) -> (String, String) {
    let Some(Seen::Incomplete(_, _, why)) = feed.take().pop() else {
        panic!("no incomplete request");
    };
    let request = feed.requests.pop().unwrap().cut_short(why).unwrap();
    assert_eq!(request.incomplete, Some(why));
    assert_eq!(request.framing, crate::Framing::Length(request.body.len() as u64));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let parts = (text(&request.head), text(&request.body));
    drop(request);
    assert_eq!(feed.budget.used(), 0);
    parts
}

#[test]
fn a_request_with_a_hole_is_forwarded_up_to_the_hole() {
    let mut feed = feed();
    feed.push(POST).push("he").gap(2).push("o").push(GET);
    assert_eq!(
        feed.take(),
        [
            Seen::Started,
            part(POST, "he", Reject::Gap),
            Seen::Skipped(1, Skip::AfterGap),
            Seen::Started,
            complete(GET),
        ]
    );
}

#[test]
fn a_client_that_breaks_off_is_reset_or_stalls_leaves_what_it_sent() {
    let end = |close| feed().push(POST).push("he").end(close).take();
    let of = |why| [Seen::Started, part(POST, "he", why)];
    assert_eq!(end(Close::Finished), of(Reject::Truncated));
    assert_eq!(end(Close::Idle), of(Reject::Truncated));
    assert_eq!(end(Close::Reset), of(Reject::Reset));
    let stalled = feed().push(POST).push("he").stalled(Stall::Timeout).take();
    assert_eq!(stalled, of(Reject::Truncated));
}

#[test]
fn requests_cut_by_the_agent_or_in_their_head_are_rejected() {
    let rejected = |why, bytes| {
        [
            Seen::Started,
            Seen::Rejected(why),
            Seen::Skipped(bytes, Skip::AfterReject),
        ]
    };
    let held = POST.len() as u64 + 2;
    assert_eq!(
        feed().push(POST).push("he").end(Close::Shutdown).take(),
        rejected(Reject::Shutdown, held)
    );
    assert_eq!(
        feed().push(POST).push("he").stalled(Stall::Memory).take(),
        rejected(Reject::Memory, held)
    );
    assert_eq!(
        feed().push("GET / HTTP/1.1\r\n").end(Close::Reset).take(),
        rejected(Reject::Reset, 16)
    );
}

#[test]
fn the_length_is_what_is_there_and_the_reason_is_said() {
    let mut feed = feed();
    feed.push(POST).push("he").gap(2);
    let expected = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nX-Shadow-Incomplete: gap\r\n\r\n";
    assert_eq!(cut_short(feed), (expected.to_owned(), "he".to_owned()));
}

#[test]
fn a_chunked_body_is_taken_out_of_its_chunks() {
    let mut feed = feed();
    feed.push(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\nX-Shadow-Incomplete: no\r\n\r\n",
    )
    .push("5\r\nhello\r\n5;x\r\nwo")
    .end(Close::Reset);
    let expected = "POST / HTTP/1.1\r\nX-Shadow-Incomplete: reset\r\nContent-Length: 7\r\n\r\n";
    assert_eq!(cut_short(feed), (expected.to_owned(), "hellowo".to_owned()));
}

#[test]
fn a_body_in_another_transfer_coding_cannot_be_cut_short() {
    let mut feed = feed();
    feed.push("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhe")
        .end(Close::Finished);
    let request = feed.requests.pop().unwrap();
    assert_eq!(
        request.cut_short(Reject::Truncated).unwrap_err(),
        Reject::Truncated
    );
}

#[test]
fn without_being_asked_for_nothing_that_is_not_whole_is_handed_on() {
    let seen = Feed::new(Start::Syn).push(POST).push("he").gap(2).take();
    assert_eq!(seen[1], Seen::Rejected(Reject::Gap));
}

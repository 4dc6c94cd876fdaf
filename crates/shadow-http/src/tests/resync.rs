//! Behind lost bytes, and on connections that were open before: nothing can be proved to be a start. Where it is asked for,
//! one that looks like it is believed.

use super::*;
use crate::UNKNOWN_LENGTH;

#[test]
fn on_an_open_connection_every_start_is_counted_and_none_delivered() {
    let mut feed = Feed::new(Start::MidStream);
    for _ in 0..10 {
        assert_eq!(
            feed.answered(100).push(GET).take(),
            [
                Seen::Started,
                Seen::Rejected(Reject::MidStream),
                Seen::Skipped(27, Skip::MidStream)
            ]
        );
    }
}

#[test]
fn behind_a_gap_every_start_is_counted_and_none_delivered() {
    let mut feed = Feed::new(Start::Syn);
    feed.push(GET).gap(27);
    assert_eq!(feed.take()[1..], [complete(GET)]);
    for _ in 0..10 {
        assert_eq!(
            feed.answered(100).push(GET).take(),
            [
                Seen::Started,
                Seen::Rejected(Reject::Gap),
                Seen::Skipped(27, Skip::AfterGap)
            ]
        );
    }
}

#[test]
fn resuming_rejects_the_first_request_and_delivers_the_next() {
    let mut feed = Feed::resuming(Start::MidStream);
    assert_eq!(
        feed.push(GET).take(),
        [
            Seen::Started,
            Seen::Rejected(Reject::MidStream),
            Seen::Skipped(27, Skip::MidStream)
        ]
    );
    assert_eq!(
        feed.answered(100).push(GET).take(),
        [Seen::Started, complete(GET)]
    );
}

#[test]
fn a_request_in_the_body_of_an_upload_is_not_taken_for_one() {
    let mut feed = Feed::resuming(Start::MidStream);
    feed.push([b'x'; 1400]).push(GET).push(GET);
    let seen = feed.take();
    assert!(
        !seen.iter().any(|seen| matches!(seen, Seen::Complete(..))),
        "{seen:?}"
    );
    assert_eq!(seen[1..3], [Seen::Started, Seen::Rejected(Reject::MidStream)]);
}

#[test]
fn a_request_in_an_upload_awaiting_100_continue_is_none() {
    let mut feed = Feed::resuming(Start::MidStream);
    feed.push("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 54\r\n\r\n");
    feed.answered(25).push(GET).push(GET);
    assert!(!feed.take().iter().any(|seen| matches!(seen, Seen::Complete(..))));
    assert_eq!(
        feed.answered(100).push(GET).take(),
        [Seen::Started, complete(GET)]
    );
}

#[test]
fn a_start_inside_a_segment_proves_nothing() {
    let mut feed = Feed::resuming(Start::MidStream);
    feed.push("xx").answered(100);
    feed.segment_start = false;
    assert_eq!(feed.push(GET).take(), [Seen::Skipped(29, Skip::MidStream)]);
}

#[test]
fn an_older_acknowledgment_proves_nothing_and_a_wrapped_one_does() {
    let mut feed = Feed::resuming(Start::MidStream);
    feed.acknowledgment = u32::MAX - 10;
    feed.push("xx").answered(u32::MAX).push(GET);
    assert_eq!(
        feed.take()[1..3],
        [Seen::Started, Seen::Rejected(Reject::MidStream)]
    );
    feed.answered(100).push(GET);
    assert_eq!(feed.take(), [Seen::Started, complete(GET)]);
}

#[test]
fn a_proved_head_may_go_on_in_the_next_segment() {
    let mut feed = Feed::resuming(Start::MidStream);
    feed.push("xx")
        .answered(100)
        .push("GET / HTTP/1.1\r\nHo")
        .push("st: a\r\n\r\n");
    assert_eq!(feed.take()[1..], [Seen::Started, complete(GET)]);
}

#[test]
fn a_gap_between_requests_costs_those_that_cannot_be_proved() {
    let mut feed = Feed::resuming(Start::Syn);
    feed.push(GET)
        .gap(27)
        .answered(100)
        .push(GET)
        .answered(100)
        .push(GET);
    assert_eq!(
        feed.take(),
        [
            Seen::Started,
            complete(GET),
            Seen::Started,
            Seen::Rejected(Reject::Gap),
            Seen::Skipped(27, Skip::AfterGap),
            Seen::Started,
            complete(GET),
        ]
    );
}

#[test]
fn a_gap_in_a_head_rejects_its_request() {
    let mut feed = Feed::resuming(Start::Syn);
    feed.push("GET / HTTP/1.1\r\nHo")
        .gap(3)
        .push(" a\r\n\r\n")
        .answered(100)
        .push(GET);
    assert_eq!(
        feed.take(),
        [
            Seen::Started,
            Seen::Rejected(Reject::Gap),
            Seen::Skipped(24, Skip::AfterGap),
            Seen::Started,
            complete(GET)
        ]
    );
    assert_eq!(feed.requests.len(), 1);
}

#[test]
fn a_gap_inside_a_counted_body_costs_that_request_alone() {
    let mut feed = Feed::new(Start::Syn);
    feed.push(format!("{POST}h")).gap(3).push(format!("o{GET}"));
    let length = POST.len() as u64;
    assert_eq!(
        feed.take(),
        [
            Seen::Started,
            Seen::Rejected(Reject::Gap),
            Seen::Skipped(length + 2, Skip::AfterGap),
            Seen::Started,
            complete(GET),
        ]
    );
}

#[test]
fn a_gap_up_to_the_end_of_a_counted_body_leaves_the_boundary_known() {
    let mut feed = Feed::new(Start::Syn);
    feed.push(POST).gap(5).push(GET);
    assert_eq!(feed.take()[3..], [Seen::Started, complete(GET)]);
}

#[test]
fn a_gap_beyond_a_counted_body_loses_the_place() {
    let mut feed = Feed::new(Start::Syn);
    feed.push(POST).gap(6).push(GET);
    assert_eq!(
        feed.take()[3..],
        [
            Seen::Started,
            Seen::Rejected(Reject::Gap),
            Seen::Skipped(27, Skip::AfterGap)
        ]
    );
}

#[test]
fn a_gap_of_unknown_length_loses_the_place_in_any_body() {
    // One of them as long as the number that stands for it.
    for length in ["5", "18446744073709551615"] {
        let mut feed = Feed::new(Start::Syn);
        feed.push(format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"));
        feed.gap(UNKNOWN_LENGTH).push(GET);
        assert!(!feed.take().contains(&complete(GET)), "{length}");
    }
}

#[test]
fn a_gap_inside_the_data_of_a_chunk_costs_that_request_alone() {
    let mut feed = Feed::new(Start::Syn);
    feed.push("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nh");
    feed.gap(4).push(format!("\r\n0\r\n\r\n{GET}"));
    assert_eq!(feed.take()[3..], [Seen::Started, complete(GET)]);
}

#[test]
fn a_gap_over_chunk_framing_loses_the_place() {
    let mut feed = Feed::new(Start::Syn);
    feed.push("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nh");
    feed.gap(5).push(format!("\n0\r\n\r\n{GET}"));
    assert_eq!(
        feed.take()[1..],
        [Seen::Rejected(Reject::Gap), Seen::Skipped(84, Skip::AfterGap)]
    );
}

#[test]
fn a_gap_inside_a_body_that_is_passed_over_leaves_its_end_known() {
    let mut feed = Feed::new(Start::Syn);
    feed.push("POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n")
        .gap(199_999)
        .push(format!("x{GET}"));
    assert_eq!(feed.take()[3..], [Seen::Started, complete(GET)]);
}

#[test]
fn a_gap_changes_nothing_once_the_connection_is_given_up() {
    let mut feed = Feed::new(Start::Syn);
    feed.push(b"\x16\x03\x01")
        .gap(10)
        .push(GET)
        .answered(100)
        .push(GET);
    assert_eq!(
        feed.take(),
        [
            Seen::Recognised(Skip::Encrypted),
            Seen::Skipped(57, Skip::Encrypted)
        ]
    );
}

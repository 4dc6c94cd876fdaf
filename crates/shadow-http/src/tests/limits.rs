//! Messages beyond a limit, and a budget that refuses.

use super::*;

const SMALL: Limits = Limits {
    max_head: 100,
    max_body: 10,
    max_headers: 3,
};

fn small() -> Feed {
    Feed::with(SMALL, Start::Syn, 1 << 20)
}

#[test]
fn a_head_beyond_the_limit_is_rejected_and_the_next_request_is_read() {
    let large = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(200));
    let length = large.len() as u64;
    for size in [1, 7, 99, 100, 101, 1000] {
        assert_eq!(
            small().push_cut(format!("{large}{GET}"), size).take(),
            [
                Seen::Started,
                Seen::Rejected(Reject::HeadTooLarge),
                Seen::Skipped(length, Skip::AfterReject),
                Seen::Started,
                complete(GET),
            ],
            "in pieces of {size}"
        );
    }
}

#[test]
fn a_head_of_any_size_is_read_for_its_framing_in_bounded_memory() {
    let mut feed = small();
    feed.push("POST / HTTP/1.1\r\nContent-Length: 27\r\nCookie: ");
    for _ in 0..1000 {
        feed.push([b'x'; 1000]);
        assert!(feed.budget.used() < 10_000, "{}", feed.budget.used());
    }
    feed.push("\r\nX: y\r\n\r\n").push(GET).push(GET);
    assert_eq!(
        feed.take()[1..],
        [
            Seen::Rejected(Reject::HeadTooLarge),
            Seen::Skipped(1_000_082, Skip::AfterReject),
            Seen::Started,
            complete(GET)
        ]
    );
}

#[test]
fn a_target_beyond_the_limit_is_read_for_its_framing_too() {
    let large = format!(
        "POST /{} HTTP/1.1\r\nContent-Length: 27\r\n\r\n",
        "x".repeat(5000)
    );
    let mut feed = small();
    feed.push(format!("{large}{GET}{GET}"));
    assert_eq!(feed.take()[3..], [Seen::Started, complete(GET)]);
    assert_eq!(feed.requests.len(), 1);
}

#[test]
fn a_head_with_too_many_fields_is_too_large() {
    let mut feed = small();
    let head = "POST / HTTP/1.1\r\na:\r\nb:\r\nContent-Length: 27\r\nd:\r\n\r\n";
    feed.push(format!("{head}{GET}{GET}"));
    assert_eq!(
        feed.take()[1..],
        [
            Seen::Rejected(Reject::HeadTooLarge),
            Seen::Skipped(head.len() as u64 + 27, Skip::AfterReject),
            Seen::Started,
            complete(GET),
        ]
    );
}

#[test]
fn a_body_announced_beyond_the_limit_is_passed_over() {
    let head = "POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n";
    let mut feed = small();
    assert_eq!(
        feed.push(head).take(),
        [
            Seen::Started,
            Seen::Rejected(Reject::BodyTooLarge),
            Seen::Skipped(head.len() as u64, Skip::AfterReject)
        ]
    );
    assert_eq!(
        feed.push(format!("hello world{GET}")).take(),
        [Seen::Skipped(11, Skip::AfterReject), Seen::Started, complete(GET)]
    );
}

#[test]
fn a_body_may_be_as_large_as_the_limit() {
    let head = "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n";
    assert_eq!(
        small().push(format!("{head}0123456789")).take(),
        [Seen::Started, complete_with(head, "0123456789")]
    );
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(
        small().push(format!("{head}00000\r\n\r\n")).take()[1],
        complete_with(head, "00000\r\n\r\n")
    );
}

#[test]
fn a_chunked_body_beyond_the_limit_is_passed_over_to_its_end() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bytes = format!("{head}5\r\nhello\r\n0\r\n\r\n{GET}");
    for size in [1, 2, 3, 11, 1000] {
        let mut feed = small();
        assert_eq!(
            feed.push_cut(&bytes, size).take(),
            [
                Seen::Started,
                Seen::Rejected(Reject::BodyTooLarge),
                Seen::Skipped(head.len() as u64 + 15, Skip::AfterReject),
                Seen::Started,
                complete(GET),
            ]
        );
    }
}

#[test]
fn a_huge_announced_length_reserves_nothing() {
    let limits = Limits {
        max_body: usize::MAX,
        ..LIMITS
    };
    let mut feed = Feed::with(limits, Start::Syn, 1 << 20);
    feed.push("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nabc");
    assert!(feed.budget.used() < 1000, "{}", feed.budget.used());
    feed.end(Close::Reset);
    assert_eq!(feed.budget.used(), 0);
}

#[test]
fn behind_a_request_that_the_budget_refuses_the_next_is_parsed() {
    let mut feed = Feed::with(LIMITS, Start::Syn, 10);
    assert_eq!(
        feed.push(GET).take(),
        [
            Seen::Started,
            Seen::Rejected(Reject::Memory),
            Seen::Skipped(27, Skip::AfterReject)
        ]
    );
    feed.budget = MemoryBudget::new(1000);
    assert_eq!(feed.push(GET).take(), [Seen::Started, complete(GET)]);
}

#[test]
fn a_body_that_the_budget_refuses_is_passed_over_to_its_end() {
    let head = "POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n";
    let mut feed = Feed::with(LIMITS, Start::Syn, 2000);
    feed.push(head).push([b'x'; 1000]).push([b'x'; 1500]);
    let before = head.len() as u64 + 2500;
    assert_eq!(
        feed.take(),
        [
            Seen::Started,
            Seen::Rejected(Reject::Memory),
            Seen::Skipped(before, Skip::AfterReject)
        ]
    );
    assert_eq!(feed.budget.used(), 0);
    feed.push([b'x'; 2500]).push(GET);
    assert_eq!(
        feed.take(),
        [
            Seen::Skipped(2500, Skip::AfterReject),
            Seen::Started,
            complete(GET)
        ]
    );
}

#[test]
fn a_head_that_the_budget_refuses_is_read_for_its_framing() {
    let mut feed = Feed::with(LIMITS, Start::Syn, 600);
    feed.push(format!("POST / HTTP/1.1\r\nA: {}", "x".repeat(700)));
    assert_eq!(feed.take()[..2], [Seen::Started, Seen::Rejected(Reject::Memory)]);
    feed.push("\r\nContent-Length: 27\r\n\r\n").answered(9).push(GET);
    assert_eq!(feed.requests.len(), 0);
    assert_eq!(feed.push(GET).take()[1..], [Seen::Started, complete(GET)]);
}

#[test]
fn memory_held_is_never_more_than_twice_what_came() {
    let mut feed = Feed::with(LIMITS, Start::Syn, 1 << 20);
    feed.push("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n");
    for came in 1..=0x1000 {
        feed.push("x");
        assert!(feed.budget.used() < 2 * (came + 60) + 400);
    }
}

#[test]
fn behind_a_body_that_stalls_the_connection_goes_on() {
    for (why, reject) in [
        (Stall::Timeout, Reject::Truncated),
        (Stall::Memory, Reject::Memory),
    ] {
        let mut feed = Feed::new(Start::Syn);
        assert!(feed.push(format!("{POST}he")).stream.holds());
        assert!(!feed.stalled(why).stream.holds());
        assert_eq!(feed.budget.used(), 0);
        feed.push(format!("llo{GET}"));
        assert_eq!(
            feed.take(),
            [
                Seen::Started,
                Seen::Rejected(reject),
                Seen::Skipped(POST.len() as u64 + 5, Skip::AfterReject),
                Seen::Started,
                complete(GET),
            ]
        );
    }
}

#[test]
fn behind_a_head_that_stalls_the_connection_goes_on() {
    let mut feed = Feed::new(Start::Syn);
    feed.push("POST / HTTP/1.1\r\nContent-Le").stalled(Stall::Timeout);
    assert_eq!(
        feed.take()[..2],
        [Seen::Started, Seen::Rejected(Reject::Truncated)]
    );
    assert_eq!(feed.budget.used(), 0);
    feed.push("ngth: 27\r\n\r\n")
        .answered(9)
        .push(GET)
        .answered(9)
        .push(GET);
    assert_eq!(feed.requests.len(), 1);
}

#[test]
fn nothing_stalls_between_requests() {
    let mut feed = Feed::new(Start::Syn);
    feed.push(GET).stalled(Stall::Timeout).push(GET);
    assert_eq!(feed.requests.len(), 2);
}

#[test]
fn stalled_uploads_leave_room_for_requests_that_come_whole() {
    let mut feed = Feed::with(LIMITS, Start::Syn, 10_000);
    let mut others = Vec::new();
    for _ in 0..20 {
        let mut upload = RequestStream::new(LIMITS, Start::Syn);
        let chunk = Chunk {
            bytes: &format!("POST / HTTP/1.1\r\nContent-Length: 90000\r\n\r\n{:900}", "").into_bytes(),
            sequence: 0,
            acknowledgment: 0,
            segment_start: true,
            time: Timestamp(0),
        };
        upload.push(chunk, &feed.budget, &mut |_| {});
        others.push(upload);
    }
    assert!(feed.budget.used() <= 5000);
    assert_eq!(feed.push(GET).take(), [Seen::Started, complete(GET)]);
}

//! Behind a request that closes the connection: nothing more may be processed (RFC 9112 section 9.6).

use super::*;

const LAST: [&str; 4] = [
    "GET /last HTTP/1.1\r\nConnection: close\r\n\r\n",
    "GET /last HTTP/1.1\r\nConnection: keep-alive, Close\r\n\r\n",
    "GET /last HTTP/1.0\r\n\r\n",
    "GET /last HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
];

#[test]
fn a_request_behind_the_last_one_is_seen_and_rejected() {
    for last in LAST {
        let mut feed = Feed::new(Start::Syn);
        assert_eq!(
            feed.push(format!("{last}{GET}")).end(Close::Finished).take(),
            [
                Seen::Started,
                complete(last),
                Seen::Started,
                Seen::Rejected(Reject::AfterClose),
                Seen::Skipped(27, Skip::AfterClose),
            ]
        );
    }
}

#[test]
fn a_request_in_a_later_segment_is_rejected_however_well_it_is_proved() {
    for last in LAST {
        let mut feed = Feed::new(Start::Syn);
        feed.push(last)
            .answered(100)
            .push(GET)
            .gap(5)
            .answered(100)
            .push(GET);
        assert_eq!(
            feed.take()[2..],
            [
                Seen::Started,
                Seen::Rejected(Reject::AfterClose),
                Seen::Skipped(27, Skip::AfterClose),
                Seen::Started,
                Seen::Rejected(Reject::AfterClose),
                Seen::Skipped(27, Skip::AfterClose),
            ]
        );
    }
}

#[test]
fn however_it_is_cut_nothing_behind_the_last_request_is_complete() {
    for last in LAST {
        for size in 1..90 {
            let mut feed = Feed::new(Start::Syn);
            feed.push_cut(format!("{last}{GET}{GET}"), size);
            assert_eq!(feed.requests.len(), 1, "in pieces of {size}");
        }
    }
}

#[test]
fn the_body_of_the_last_request_is_still_its_own() {
    let head = "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(
        said(format!("{head}hello\r\n")),
        [
            Seen::Started,
            complete_with(head, "hello"),
            Seen::Skipped(2, Skip::AfterClose),
        ]
    );
}

#[test]
fn a_rejected_request_can_be_the_last_one_too() {
    let head = "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n";
    let mut feed = Feed::new(Start::Syn);
    feed.push(head).gap(200_000).push(GET);
    assert_eq!(
        feed.take()[1..],
        [
            Seen::Rejected(Reject::BodyTooLarge),
            Seen::Skipped(head.len() as u64, Skip::AfterReject),
            Seen::Started,
            Seen::Rejected(Reject::AfterClose),
            Seen::Skipped(27, Skip::AfterClose),
        ]
    );
}

#[test]
fn http_1_0_with_keep_alive_goes_on() {
    let head = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    assert_eq!(
        said(format!("{head}{GET}")),
        [Seen::Started, complete(head), Seen::Started, complete(GET)]
    );
}

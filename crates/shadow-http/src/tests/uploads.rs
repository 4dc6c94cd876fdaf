//! Whatever is uploaded, however it is cut, whatever the server says meanwhile: nothing of it is taken for a request.

use proptest::prelude::*;

use super::*;

const DELETE: &str = "DELETE /admin/users HTTP/1.1\r\nHost: a\r\n\r\n";

/// Heads of an upload of so many bytes that are not as they should be, and are read for their framing all the same.
fn odd_heads(length: usize) -> Vec<String> {
    let with =
        |lines: &str| format!("POST /upload HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {length}\r\n\r\n");
    vec![
        with(&"X: y\r\n".repeat(150)),
        with(&format!("X: {}\r\n", "y".repeat(100_000))),
        with("no colon\r\n"),
        with("X : y\r\n"),
        with("X\0Y: z\r\n"),
        with("Expect: 100-continue\r\nX : y\r\n"),
        with("X: a\r\n b\r\n"),
        with("X(Y): \x01\r\n"),
        format!("POST /upload HTTP/1.1\nHost: a\nContent-Length: {length}\n\n"),
        format!("POST  /upload HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"),
        format!(
            "POST /{} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n",
            "x".repeat(100_000)
        ),
    ]
}

#[test]
fn the_body_of_an_odd_upload_is_not_taken_for_requests() {
    for head in odd_heads(10 * DELETE.len()) {
        let mut feed = Feed::new(Start::Syn);
        feed.push(&head);
        for _ in 0..10 {
            feed.answered(100).push(DELETE);
        }
        assert!(feed.requests.iter().all(|request| request.method() == b"POST"));
        let before = feed.requests.len();
        feed.answered(100).push(GET);
        assert_eq!(feed.requests.len(), before + 1, "{:?}", &head[..60]);
        assert_eq!(feed.requests[before].target(), b"/");
    }
}

/// Heads behind which the rest of the connection is nobody's to read.
const UNREAD: [&str; 8] = [
    "POST / HTTP/1.1\r\nX: y\nContent-Length: 5\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nX: y\rz\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello",
    "POST /\r\n\r\n",
    "POST / HTTP/1.1\r\nX: y\r\n \r\n\r\n",
    "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n",
];

fn text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        DELETE,
        GET,
        "POST /a HTTP/1.1\r\nContent-Length: 40\r\n\r\n",
        "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 54\r\n\r\n",
        "GET /last HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        "\r\n",
        "xx",
    ]);
    prop::collection::vec(words, 1..20).prop_map(|words| words.concat())
}

/// Pushes `bytes` in segments of these lengths, the server answering so much before each.
fn upload(feed: &mut Feed, bytes: &str, cuts: &[(usize, u32)]) {
    let mut rest = bytes.as_bytes();
    for &(length, answered) in cuts.iter().cycle() {
        if rest.is_empty() {
            return;
        }
        let (segment, behind) = rest.split_at(length.min(rest.len()));
        feed.answered(answered).push(segment);
        rest = behind;
    }
}

fn cuts() -> impl Strategy<Value = Vec<(usize, u32)>> {
    let length = prop_oneof![Just(DELETE.len()), Just(GET.len()), 1_usize..200];
    let answered = prop_oneof![Just(0_u32), 1_u32..2000];
    prop::collection::vec((length, answered), 1..8)
}

proptest! {
    #[test]
    fn nothing_of_an_upload_is_taken_for_a_request(
        which in any::<prop::sample::Index>(),
        body in text(),
        cuts in cuts(),
        with_head in any::<bool>(),
    ) {
        let heads = odd_heads(body.len());
        let head = &heads[which.index(heads.len())];
        let mut feed = Feed::new(Start::Syn);
        if with_head {
            upload(&mut feed, &format!("{head}{body}"), &cuts);
        } else {
            feed.push(head);
            upload(&mut feed, &body, &cuts);
        }
        for request in &feed.requests {
            prop_assert_eq!(&request.body[..], body.as_bytes());
        }
        prop_assert!(feed.requests.len() <= 1);
        let before = feed.requests.len();
        feed.push(GET);
        prop_assert_eq!(feed.requests.len(), before + 1);
    }

    #[test]
    fn nothing_behind_a_request_that_cannot_be_framed_is_taken_for_one(
        head in prop::sample::select(UNREAD.to_vec()),
        body in text(),
        cuts in cuts(),
        resuming in any::<bool>(),
    ) {
        let mut feed = if resuming { Feed::resuming(Start::Syn) } else { Feed::new(Start::Syn) };
        upload(&mut feed, &format!("{head}{body}"), &cuts);
        prop_assert!(feed.requests.is_empty());
    }

    #[test]
    fn an_upload_whose_head_was_not_seen_holds_no_request(
        body in text(),
        cuts in cuts(),
        lost in 1_u64..5000,
        start in prop::sample::select(vec![Start::MidStream, Start::Doubtful, Start::Syn]),
    ) {
        let mut feed = Feed::new(start);
        if start == Start::Syn {
            feed.push("POST /up").gap(lost);
        }
        upload(&mut feed, &body, &cuts);
        prop_assert!(feed.requests.is_empty());
    }
}

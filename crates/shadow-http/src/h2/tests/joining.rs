//! Connections that were open before.

use super::*;

fn joined() -> Feed {
    Feed::of(Connection::new(LIMITS, true, Join::MidStream))
}

/// A request as a client of gRPC repeats it: its path is in the table since long.
fn call(stream: u32) -> Vec<u8> {
    let block = [0x83, 0x86, 0xc5, 0xc4, 0xc3, 0xc2];
    [
        frame(HEADERS, END_HEADERS, stream, &block),
        frame(DATA, END_STREAM, stream, b"\0\0\0\0\0"),
    ]
    .concat()
}

/// The same, with its path inserted again.
fn call_anew(stream: u32) -> Vec<u8> {
    let block = [&[0x83, 0x86, 0x44, 5][..], b"/a.B/", &[0x41, 1, b'a']].concat();
    [
        frame(HEADERS, END_HEADERS, stream, &block),
        frame(DATA, END_STREAM, stream, b""),
    ]
    .concat()
}

#[test]
fn a_connection_is_joined_once_it_is_proved() {
    let mut feed = joined();
    feed.client(&b"the rest of some frame"[..]);
    for id in [101, 103] {
        feed.client(&get(id, "/"));
        feed.server(&answer(id, END_STREAM, &[(":status", "200")]));
        feed.client(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 9]));
    }
    assert!(!feed.connection.is_proved());
    assert_eq!(feed.told(), <[&str; 0]>::default());
    feed.client(&get(105, "/a"));
    feed.server(&answer(105, END_STREAM, &[(":status", "200")]));
    feed.client(&get(107, "/b"));
    feed.server(&answer(107, END_STREAM, &[(":status", "200")]));
    let told = [
        "recognised Http2",
        "started 101",
        "rejected 101 mid_stream",
        "started 103",
        "rejected 103 mid_stream",
        "started 105",
        "complete 105 /a",
    ];
    let seen = feed.told();
    assert_eq!(seen[..7], told);
    // The first answer is the proof of the second.
    assert_eq!(seen.last().unwrap(), "answered 107 200");
}

#[test]
fn requests_are_readable_as_their_entries_are_learned() {
    let mut feed = joined();
    for id in [11, 13] {
        feed.client(&call(id));
        feed.acknowledgment += 1;
    }
    feed.client(&call(15));
    assert_eq!(feed.told()[5..], ["started 15", "rejected 15 h2_table_unknown"]);
    feed.client(&call_anew(17));
    // Its authority is the newest entry, its path the one before.
    let block = [0x83, 0x86, 0xbf, 0xbe];
    feed.client(&frame(HEADERS, ALONE, 19, &block));
    assert_eq!(
        feed.told(),
        [
            "started 17",
            "complete 17 /a.B/",
            "started 19",
            "complete 19 /a.B/"
        ]
    );
    assert_eq!(feed.request().0, "POST /a.B/ HTTP/2.0\r\nhost: a\r\n\r\n");
}

#[test]
fn entries_of_the_frames_that_prove_it_are_learned_too() {
    let mut feed = joined();
    for id in [11, 13] {
        feed.client(&call_anew(id));
        feed.acknowledgment += 1;
    }
    feed.client(&frame(HEADERS, ALONE, 15, &[0x83, 0x86, 0xbf, 0xbe]));
    assert_eq!(feed.told()[5..], ["started 15", "complete 15 /a.B/"]);
}

#[test]
fn an_upload_is_not_taken_for_http_2() {
    // Its server says nothing meanwhile.
    let mut feed = joined();
    for id in (1..200).step_by(2) {
        feed.client(&call(id));
    }
    // Nor does one that says something make frames of text, zeros or masked frames of WebSocket.
    for _ in 0..50 {
        feed.acknowledgment += 1;
        feed.client(b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello");
        feed.client(&[0; 1000]);
        feed.client(&[0x82, 0x85, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        feed.client(&frame(DATA, 0, 1, &[1; 50]));
        feed.client(&frame(PING, 0, 0, &[1; 8]));
    }
    assert!(!feed.connection.is_proved());
    assert_eq!(feed.told(), <[&str; 0]>::default());
}

#[test]
fn blocks_that_are_no_requests_prove_nothing() {
    for block in [
        block(&[("a", "b")]),
        block(&[(":status", "200")]),
        block(&[(":method", "GET"), (":path", "x")]),
        block(&[(":method", "GET"), (":path", "/")]),
        block(&[
            ("a", "b"),
            (":method", "GET"),
            (":path", "/"),
            (":scheme", "http"),
        ]),
        vec![0xc5, 0xc4],
        vec![0xff; 10],
    ] {
        let mut feed = joined();
        for id in (1..50).step_by(2) {
            feed.client(&frame(HEADERS, ALONE, id, &block));
            feed.acknowledgment += 1;
        }
        assert!(!feed.connection.is_proved(), "{block:?}");
    }
}

#[test]
fn a_hole_while_it_is_joined_starts_over() {
    let mut feed = joined();
    for id in [11, 13] {
        feed.client(&call(id));
        feed.acknowledgment += 1;
    }
    feed.gap(Direction::Request, 10);
    feed.client(&call(15));
    assert!(!feed.connection.is_proved());
}

#[test]
fn trailers_of_a_stream_from_before_are_no_request() {
    let mut feed = joined();
    for id in [11, 13] {
        feed.client(&get(id, "/"));
        feed.client(&frame(PING, 0, 0, &[0; 8]));
        feed.acknowledgment += 1;
    }
    feed.client(&frame(PING, 0, 0, &[0; 8]));
    feed.told();
    feed.client(&frame(HEADERS, ALONE, 15, &block(&[("grpc-x", "y")])));
    feed.client(&get(17, "/"));
    assert_eq!(feed.told(), ["started 17", "complete 17 /"]);
}

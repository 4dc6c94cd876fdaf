//! Calls of gRPC that go live: each message when it is whole, one end, and the answer behind it.

use proptest::prelude::*;

use super::*;
use crate::h2::{LiveCall, Messages, StreamId};

fn call(stream: u32) -> Vec<u8> {
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    frame(
        HEADERS,
        END_HEADERS,
        stream,
        &head("POST", "/chat.Chat/Talk", &fields),
    )
}

/// A message with its prefix.
fn message(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[0][..], &length, text.as_bytes()].concat()
}

fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

fn ok(stream: u32) -> Vec<u8> {
    answer(
        stream,
        0,
        &[(":status", "200"), ("content-type", "application/grpc")],
    )
}

fn trailers(stream: u32) -> Vec<u8> {
    answer(stream, END_STREAM, &[("grpc-status", "0")])
}

impl Feed {
    fn calls(&self) -> Vec<(u32, u64, bool)> {
        let calls = self.connection.calls();
        calls
            .map(|call| (call.stream.0, call.since.0, call.is_answered))
            .collect()
    }

    /// Has a call go live.
    fn go_live(&mut self, stream: u32) -> Option<LiveCall> {
        let told = Told(&mut self.lines, &mut self.requests, &mut self.responses);
        self.connection.go_live(StreamId(stream), &mut told.sink())
    }
}

fn texts(messages: &[Messages]) -> Vec<(String, u64)> {
    let text = |messages: &Messages| {
        (
            String::from_utf8_lossy(&messages.data).into_owned(),
            messages.time.0,
        )
    };
    messages.iter().map(text).collect()
}

#[test]
fn an_open_call_of_grpc_is_told_of_until_it_ends() {
    let mut feed = Feed::new();
    feed.time = 7;
    feed.client(&[call(1), get(3, "/")].concat());
    feed.client(&frame(HEADERS, END_HEADERS, 5, &head("POST", "/upload", &[])));
    let web = [("content-type", "application/grpc-web+proto")];
    feed.client(&frame(HEADERS, END_HEADERS, 7, &head("POST", "/a/b", &web)));
    assert_eq!(feed.calls(), [(1, 7, false)], "no GET, no upload, no gRPC-Web");
    feed.server(&ok(1));
    assert_eq!(feed.calls(), [(1, 7, true)]);
    feed.client(&frame(DATA, END_STREAM, 1, &message("a")));
    assert_eq!(feed.calls(), []);
    assert!(feed.go_live(1).is_none() && feed.go_live(3).is_none() && feed.go_live(9).is_none());
}

#[test]
fn a_call_that_was_answered_before_its_client_ended_it_is_whole() {
    let reset = frame(RST_STREAM, 0, 1, &[0; 4]);
    let served = [ok(1), trailers(1), reset].concat();
    for (parts, told) in [
        (vec![message("one")], "complete 1"),
        (
            vec![message("one")[..3].to_vec(), message("one")[3..].to_vec()],
            "complete 1",
        ),
        (vec![message("one")[..7].to_vec()], "rejected 1 h2_reset"),
        (vec![], "rejected 1 h2_reset"),
    ] {
        let mut feed = Feed::new();
        feed.client(&call(1));
        for part in parts {
            feed.client(&data(1, &part));
        }
        feed.server(&served);
        let lines = feed.told();
        assert!(lines[1].starts_with(told), "{lines:?}");
        feed.requests.iter().for_each(check_request);
    }
    let mut feed = Feed::new();
    feed.client(&[call(1), data(1, &message("one"))].concat());
    feed.server(&frame(RST_STREAM, 0, 1, &[0; 4]));
    assert_eq!(
        feed.told(),
        ["started 1", "rejected 1 h2_reset"],
        "no answer, no proof"
    );
}

#[test]
fn a_call_that_goes_live_has_its_head_and_its_whole_messages_so_far() {
    let mut feed = Feed::new();
    feed.time = 5;
    feed.client(&call(1));
    feed.time = 6;
    feed.client(&data(1, &[message("one"), message("two")].concat()));
    feed.time = 8;
    let third = message("third");
    feed.client(&data(1, &third[..4]));
    let live = feed.go_live(1).unwrap();
    assert_eq!(
        text(&live.request.head),
        "POST /chat.Chat/Talk HTTP/2.0\r\nhost: a\r\ncontent-type: application/grpc\r\nte: trailers\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    assert_eq!(
        (&live.request.body[..], live.request.first_byte.0),
        (&b"0\r\n\r\n"[..], 5)
    );
    check_request(&live.request);
    assert_eq!(
        texts(&live.messages),
        [("\0\0\0\0\u{3}one\0\0\0\0\u{3}two".to_owned(), 6)]
    );
    feed.time = 9;
    feed.client(&data(1, &third[4..]));
    feed.time = 10;
    feed.client(&frame(DATA, END_STREAM, 1, b""));
    assert_eq!(
        feed.told(),
        [
            "started 1",
            r#"messages 1 b"\0\0\0\0\x05third" at 9"#,
            "ended 1 at 10"
        ]
    );
    feed.server(&[ok(1), trailers(1)].concat());
    assert_eq!(feed.told(), ["answered 1 200"]);
}

#[test]
fn only_a_message_under_way_is_held() {
    let mut feed = Feed::new();
    feed.client(&[call(1), data(1, &message("a"))].concat());
    assert!(feed.connection.holds());
    let live = feed.go_live(1).unwrap();
    assert!(!feed.connection.holds());
    let used = feed.budget.used();
    drop(live);
    assert!(used > 0 && feed.budget.used() == 0);
    feed.stalled(Stall::Timeout);
    feed.client(&data(1, &message("b")));
    assert_eq!(feed.told(), ["started 1", r#"messages 1 b"\0\0\0\0\x01b" at 0"#]);
    feed.client(&data(1, &message("c")[..3]));
    assert!(feed.connection.holds());
    feed.stalled(Stall::Timeout);
    assert_eq!(feed.told(), ["rejected 1 truncated"]);
}

#[test]
fn a_live_call_that_breaks_off_ends_with_the_reason() {
    type Fault = fn(&mut Feed);
    let faults: [(Fault, &str); 6] = [
        (|feed| feed.client(&reset(1, 8)), "rejected 1 h2_reset"),
        (|feed| feed.server(&reset(1, 2)), "rejected 1 h2_reset"),
        (
            |feed| {
                feed.client(&data(1, &message("abcdef"))[..12]);
                feed.gap(Direction::Request, 1);
            },
            "rejected 1 h2_gap",
        ),
        (
            |feed| feed.end(Direction::Request, Close::Shutdown),
            "rejected 1 shutdown",
        ),
        (
            |feed| feed.client(&data(1, &[0, 0xff, 0, 0, 0])),
            "rejected 1 body_too_large",
        ),
        (
            |feed| feed.client(&frame(HEADERS, ALONE, 1, &block(&[("x-a", "b")]))),
            "rejected 1 malformed",
        ),
    ];
    for (fault, told) in faults {
        let mut feed = Feed::new();
        feed.client(&call(1));
        feed.go_live(1).unwrap();
        feed.told();
        fault(&mut feed);
        assert_eq!(feed.told(), [told]);
        assert!(!feed.connection.holds());
        assert_eq!(feed.budget.used(), 0);
    }
}

#[test]
fn a_call_that_the_server_ended_first_ends_by_its_answer() {
    for leave in [reset(1, 0), reset(1, 8)] {
        let mut feed = Feed::new();
        feed.client(&call(1));
        feed.go_live(1).unwrap();
        feed.server(&[ok(1), trailers(1)].concat());
        assert_eq!(feed.told(), ["started 1"]);
        feed.client(&leave);
        assert_eq!(feed.told(), ["ended 1 by its answer", "answered 1 200"]);
    }
}

#[test]
fn a_call_for_which_there_is_no_room_ends_as_memory() {
    let mut feed = Feed::new();
    feed.client(&[call(1), data(1, &message(&"a".repeat(1000)))].concat());
    let mut all = feed.budget.charge();
    let free = feed.budget.limit() - feed.budget.used();
    assert!(all.try_grow(free));
    assert!(feed.go_live(1).is_none());
    assert_eq!(feed.told(), ["started 1", "rejected 1 memory"]);
    drop(all);
    assert_eq!(feed.budget.used(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// However messages are cut into frames and chunks, and whenever a call goes live: its messages come whole, once, in order,
    /// with their bytes, and then its one end.
    #[test]
    fn whatever_is_cut_messages_come_whole_once_and_in_order(
        sizes in prop::collection::vec(0_usize..200, 0..12),
        frames in prop::collection::vec(1_usize..90, 1..8),
        chunks in prop::collection::vec(1_usize..70, 1..8),
        live_at in 0_usize..40,
        ends in 0_u8..3,
    ) {
        let body: Vec<u8> = sizes
            .iter()
            .enumerate()
            .flat_map(|(number, size)| message(&char::from(b'a' + number as u8).to_string().repeat(*size)))
            .collect();
        let (mut wire, mut rest) = (call(1), &body[..]);
        for size in frames.iter().cycle() {
            let (now, behind) = rest.split_at((*size).min(rest.len()));
            wire.extend(data(1, now));
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        match ends {
            0 => wire.extend(frame(DATA, END_STREAM, 1, b"")),
            1 => wire.extend(reset(1, 8)),
            _ => {}
        }
        let mut feed = Feed::new();
        let (mut rest, mut got, mut live) = (&wire[..], Vec::new(), false);
        for (step, size) in chunks.iter().cycle().enumerate() {
            let (now, behind) = rest.split_at((*size).min(rest.len()));
            feed.time = step as u64 + 1;
            feed.client(now);
            rest = behind;
            if !live && step >= live_at && let Some(call) = feed.go_live(1) {
                live = true;
                for messages in &call.messages {
                    got.push(format!("messages 1 {:?}", messages.data));
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        let lines = feed.told();
        let end = match (live, ends) {
            (true, 0) => Some("ended 1"),
            (false, 0) => Some("complete 1"),
            (_, 1) => Some("rejected 1 h2_reset"),
            _ => None,
        };
        let told: Vec<&String> = lines.iter().filter(|line| line.starts_with("messages")).collect();
        prop_assert_eq!(lines.len(), 1 + told.len() + usize::from(end.is_some()), "{:?}", lines);
        if let Some(end) = end {
            prop_assert!(lines.last().unwrap().starts_with(end), "{:?}", lines);
        }
        if live {
            got.extend(told.iter().map(|line| line.rsplit_once(" at ").unwrap().0.to_owned()));
            let all: Vec<u8> = got.iter().flat_map(|line| bytes_of(line)).collect();
            prop_assert_eq!(&all, &body);
        }
        let holds = !live && ends == 2;
        prop_assert_eq!(feed.connection.holds(), holds);
    }
}

/// The bytes that a line about messages shows.
fn bytes_of(line: &str) -> Vec<u8> {
    let shown = line.split_once("b\"").unwrap().1.strip_suffix('"').unwrap();
    let (mut bytes, mut rest) = (Vec::new(), shown.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'0' => 0,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}

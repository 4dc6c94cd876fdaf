//! Properties that hold for any requests, any cuts, any losses and any bytes.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

/// One valid request: head, body.
fn request() -> impl Strategy<Value = (String, String)> {
    let method = prop::sample::select(vec![
        "GET", "POST", "PUT", "DELETE", "PURGE", "M-SEARCH", "QUERY", "x!",
    ]);
    let target = prop_oneof![
        Just("*".to_owned()),
        "/[a-z0-9/?=%]{0,40}",
        "http://[a-z]{1,9}/[a-z]{0,9}"
    ];
    let fields = prop::collection::vec(("X-[A-Za-z0-9!#]{1,12}", "[ -~]{0,30}"), 0..8);
    let body = prop_oneof![
        Just(None),
        "[ -~\r\n]{0,200}".prop_map(|body| Some((format!("Content-Length: {}\r\n", body.len()), body))),
        prop::collection::vec("[ -~\r\n]{1,60}", 0..5).prop_map(|chunks| {
            let mut body = String::new();
            for chunk in chunks {
                let _ = write!(body, "{:x};e=1\r\n{chunk}\r\n", chunk.len());
            }
            body.push_str("0\r\nT: x\r\n\r\n");
            Some(("Transfer-Encoding: chunked\r\n".to_owned(), body))
        }),
    ];
    (method, target, fields, body, any::<bool>()).prop_map(|(method, target, fields, body, framing_first)| {
        let (framing, body) = body.unwrap_or_default();
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let fields = fields.concat();
        let head = if framing_first {
            format!("{method} {target} HTTP/1.1\r\n{framing}{fields}\r\n")
        } else {
            format!("{method} {target} HTTP/1.1\r\n{fields}{framing}\r\n")
        };
        (head, body)
    })
}

/// `bytes` cut at some of the given places.
fn pieces(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<std::ops::Range<usize>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.dedup();
    places.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// Exactly one end for each start, and nothing ends that did not start.
fn check_order(seen: &[Seen]) {
    let mut open = false;
    for event in seen {
        match event {
            Seen::Started => assert!(!std::mem::replace(&mut open, true), "{seen:?}"),
            Seen::Complete(..) | Seen::Incomplete(..) | Seen::Rejected(_) => {
                assert!(std::mem::replace(&mut open, false), "{seen:?}");
            }
            Seen::Skipped(..) | Seen::Recognised(_) => {}
        }
    }
    assert!(!open, "{seen:?}");
}

fn accounted(seen: &[Seen]) -> u64 {
    seen.iter()
        .map(|event| match event {
            Seen::Complete(head, body) | Seen::Incomplete(head, body, _) => (head.len() + body.len()) as u64,
            Seen::Skipped(bytes, _) => *bytes,
            _ => 0,
        })
        .sum()
}

/// Whether a head is not as it was sent, because HTTP/1.1 has it in another way.
fn written_anew(seen: &[Seen], sent: &[u8]) -> bool {
    seen.iter().any(|event| match event {
        Seen::Complete(head, _) => memchr::memmem::find(sent, head).is_none(),
        Seen::Rejected(Reject::BodyTooLarge | Reject::Memory) => true,
        _ => false,
    })
}

/// Something that happens to a connection.
#[derive(Clone, Debug)]
enum Step {
    Push { bytes: Vec<u8>, segment_start: bool },
    Answer(u32),
    Gap(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let words = prop::sample::select(vec![
        GET,
        POST,
        "GET ",
        "/ HTTP/1.1\r\n",
        "\r\n",
        "\r",
        "\n",
        "Content-Length: 12\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Expect: 100-continue\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\n\r\n",
        "\x16\x03\x01",
    ]);
    let text = prop::collection::vec(words, 1..6).prop_map(|words| words.concat().into_bytes());
    let bytes = prop_oneof![4 => text, 1 => prop::collection::vec(any::<u8>(), 1..300)];
    prop_oneof![
        8 => (bytes, any::<bool>()).prop_map(|(bytes, segment_start)| Step::Push { bytes, segment_start }),
        3 => any::<u32>().prop_map(Step::Answer),
        1 => (1_u64..40).prop_map(Step::Gap),
    ]
}

proptest! {
    #[test]
    fn requests_come_out_as_they_went_in_however_they_are_cut(
        requests in prop::collection::vec(request(), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = requests.iter().flat_map(|(head, body)| [head.as_str(), body]).collect::<String>();
        let mut feed = Feed::new(Start::Syn);
        for piece in pieces(bytes.as_bytes(), &cuts) {
            feed.push(&bytes.as_bytes()[piece]);
        }
        let expected: Vec<Seen> =
            requests.iter().flat_map(|(head, body)| [Seen::Started, complete_with(head, body)]).collect();
        prop_assert_eq!(feed.end(Close::Finished).take(), expected);
        feed.requests.clear();
        prop_assert_eq!(feed.budget.used(), 0);
    }

    #[test]
    fn no_request_with_a_hole_is_complete(
        requests in prop::collection::vec(request(), 1..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 2..12),
        lost in any::<prop::sample::Index>(),
        answered in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        let mut whole = Vec::new();
        for (head, body) in &requests {
            let start = bytes.len();
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(body.as_bytes());
            whole.push((start..bytes.len(), complete_with(head, body)));
        }
        let pieces = pieces(&bytes, &cuts);
        let hole = pieces[lost.index(pieces.len())].clone();
        let mut feed = Feed::new(Start::Syn);
        for piece in &pieces {
            if *piece == hole {
                feed.gap(hole.len() as u64);
            } else {
                feed.push(&bytes[piece.clone()]);
            }
            if answered && whole.iter().any(|(range, _)| range.end == piece.end) {
                feed.answered(10);
            }
        }
        let seen = feed.end(Close::Finished).take();
        check_order(&seen);
        prop_assert_eq!(accounted(&seen), (bytes.len() - hole.len()) as u64);
        let untouched: Vec<_> =
            whole.iter().filter(|(range, _)| range.end <= hole.start || range.start >= hole.end).map(|(_, seen)| seen).collect();
        let completed = seen.iter().filter(|seen| matches!(seen, Seen::Complete(..)));
        for message in completed {
            prop_assert!(untouched.contains(&message), "{:?}", message);
        }
        let before: Vec<_> = whole.iter().filter(|(range, _)| range.end <= hole.start).collect();
        prop_assert!(before.iter().all(|(_, message)| seen.contains(message)));
    }

    #[test]
    fn any_bytes_are_accounted_for_and_memory_is_bounded_and_given_back(
        mid_stream in any::<bool>(),
        memory in prop_oneof![Just(0_usize), 100_usize..2000, Just(1 << 20)],
        steps in prop::collection::vec(step(), 0..30),
    ) {
        let limits = Limits { max_head: 300, max_body: 50, max_headers: 8 };
        let start = if mid_stream { Start::MidStream } else { Start::Syn };
        let mut feed = Feed::with(limits, start, memory);
        let mut pushed = Vec::new();
        for step in steps {
            match step {
                Step::Push { bytes, segment_start } => {
                    pushed.extend_from_slice(&bytes);
                    feed.segment_start = segment_start;
                    feed.push(bytes);
                    feed.requests.clear();
                }
                Step::Answer(bytes) => {
                    feed.answered(bytes);
                }
                Step::Gap(bytes) => {
                    feed.gap(bytes);
                }
            }
            prop_assert!(feed.budget.used() <= memory);
            // The head limit, a piece beyond it, doubled; and the structure that holds them.
            prop_assert!(feed.budget.used() <= 2 * (300 + 4096) + 400);
        }
        let seen = feed.end(Close::Finished).take();
        check_order(&seen);
        if !written_anew(&seen, &pushed) {
            prop_assert_eq!(accounted(&seen), pushed.len() as u64);
        }
        prop_assert_eq!(feed.budget.used(), 0);
    }
}

/// A head of lines that are odd in many ways, and what comes behind it.
fn odd() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "Host: a",
        "X : y",
        "X(Y): z",
        "no colon",
        "Cookie: a=\x01",
        "X: \0",
        " folded",
        "Content-Length: 27",
        "X: y\rz",
        " ",
        "",
    ]);
    let ends = prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\n"]);
    let lines = prop::collection::vec((words, ends), 0..8);
    let start = prop::sample::select(vec![
        "POST / HTTP/1.1",
        "GET  /a  HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "GET /",
    ]);
    (start, any::<bool>(), lines).prop_map(|(start, lf, lines)| {
        let mut head = format!("{start}\r\n");
        for (line, end) in lines {
            let _ = write!(head, "{line}{end}");
        }
        if lf { head.replace("\r\n", "\n") } else { head }
    })
}

proptest! {
    #[test]
    fn odd_heads_come_to_the_same_however_they_are_cut(
        heads in prop::collection::vec(odd(), 1..4),
        size in 1_usize..50,
        max_head in prop_oneof![Just(60_usize), Just(8192)],
    ) {
        let limits = Limits { max_head, max_body: 50, max_headers: 4 };
        let bytes = format!("{}\r\n\r\n{GET}{GET}", heads.concat());
        let run = |size: usize| {
            let mut feed = Feed::with(limits, Start::Syn, 1 << 20);
            let seen = feed.push_cut(&bytes, size).end(Close::Finished).take();
            feed.requests.clear();
            assert_eq!(feed.budget.used(), 0);
            check_order(&seen);
            (seen, feed.faults)
        };
        prop_assert_eq!(run(size), run(bytes.len()));
    }
}

//! Properties of any frames, any bytes, any cuts and any losses.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Something that happens to a connection.
#[derive(Clone, Debug)]
enum Act {
    Send(bool, Vec<u8>),
    Lose(bool, u64),
    Stall,
    End(bool),
}

/// A frame that may be one, with a payload that may have a meaning.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let blocks = prop::sample::select(vec![
        head("GET", "/a", &[]),
        head("POST", "/b", &[("content-length", "3")]),
        block(&[(":status", "200")]),
        block(&[("x-trailer", "y")]),
        vec![0x82, 0x86, 0x84, 0x40, 1, b'x', 1, b'y'],
        vec![0x82, 0x86, 0x84, 0xbe],
        vec![0x88, 0xbf],
    ]);
    let payload = prop_oneof![
        4 => blocks,
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(vec![0; 8]),
        1 => Just(vec![0, 0, 0, 7]),
    ];
    let kind = prop_oneof![4 => Just(HEADERS), 4 => Just(DATA), 2 => 0_u8..12];
    let flags = prop_oneof![
        4 => Just(END_HEADERS),
        4 => Just(ALONE),
        1 => any::<u8>(),
    ];
    (kind, flags, 0_u32..10, payload)
        .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => (any::<bool>(), any_frame()).prop_map(|(side, frame)| Act::Send(side, frame)),
        2 => (any::<bool>(), prop::collection::vec(any::<u8>(), 1..30)).prop_map(|(side, bytes)| Act::Send(side, bytes)),
        2 => (any::<bool>(), prop_oneof![1_u64..40, Just(crate::UNKNOWN_LENGTH)]).prop_map(|(side, length)| Act::Lose(side, length)),
        1 => Just(Act::Stall),
        1 => any::<bool>().prop_map(Act::End),
    ]
}

fn join() -> impl Strategy<Value = Join> {
    prop::sample::select(vec![
        Join::Preface,
        Join::Upgraded(RequestKind::Other),
        Join::MidStream,
    ])
}

fn direction(side: bool) -> Direction {
    if side {
        Direction::Response
    } else {
        Direction::Request
    }
}

/// Every stream has what it may have, in its order.
fn check_order(lines: &[String], upgraded: bool) {
    let mut states: HashMap<String, &str> = HashMap::new();
    if upgraded {
        states.insert("1".to_owned(), "complete");
    }
    for line in lines {
        let mut words = line.split(' ');
        let (word, id) = (words.next().unwrap(), words.next().unwrap().to_owned());
        let (before, after) = match word {
            "started" => (None, "started"),
            "complete" => (Some("started"), "complete"),
            "rejected" | "incomplete" => (Some("started"), "over"),
            "answered" | "lost" | "unprocessed" => (Some("complete"), "over"),
            _ => continue,
        };
        assert_eq!(states.insert(id, after), before, "{line} in {lines:?}");
    }
}

fn run(feed: &mut Feed, acts: &[Act], piece: usize) {
    for act in acts {
        match act {
            Act::Send(side, bytes) => {
                for (index, part) in bytes.chunks(piece).enumerate() {
                    feed.push(direction(*side), part, index == 0);
                }
                feed.acknowledgment += u32::from(*side);
            }
            Act::Lose(side, bytes) => feed.gap(direction(*side), *bytes),
            Act::Stall => feed.stalled(Stall::Timeout),
            Act::End(side) => feed.end(direction(*side), Close::Finished),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_comes_each_request_has_one_end(
        join in join(),
        acts in prop::collection::vec(act(), 0..40),
        greets in any::<bool>(),
        piece in 1_usize..60,
        memory in prop_oneof![Just(1 << 20), 200_usize..3000],
        answers in any::<bool>(),
    ) {
        let mut feed = Feed::of(Connection::new(LIMITS, answers, join));
        feed.budget = MemoryBudget::new(memory);
        if greets {
            feed.client(&greeting());
            feed.server(&frame(SETTINGS, 0, 0, &[]));
        }
        run(&mut feed, &acts, piece);
        for side in [false, true] {
            feed.end(direction(side), Close::Reset);
        }
        check_order(&feed.lines, matches!(join, Join::Upgraded(_)));
        let count = |word: &str| feed.lines.iter().filter(|line| line.starts_with(word)).count();
        assert_eq!(count("started"), count("complete") + count("rejected"), "{:?}", feed.lines);
        assert!(!feed.connection.holds());
        drop((std::mem::take(&mut feed.requests), std::mem::take(&mut feed.responses)));
        assert_eq!(feed.budget.used(), 0);
    }

    #[test]
    fn the_same_bytes_say_the_same_however_they_are_cut(
        acts in prop::collection::vec(act(), 0..40),
        piece in 1_usize..20,
    ) {
        // Behind a hole it depends on the cuts how much is passed over before a place is proved.
        let acts: Vec<Act> = acts.into_iter().filter(|act| !matches!(act, Act::Lose(..))).collect();
        let read = |piece: usize| {
            let mut feed = Feed::new();
            run(&mut feed, &acts, piece);
            feed.lines
        };
        assert_eq!(read(usize::MAX), read(piece));
    }
}

//! Bytes that were not captured, or not as they were sent: what can be opened is told, the rest is counted, nothing is
//! invented.

use std::ops::Range;

use proptest::prelude::*;
use shadow_tcp::Direction::{self, Request, Response};

use super::listener::{Listener, Told};
use super::peers::{Peers, Recording, Setup};
use crate::{Session, SessionLimits, Unreadable};

/// As many `records` of the client as of the server, each with its own content of `size` bytes. Returns where the client's
/// stand on the wire.
fn recorded(setup: &Setup, records: usize, size: usize) -> (Recording, Range<usize>) {
    let mut peers = Peers::connect(setup);
    peers.exchange();
    let start = wire(&peers.recording, Request).len();
    for number in 0..records {
        peers.send(Request, &content(number, size));
        peers.send(Response, &content(number, size));
    }
    let end = wire(&peers.recording, Request).len();
    (peers.close(), start..end)
}

/// A mark that no two records have in common.
fn content(number: usize, size: usize) -> Vec<u8> {
    let words = (0..).flat_map(|word: u32| format!("{number}/{word};").into_bytes());
    words.take(size).collect()
}

fn wire(recording: &Recording, of: Direction) -> Vec<u8> {
    let sent = recording.wire.iter().filter(|(direction, _)| *direction == of);
    sent.flat_map(|(_, bytes)| bytes.clone()).collect()
}

/// All of a recording, but these bytes of the client.
fn opened_without(recording: &Recording, lost: Range<usize>, segment: usize) -> Told {
    let mut listener = Listener::default();
    listener.insert(&recording.secrets);
    let mut at = 0;
    for (direction, bytes) in &recording.wire {
        if *direction == Response {
            listener.data(Response, bytes);
            continue;
        }
        let (start, end) = (at, at + bytes.len());
        at = end;
        let (from, to) = (lost.start.clamp(start, end), lost.end.clamp(start, end));
        for piece in bytes[..from - start].chunks(segment) {
            listener.data(Request, piece);
        }
        if to > from {
            listener.gap(Request, to - from);
        }
        for piece in bytes[to - start..].chunks(segment) {
            listener.data(Request, piece);
        }
    }
    listener.finished(Request);
    listener.finished(Response);
    listener.close()
}

fn versions() -> [Setup; 2] {
    [Setup::tls13(), Setup::tls12()]
}

#[test]
fn fin_without_close_notify_ends_a_direction() {
    for setup in versions() {
        let mut peers = Peers::connect(&setup);
        peers.send(Request, b"GET / HTTP/1.1\r\n\r\n");
        let recording = peers.end();
        let told = opened_without(&recording, 0..0, 1448);
        assert_eq!(told.inside[0], b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(
            (told.finished, told.lost, told.gaps),
            ([true, true], [0, 0], [0, 0])
        );
    }
}

#[test]
fn one_lost_record_costs_one_record() {
    for setup in versions() {
        let (recording, data) = recorded(&setup, 10, 500);
        let len = data.len() / 10;
        for number in 0..9 {
            let begin = data.start + number * len;
            // All of it, its first bytes, its last bytes, and some inside.
            for lost in [
                begin..begin + len,
                begin..begin + 10,
                begin + len - 9..begin + len,
                begin + 7..begin + 99,
            ] {
                for segment in [100, 10_000] {
                    let told = opened_without(&recording, lost.clone(), segment);
                    let mut expected: Vec<Vec<u8>> = (0..10).map(|number| content(number, 500)).collect();
                    expected.remove(number);
                    assert!(
                        told.records[0] == expected,
                        "{number} {lost:?} {segment}: {} records, {:?}",
                        told.records[0].len(),
                        told.unreadable
                    );
                    assert_eq!((told.lost, told.gaps[0] > 0), ([1, 0], true));
                    assert_eq!(told.finished, [true, true]);
                }
            }
        }
    }
}

#[test]
fn a_hello_that_is_lost_makes_it_unreadable() {
    for setup in versions() {
        let (recording, _) = recorded(&setup, 2, 100);
        let told = opened_without(&recording, 0..20, 1448);
        assert_eq!(told.unreadable, Some(Unreadable::HandshakeLost));
        assert_eq!(told.inside, [b"", b""]);
    }
}

#[test]
fn the_end_of_the_client_handshake_may_be_lost() {
    for setup in versions() {
        let (recording, data) = recorded(&setup, 5, 100);
        let told = opened_without(&recording, data.start - 60..data.start, 1448);
        assert_eq!(told.inside, recording.inside);
        assert_eq!(told.gaps, [0, 0]);
    }
}

#[test]
fn what_is_no_handshake_is_told_so() {
    let http = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let inside = [23, 3, 3, 0, 40, 1, 2, 3];
    for bytes in [&http[..], &inside] {
        let mut listener = Listener::default();
        listener.data(Request, bytes);
        assert_eq!(listener.close().unreadable, Some(Unreadable::Malformed));
        for direction in [Request, Response] {
            let mut listener = Listener::new(Session::mid_stream(SessionLimits::default()));
            listener.data(direction, bytes);
            assert_eq!(listener.close().unreadable, Some(Unreadable::NoSecret));
        }
    }
}

#[test]
fn a_connection_seen_from_its_hello_on_is_opened() {
    for setup in versions() {
        let (recording, _) = recorded(&setup, 3, 100);
        let mut listener = Listener::new(Session::mid_stream(SessionLimits::default()));
        listener.insert(&recording.secrets);
        for (direction, bytes) in &recording.wire {
            listener.data(*direction, bytes);
        }
        assert_eq!(listener.close().inside, recording.inside);
    }
}

/// Opens the client's records when segments of `size` bytes are lost with this probability, and says which records no lost
/// segment has a part of.
fn opened_at_random(
    recording: &Recording,
    data: &Range<usize>,
    size: usize,
    percent: u32,
) -> (Told, Vec<bool>) {
    let wire = wire(recording, Request);
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let lost: Vec<bool> = (0..wire.len().div_ceil(size))
        .map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % 100 < u64::from(percent)
        })
        .collect();
    let is_lost = |at: usize| at >= data.start && lost[(at - data.start) / size];
    let mut listener = Listener::default();
    listener.insert(&recording.secrets);
    let before = recording.wire.iter().scan(0, |sent, (direction, bytes)| {
        let start = *sent;
        *sent += if *direction == Request { bytes.len() } else { 0 };
        (start < data.start).then_some((direction, bytes))
    });
    for (direction, bytes) in before {
        listener.data(*direction, bytes);
    }
    for (segment, start) in wire[data.start..].chunks(size).zip((data.start..).step_by(size)) {
        if is_lost(start) {
            listener.gap(Request, segment.len());
        } else {
            listener.data(Request, segment);
        }
    }
    let (mut at, mut whole) = (data.start, Vec::new());
    while at < data.end {
        let len = 5 + usize::from(u16::from_be_bytes([wire[at + 3], wire[at + 4]]));
        whole.push(!(at..at + len).any(is_lost));
        at += len;
    }
    (listener.close(), whole)
}

#[test]
fn each_record_that_was_captured_whole_is_opened() {
    for setup in versions() {
        // Small requests, each in a segment; and uploads in records of the largest size.
        for (records, content, segment) in [(400, 300, 0), (60, 60_000, 1448)] {
            let (recording, data) = recorded(&setup, records, content);
            let segment = if segment > 0 {
                segment
            } else {
                data.len() / records
            };
            let all = &all_records(&recording)[0];
            for percent in [1, 5, 20] {
                let (told, whole) = opened_at_random(&recording, &data, segment, percent);
                let expected = all.iter().zip(&whole).filter(|(_, whole)| **whole);
                let expected: Vec<_> = expected.map(|(record, _)| record.clone()).collect();
                assert_eq!(whole.len(), all.len());
                assert_eq!(told.records[0].len(), expected.len(), "{segment} {percent}");
                assert!(told.records[0] == expected);
                let lost = (all.len() - expected.len()) as u64;
                // Whether the very last one was lost is not told when nothing follows.
                assert!(told.lost[0].abs_diff(lost) <= 1, "{} of {lost}", told.lost[0]);
            }
        }
    }
}

/// Whether `some` are among `all`, in order.
fn is_subsequence(some: &[Vec<u8>], all: &[Vec<u8>]) -> bool {
    let mut all = all.iter();
    some.iter().all(|one| all.any(|other| other == one))
}

fn all_records(recording: &Recording) -> [Vec<Vec<u8>>; 2] {
    let mut listener = Listener::default();
    listener.insert(&recording.secrets);
    for (direction, bytes) in &recording.wire {
        listener.data(*direction, bytes);
    }
    listener.close().records
}

/// Segments of these lengths, some of which are lost, each with whether the server answers before.
fn opened_in(recording: &Recording, segments: &[(usize, bool)]) -> Told {
    let mut listener = Listener::default();
    listener.insert(&recording.secrets);
    let mut segments = segments.iter().cycle();
    for (direction, bytes) in &recording.wire {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (length, lost) = segments.next().expect("at least one");
            let (segment, behind) = rest.split_at(rest.len().min(*length));
            rest = behind;
            if *lost {
                listener.gap(*direction, segment.len());
            } else {
                listener.data(*direction, segment);
            }
        }
    }
    listener.finished(Request);
    listener.finished(Response);
    listener.close()
}

fn any_setup() -> impl Strategy<Value = Setup> {
    let fragments = prop_oneof![Just(None), Just(Some(64)), Just(Some(1000))];
    (any::<bool>(), fragments).prop_map(|(is_13, max_fragment)| Setup {
        max_fragment,
        ..if is_13 { Setup::tls13() } else { Setup::tls12() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_fragmentation_gives_the_same(setup in any_setup(), lengths in prop::collection::vec(1_usize..3000, 1..20)) {
        let (recording, _) = recorded(&setup, 4, 1500);
        let segments: Vec<_> = lengths.into_iter().map(|length| (length, false)).collect();
        let told = opened_in(&recording, &segments);
        prop_assert_eq!(&told.inside, &recording.inside);
        prop_assert_eq!(&told.records, &all_records(&recording));
        prop_assert_eq!((told.lost, told.gaps, told.finished), ([0, 0], [0, 0], [true, true]));
    }

    #[test]
    fn any_loss_leaves_a_part_in_order(
        setup in any_setup(),
        segments in prop::collection::vec((1_usize..3000, prop::bool::weighted(0.1)), 1..40),
    ) {
        let (recording, _) = recorded(&setup, 6, 1500);
        let all = all_records(&recording);
        let told = opened_in(&recording, &segments);
        for side in [0, 1] {
            prop_assert!(is_subsequence(&told.records[side], &all[side]));
            // What was not told is counted: as lost records, or by why nothing can be read.
            let is_whole = told.records[side].len() == all[side].len();
            prop_assert!(is_whole || told.gaps[side] > 0 || told.unreadable.is_some(), "{:?}", told);
        }
    }

    #[test]
    fn a_flipped_bit_gives_nothing_of_its_record(setup in any_setup(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let (recording, _) = recorded(&setup, 6, 1500);
        let all = all_records(&recording);
        let mut flipped = recording.clone();
        let (direction, bytes) = at.get(&recording.wire);
        let place = at.index(bytes.len());
        let index = recording.wire.iter().position(|(_, other)| std::ptr::eq(other, bytes)).expect("it");
        flipped.wire[index].1[place] ^= 1_u8 << bit;
        let told = opened_in(&flipped, &[(1448, false)]);
        for side in [0, 1] {
            prop_assert!(is_subsequence(&told.records[side], &all[side]));
        }
        let side = usize::from(*direction == Response);
        let is_whole = told.records[side].len() == all[side].len();
        prop_assert!(is_whole || told.gaps[side] > 0 || told.unreadable.is_some(), "{:?}", told);
    }
}

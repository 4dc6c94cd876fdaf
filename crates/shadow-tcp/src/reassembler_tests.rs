//! One test for each corner of one direction.

use super::super::waiting::{MAX_PIECES, PIECE_OVERHEAD};
use super::*;

#[derive(Debug, PartialEq)]
enum Event {
    Data(Vec<u8>, bool, u32, u64),
    Gap(u64, GapCause),
    Finished(u64),
}

#[derive(Default)]
struct Recorder {
    events: Vec<Event>,
    /// Where the latest chunk's bytes were in memory.
    address: usize,
}

impl Sink for Recorder {
    fn data(&mut self, chunk: Chunk<'_>) {
        self.address = chunk.bytes.as_ptr().addr();
        self.events.push(Event::Data(
            chunk.bytes.to_vec(),
            chunk.segment_start,
            chunk.acknowledgment,
            chunk.time.0,
        ));
    }
    fn gap(&mut self, bytes: u64, cause: GapCause) {
        self.events.push(Event::Gap(bytes, cause));
    }
    fn finished(&mut self, time: Timestamp) {
        self.events.push(Event::Finished(time.0));
    }
}

/// A direction, what it handed on and what it counted. Each segment's acknowledgment and time are its number.
struct Stream {
    reassembler: Reassembler,
    recorder: Recorder,
    counters: ConnectionCounters,
    budget: MemoryBudget,
    max_out_of_order: usize,
    pushed: u32,
}

impl Stream {
    fn from(sequence: u32) -> Self {
        let mut stream = Self {
            reassembler: Reassembler::default(),
            recorder: Recorder::default(),
            counters: ConnectionCounters::default(),
            budget: MemoryBudget::new(1 << 20),
            max_out_of_order: 1 << 16,
            pushed: 0,
        };
        stream.reassembler.start_at(sequence);
        stream
    }

    fn segment(&mut self, sequence: u32, payload: &[u8], fin: bool) {
        self.pushed += 1;
        let incoming = Incoming {
            sequence,
            acknowledgment: self.pushed,
            fin,
            segment_start: true,
            payload,
            time: Timestamp(u64::from(self.pushed)),
        };
        let mut shared = Shared {
            max_out_of_order: self.max_out_of_order,
            budget: &self.budget,
            counters: &mut self.counters,
        };
        self.reassembler.push(&incoming, &mut shared, &mut self.recorder);
    }

    fn push(&mut self, sequence: u32, payload: &[u8]) {
        self.segment(sequence, payload, false);
    }

    fn fin(&mut self, sequence: u32, payload: &[u8]) {
        self.segment(sequence, payload, true);
    }

    fn give_up_hole(&mut self) {
        let mut shared = Shared {
            max_out_of_order: self.max_out_of_order,
            budget: &self.budget,
            counters: &mut self.counters,
        };
        self.reassembler
            .give_up_hole(GapCause::Timeout, &mut shared, &mut self.recorder);
    }

    /// All that was handed on since the last call.
    fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.recorder.events)
    }

    fn waits(&self) -> bool {
        self.reassembler.waiting_since().is_some()
    }
}

fn data(bytes: &[u8], number: u32) -> Event {
    Event::Data(bytes.to_vec(), true, number, u64::from(number))
}

/// Bytes whose segment began before them.
fn rest(bytes: &[u8], number: u32) -> Event {
    Event::Data(bytes.to_vec(), false, number, u64::from(number))
}

#[test]
fn in_order_data_is_handed_on_without_a_copy() {
    let mut stream = Stream::from(100);
    let payload = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    stream.push(100, &payload);
    assert_eq!(stream.recorder.address, payload.as_ptr().addr());
    assert_eq!(stream.budget.used(), 0);
    stream.push(118, b"GET");
    assert_eq!(stream.events(), [data(&payload, 1), data(b"GET", 2)]);
}

#[test]
fn the_first_data_sets_the_expectation_when_no_syn_was_seen() {
    let mut stream = Stream::from(0);
    stream.reassembler = Reassembler::default();
    stream.push(0, b"a");
    stream.push(1, b"b");
    assert_eq!(stream.events(), [data(b"a", 1), data(b"b", 2)]);
}

#[test]
fn a_slightly_earlier_segment_behind_a_mid_stream_start_is_old() {
    let mut stream = Stream::from(105);
    stream.push(105, b"world");
    stream.push(100, b"hello");
    assert_eq!(stream.events(), [data(b"world", 1)]);
    assert_eq!(stream.counters.duplicate_bytes, 5);
    assert!(!stream.waits());
}

#[test]
fn sequence_numbers_wrap_inside_a_segment_and_between_segments() {
    let mut stream = Stream::from(0xffff_fffe);
    stream.push(2, b"ef");
    stream.push(0xffff_fffe, b"abcd");
    stream.push(4, b"g");
    assert_eq!(stream.events(), [data(b"abcd", 2), data(b"ef", 1), data(b"g", 3)]);
}

#[test]
fn a_hole_that_fills_late_keeps_each_segments_own_marks() {
    let mut stream = Stream::from(0);
    stream.push(6, b"ghi");
    stream.push(3, b"def");
    assert_eq!(stream.events(), []);
    assert_eq!(stream.reassembler.waiting_since(), Some(Timestamp(2)));
    assert_eq!(stream.counters.waiting_bytes, 6);
    assert_eq!(stream.budget.used(), 6 + 2 * PIECE_OVERHEAD);
    stream.push(0, b"abc");
    assert_eq!(
        stream.events(),
        [data(b"abc", 3), data(b"def", 2), data(b"ghi", 1)]
    );
    assert!(!stream.waits());
    assert_eq!(stream.counters.out_of_order, 2);
    assert_eq!(stream.counters.waiting_bytes, 0);
    assert_eq!(stream.budget.used(), 0);
}

#[test]
fn a_hole_that_is_given_up_becomes_a_gap_and_the_stream_goes_on() {
    let mut stream = Stream::from(0);
    stream.push(3, b"def");
    stream.push(8, b"ij");
    stream.give_up_hole();
    assert_eq!(
        stream.events(),
        [Event::Gap(3, GapCause::Timeout), data(b"def", 1)]
    );
    stream.push(6, b"gh");
    assert_eq!(stream.events(), [data(b"gh", 3), data(b"ij", 2)]);
    stream.push(0, b"abc");
    assert_eq!(stream.events(), []);
    assert_eq!(stream.counters.duplicate_bytes, 3);
    assert_eq!((stream.counters.gaps, stream.counters.gap_bytes), (1, 3));
}

#[test]
fn exact_duplicates_are_dropped_before_and_behind_a_hole() {
    let mut stream = Stream::from(0);
    stream.push(0, b"abc");
    stream.push(0, b"abc");
    stream.push(6, b"ghi");
    stream.push(6, b"ghi");
    assert_eq!(stream.events(), [data(b"abc", 1)]);
    assert_eq!(stream.counters.duplicate_bytes, 6);
    assert_eq!(stream.counters.conflicting_overlaps, 0);
    assert_eq!(stream.counters.waiting_bytes, 3);
}

#[test]
fn bytes_behind_an_overlap_are_no_segment_start() {
    let mut stream = Stream::from(0);
    stream.push(0, b"abc");
    stream.push(1, b"bcde");
    assert_eq!(stream.events(), [data(b"abc", 1), rest(b"de", 2)]);
    assert_eq!(stream.counters.duplicate_bytes, 2);
}

#[test]
fn a_part_of_a_cut_packet_is_no_segment_start() {
    let mut stream = Stream::from(0);
    let mut incoming = Incoming {
        sequence: 0,
        acknowledgment: 1,
        fin: false,
        segment_start: false,
        payload: b"ab",
        time: Timestamp(1),
    };
    let mut shared = Shared {
        max_out_of_order: 100,
        budget: &stream.budget,
        counters: &mut stream.counters,
    };
    stream
        .reassembler
        .push(&incoming, &mut shared, &mut stream.recorder);
    incoming.sequence = 3;
    stream
        .reassembler
        .push(&incoming, &mut shared, &mut stream.recorder);
    stream.give_up_hole();
    assert_eq!(
        stream.events(),
        [rest(b"ab", 1), Event::Gap(1, GapCause::Timeout), rest(b"ab", 1)]
    );
}

#[test]
fn the_first_copy_wins_over_what_waits() {
    let mut stream = Stream::from(0);
    stream.push(4, b"EFGH");
    stream.push(0, b"abcdefghij");
    assert_eq!(
        stream.events(),
        [data(b"abcd", 2), data(b"EFGH", 1), rest(b"ij", 2)]
    );
    assert_eq!(stream.counters.duplicate_bytes, 4);
    assert_eq!(stream.counters.conflicting_overlaps, 1);
}

#[test]
fn equal_overlaps_conflict_with_nothing() {
    let mut stream = Stream::from(0);
    stream.push(4, b"efgh");
    stream.push(2, b"cdef");
    stream.push(6, b"ghij");
    stream.push(0, b"abc");
    assert_eq!(
        stream.events(),
        [data(b"ab", 4), data(b"cd", 2), data(b"efgh", 1), rest(b"ij", 3)]
    );
    assert_eq!(stream.counters.duplicate_bytes, 5);
    assert_eq!(stream.counters.conflicting_overlaps, 0);
}

#[test]
fn one_segment_fills_the_holes_between_several_pieces() {
    let mut stream = Stream::from(0);
    stream.push(2, b"c");
    stream.push(4, b"e");
    stream.push(6, b"g");
    stream.push(1, b"bcdefgh");
    assert_eq!(stream.counters.waiting_bytes, 7);
    stream.push(0, b"a");
    assert_eq!(
        stream.events(),
        [
            data(b"a", 5),
            data(b"b", 4),
            data(b"c", 1),
            rest(b"d", 4),
            data(b"e", 2),
            rest(b"f", 4),
            data(b"g", 3),
            rest(b"h", 4),
        ]
    );
}

#[test]
fn in_order_data_over_several_pieces_is_handed_on_without_waiting() {
    let mut stream = Stream::from(0);
    stream.push(2, b"c");
    stream.push(4, b"e");
    stream.max_out_of_order = 2;
    stream.push(0, b"abcdefgh");
    assert_eq!(
        stream.events(),
        [
            data(b"ab", 3),
            data(b"c", 1),
            rest(b"d", 3),
            data(b"e", 2),
            rest(b"fgh", 3)
        ]
    );
    assert_eq!(stream.counters.gaps, 0);
}

#[test]
fn a_keep_alive_probe_is_a_duplicate() {
    let mut stream = Stream::from(0);
    stream.push(0, b"abc");
    stream.push(2, b"\0");
    stream.push(2, b"");
    assert_eq!(stream.events(), [data(b"abc", 1)]);
    assert_eq!(stream.counters.duplicate_bytes, 1);
}

#[test]
fn a_window_probe_carries_the_next_byte() {
    let mut stream = Stream::from(0);
    stream.push(0, b"a");
    stream.push(1, b"b");
    stream.push(1, b"bcd");
    assert_eq!(stream.events(), [data(b"a", 1), data(b"b", 2), rest(b"cd", 3)]);
}

#[test]
fn too_many_bytes_behind_a_hole_give_it_up() {
    let mut stream = Stream::from(0);
    stream.max_out_of_order = 4;
    stream.push(2, b"cd");
    stream.push(6, b"gh");
    stream.push(10, b"kl");
    assert_eq!(stream.events(), [Event::Gap(2, GapCause::Window), data(b"cd", 1)]);
    assert_eq!(stream.counters.waiting_bytes, 4);
    stream.push(4, b"ef");
    assert_eq!(stream.events(), [data(b"ef", 4), data(b"gh", 2)]);
}

#[test]
fn a_segment_larger_than_may_wait_gives_up_every_hole_before_it() {
    let mut stream = Stream::from(0);
    stream.max_out_of_order = 4;
    stream.push(2, b"cd");
    stream.push(6, b"ghijk");
    assert_eq!(
        stream.events(),
        [
            Event::Gap(2, GapCause::Window),
            data(b"cd", 1),
            Event::Gap(2, GapCause::Window),
            data(b"ghijk", 2),
        ]
    );
    assert!(!stream.waits());
}

#[test]
fn too_many_pieces_behind_a_hole_give_it_up() {
    let mut stream = Stream::from(0);
    for piece in 0..MAX_PIECES as u32 {
        stream.push(1 + 2 * piece, b"x");
    }
    assert_eq!(stream.events(), []);
    stream.push(1 + 2 * MAX_PIECES as u32, b"y");
    assert_eq!(stream.events(), [Event::Gap(1, GapCause::Window), data(b"x", 1)]);
}

#[test]
fn a_full_memory_budget_gives_the_hole_up() {
    let mut stream = Stream::from(0);
    stream.budget = MemoryBudget::new(2 * (2 + PIECE_OVERHEAD));
    stream.push(2, b"cd");
    stream.push(6, b"gh");
    assert_eq!(stream.events(), [Event::Gap(2, GapCause::Memory), data(b"cd", 1)]);
    assert_eq!(stream.budget.used(), 2 + PIECE_OVERHEAD);
    stream.push(4, b"ef");
    assert_eq!(stream.events(), [data(b"ef", 3), data(b"gh", 2)]);
    assert_eq!(stream.budget.used(), 0);
}

#[test]
fn a_segment_that_no_memory_is_left_for_is_still_handed_on() {
    let mut stream = Stream::from(0);
    stream.budget = MemoryBudget::new(0);
    stream.push(2, b"cd");
    assert_eq!(stream.events(), [Event::Gap(2, GapCause::Memory), data(b"cd", 1)]);
}

#[test]
fn fin_in_order_ends_the_direction() {
    let mut stream = Stream::from(0);
    stream.fin(0, b"abc");
    assert_eq!(stream.events(), [data(b"abc", 1), Event::Finished(1)]);
    assert!(stream.reassembler.is_finished());
}

#[test]
fn a_retransmitted_fin_ends_the_direction_once() {
    let mut stream = Stream::from(0);
    stream.fin(0, b"abc");
    stream.events();
    stream.fin(0, b"abc");
    stream.fin(3, b"");
    assert_eq!(stream.events(), []);
    assert_eq!(stream.counters.duplicate_bytes, 3);
}

#[test]
fn fin_ahead_of_a_hole_waits_for_it() {
    let mut stream = Stream::from(0);
    stream.fin(3, b"");
    assert_eq!(stream.reassembler.waiting_since(), Some(Timestamp(1)));
    stream.push(0, b"abc");
    assert_eq!(stream.events(), [data(b"abc", 2), Event::Finished(1)]);
    assert!(!stream.waits());
}

#[test]
fn fin_behind_a_hole_that_never_fills_ends_the_direction() {
    let mut stream = Stream::from(0);
    stream.fin(3, b"");
    stream.give_up_hole();
    assert_eq!(
        stream.events(),
        [Event::Gap(3, GapCause::Timeout), Event::Finished(1)]
    );
}

#[test]
fn data_beyond_fin_is_ignored() {
    let mut stream = Stream::from(0);
    stream.fin(3, b"def");
    stream.push(4, b"efghi");
    stream.push(0, b"abc");
    stream.push(6, b"ghi");
    assert_eq!(
        stream.events(),
        [data(b"abc", 3), data(b"def", 1), Event::Finished(1)]
    );
    assert_eq!(stream.counters.after_fin_bytes, 6);
    assert_eq!(stream.counters.duplicate_bytes, 2);
}

#[test]
fn a_fin_cuts_what_waited_beyond_it() {
    let mut stream = Stream::from(0);
    stream.push(2, b"cdef");
    stream.push(8, b"ij");
    stream.fin(4, b"");
    assert_eq!(stream.counters.after_fin_bytes, 4);
    assert_eq!(stream.budget.used(), 2 + PIECE_OVERHEAD);
    stream.push(0, b"ab");
    assert_eq!(
        stream.events(),
        [data(b"ab", 4), data(b"cd", 1), Event::Finished(3)]
    );
    assert_eq!(stream.budget.used(), 0);
}

#[test]
fn a_fin_before_bytes_already_handed_on_is_ignored() {
    let mut stream = Stream::from(0);
    stream.push(0, b"abcdef");
    stream.fin(0, b"abc");
    stream.push(6, b"g");
    assert_eq!(stream.events(), [data(b"abcdef", 1), data(b"g", 3)]);
    assert!(!stream.reassembler.is_finished());
}

#[test]
fn one_segment_far_outside_the_window_is_ignored() {
    let mut stream = Stream::from(0);
    stream.push(0x5000_0000, b"far");
    stream.push(0xf000_0000, b"behind");
    stream.push(0, b"abc");
    assert_eq!(stream.events(), [data(b"abc", 3)]);
    assert_eq!(stream.counters.out_of_window, 2);
    assert_eq!(stream.counters.out_of_window_bytes, 9);
}

#[test]
fn a_second_segment_outside_the_window_resynchronises() {
    let mut stream = Stream::from(0);
    stream.push(5, b"fg");
    stream.push(0x5000_0000, b"far");
    stream.push(0x5000_0003, b"ther");
    stream.push(0x5000_0007, b"more");
    assert_eq!(
        stream.events(),
        [
            Event::Gap(5, GapCause::Window),
            data(b"fg", 1),
            Event::Gap(0x5000_0003 - 7, GapCause::Window),
            data(b"ther", 3),
            data(b"more", 4),
        ]
    );
    assert_eq!(stream.counters.out_of_window_bytes, 3);
}

#[test]
fn a_reset_is_accepted_within_a_window_from_the_next_byte() {
    let mut stream = Stream::from(1000);
    assert!(stream.reassembler.accepts_reset(1000));
    assert!(stream.reassembler.accepts_reset(1000 + 65_535));
    assert!(!stream.reassembler.accepts_reset(999));
    assert!(!stream.reassembler.accepts_reset(1000 + 65_536));
    stream.push(50_000, b"x");
    assert!(stream.reassembler.accepts_reset(50_001 + 65_535));
    assert!(!Reassembler::default().accepts_reset(0));
}

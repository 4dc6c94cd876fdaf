//! Properties of reassembly, for any traffic: the same bytes whatever the network did to them, and an exact account of
//! what it lost.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;

use super::settings::ConnectionSettings;
use super::*;

/// Collects one connection's requests.
#[derive(Default)]
struct Collected {
    /// Bytes with the position that the gaps before them give.
    bytes: Vec<(u64, u8)>,
    position: u64,
    gaps: u64,
    opened: u64,
    closed: u64,
    finished: bool,
}

struct Collector;

impl StreamHandler for Collector {
    type Context = Collected;

    fn open(collected: &mut Collected, _: &FlowKey, _: Start, _: Timestamp) -> Self {
        collected.opened += 1;
        Self
    }
    fn data(&mut self, collected: &mut Collected, _: Direction, chunk: Chunk<'_>) {
        assert!(!chunk.bytes.is_empty());
        for byte in chunk.bytes {
            collected.bytes.push((collected.position, *byte));
            collected.position += 1;
        }
    }
    fn gap(&mut self, collected: &mut Collected, _: Direction, bytes: u64, _: GapCause) {
        assert!(bytes > 0);
        collected.gaps += 1;
        collected.position += bytes;
    }
    fn finished(&mut self, collected: &mut Collected, _: Direction, _: Timestamp) {
        collected.finished = true;
    }
    fn holds(&self) -> bool {
        false
    }
    fn stalled(&mut self, _: &mut Collected, _: Stall) {}
    fn close(self, collected: &mut Collected, _: Close, _: Timestamp) {
        collected.closed += 1;
    }
}

fn settings(max_out_of_order: usize, max_connections: usize) -> ConnectionSettings {
    ConnectionSettings {
        max_connections,
        idle_timeout: Duration::from_secs(20),
        gap_timeout: Duration::from_secs(2),
        max_out_of_order,
    }
}

fn flow(port: u16) -> FlowKey {
    let endpoint = |port| Endpoint {
        address: [7; 16],
        port,
    };
    FlowKey {
        client: endpoint(port),
        server: endpoint(80),
        scope: 0,
    }
}

/// The byte at a position: differs from its neighbours and from those a power of two away.
fn byte_at(position: usize) -> u8 {
    ((position * 31) ^ (position >> 3)) as u8
}

/// A stream's length, its initial sequence number (often about to wrap), and the segments it is sent in: a
/// full cover, and any others on top, in any order.
fn sent() -> impl Strategy<Value = (usize, u32, Vec<(usize, usize)>)> {
    let sequence = prop_oneof![
        any::<u32>(),
        (0_u32..4000).prop_map(|back| 0_u32.wrapping_sub(back))
    ];
    (1_usize..3000, sequence)
        .prop_flat_map(|(len, sequence)| {
            let cuts = prop::collection::vec(0..len, 0..40);
            let extra = prop::collection::vec((0..len, 1_usize..400), 0..40);
            (Just(len), Just(sequence), cuts, extra)
        })
        .prop_flat_map(|(len, sequence, mut cuts, extra)| {
            cuts.push(0);
            cuts.sort_unstable();
            cuts.dedup();
            let ends = cuts.iter().skip(1).copied().chain([len]);
            let mut segments: Vec<_> = cuts.iter().copied().zip(ends).collect();
            segments.extend(extra.iter().map(|(start, more)| (*start, len.min(start + more))));
            (Just(len), Just(sequence), Just(segments).prop_shuffle())
        })
}

struct Sender {
    table: FlowTable<Collector>,
    collected: Collected,
    budget: MemoryBudget,
    sequence: u32,
}

impl Sender {
    fn new(sequence: u32, max_out_of_order: usize) -> Self {
        let budget = MemoryBudget::new(1 << 24);
        let mut sender = Self {
            table: FlowTable::new(settings(max_out_of_order, 10), false, budget.clone()),
            collected: Collected::default(),
            budget,
            sequence,
        };
        sender.segment(sequence, TcpFlags::SYN, &[], 0);
        sender
    }

    fn segment(&mut self, sequence: u32, flags: TcpFlags, payload: &[u8], time: u64) {
        let segment = Segment {
            flow: flow(1),
            direction: Direction::Request,
            sequence,
            acknowledgment: 0,
            flags,
            continuation: false,
            payload,
            time: Timestamp(time),
        };
        self.table.push(&mut self.collected, &segment);
    }

    /// Sends a part of the stream, with FIN when it is its end.
    fn send(&mut self, start: usize, end: usize, len: usize, time: u64) {
        let payload: Vec<u8> = (start..end).map(byte_at).collect();
        let sequence = self.sequence.wrapping_add(1).wrapping_add(start as u32);
        let flags = if end == len {
            TcpFlags::FIN | TcpFlags::ACK
        } else {
            TcpFlags::ACK
        };
        self.segment(sequence, flags, &payload, time);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_order_overlap_and_duplication_gives_the_same_bytes((len, sequence, segments) in sent()) {
        let mut sender = Sender::new(sequence, 1 << 20);
        for (start, end) in segments {
            sender.send(start, end, len, 0);
        }
        let expected: Vec<_> = (0..len).map(|at| (at as u64, byte_at(at))).collect();
        prop_assert_eq!(&sender.collected.bytes, &expected);
        prop_assert_eq!(sender.collected.gaps, 0);
        prop_assert!(sender.collected.finished);
        prop_assert_eq!((sender.collected.opened, sender.collected.closed), (1, 1));
        let counters = sender.table.counters();
        prop_assert!(counters.balanced(), "{counters:?}");
        prop_assert_eq!(counters.conflicting_overlaps, 0);
        prop_assert_eq!(sender.budget.used(), 0);
    }

    #[test]
    fn whatever_is_lost_delivered_bytes_and_gaps_give_every_position(
        (len, sequence, segments) in sent(),
        lost in prop::collection::vec(any::<Index>(), 0..30),
        max_out_of_order in 0_usize..2000,
    ) {
        let lost: Vec<usize> = lost.iter().map(|index| index.index(segments.len())).collect();
        let mut sender = Sender::new(sequence, max_out_of_order);
        let mut furthest = 0;
        for (number, (start, end)) in segments.into_iter().enumerate() {
            let time = number as u64 * 200_000_000;
            if lost.contains(&number) {
                sender.table.tick(&mut sender.collected, Timestamp(time));
            } else {
                sender.send(start, end, len, time);
                furthest = furthest.max(end);
            }
        }
        sender.table.shutdown(&mut sender.collected, Timestamp(0));
        for (position, byte) in &sender.collected.bytes {
            prop_assert_eq!(*byte, byte_at(*position as usize));
        }
        prop_assert!(sender.collected.bytes.windows(2).all(|pair| pair[0].0 < pair[1].0));
        prop_assert_eq!(sender.collected.position, furthest as u64);
        let counters = sender.table.counters();
        prop_assert!(counters.balanced(), "{counters:?}");
        prop_assert_eq!(counters.gap_bytes + counters.delivered_bytes, furthest as u64);
        prop_assert_eq!((counters.waiting_bytes, sender.budget.used()), (0, 0));
    }

    #[test]
    fn hostile_segments_break_no_bound_and_every_byte_has_its_place(
        segments in prop::collection::vec(hostile(), 1..200),
        watch_responses in any::<bool>(),
        asked in prop::option::of(any::<bool>()),
        limit in 0_usize..2000,
    ) {
        let budget = MemoryBudget::new(limit);
        let mut table: FlowTable<Collector> = FlowTable::new(settings(300, 3), watch_responses, budget.clone());
        if let Some(everybody) = asked {
            let expected = if everybody { Expected::Everybody } else { Expected::Nobody };
            table = table.with_servers(Servers::new(expected));
        }
        let mut collected = Collected::default();
        for hostile in segments {
            let payload = vec![hostile.fill; hostile.len];
            let segment = Segment {
                flow: flow(hostile.port),
                direction: if hostile.response { Direction::Response } else { Direction::Request },
                sequence: hostile.sequence,
                acknowledgment: hostile.acknowledgment,
                flags: TcpFlags(hostile.flags),
                continuation: hostile.fill.is_multiple_of(2),
                payload: &payload,
                time: Timestamp(hostile.time),
            };
            table.push(&mut collected, &segment);
            if hostile.tick {
                table.tick(&mut collected, Timestamp(hostile.time));
            }
            let counters = table.counters();
            prop_assert!(counters.balanced(), "{counters:?}");
            prop_assert!(counters.open <= 3);
            prop_assert!(counters.waiting_bytes <= 3 * 2 * 300);
            prop_assert!(counters.waiting_bytes as usize <= budget.used());
            prop_assert!(budget.used() <= limit);
        }
        table.shutdown(&mut collected, Timestamp(u64::MAX));
        let counters = table.counters();
        prop_assert!(counters.balanced(), "{counters:?}");
        prop_assert_eq!((counters.open, counters.waiting_bytes, budget.used()), (0, 0, 0));
        prop_assert!(asked.is_some() || counters.unanswered + counters.one_way == 0);
        prop_assert_eq!((collected.opened, collected.closed), (counters.opened, counters.opened));
        prop_assert_eq!(collected.bytes.len() as u64, counters.delivered_bytes);
        prop_assert_eq!(collected.position, counters.delivered_bytes + counters.gap_bytes);
    }
}

#[derive(Clone, Debug)]
struct Hostile {
    port: u16,
    response: bool,
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    len: usize,
    fill: u8,
    time: u64,
    tick: bool,
}

/// Segments that are mostly near each other, so that they meet in every way.
fn hostile() -> impl Strategy<Value = Hostile> {
    let number = || {
        prop_oneof![
            8 => (0_u32..200).prop_map(|at| at.wrapping_sub(100)),
            1 => any::<u32>(),
            1 => Just(0x8000_0000_u32),
        ]
    };
    let flags = prop_oneof![
        6 => Just(0x10_u8),
        1 => any::<u8>(),
        1 => Just(0x11_u8),
        1 => Just(0x02_u8),
    ];
    let time = prop_oneof![8 => 0_u64..30_000_000_000, 1 => any::<u64>()];
    (
        1_u16..6,
        any::<bool>(),
        number(),
        number(),
        flags,
        (0_usize..60, any::<u8>(), time, any::<bool>()),
    )
        .prop_map(
            |(port, response, sequence, acknowledgment, flags, (len, fill, time, tick))| Hostile {
                port,
                response,
                sequence,
                acknowledgment,
                flags,
                len,
                fill,
                time,
                tick,
            },
        )
}

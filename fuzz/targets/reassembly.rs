//! Segments in any order, with any numbers, through reassembly into the HTTP streams: counters balance,
//! memory is bounded and given back, every connection keeps its promises.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::settings::ConnectionSettings;
use shadow_agent::tcp::{Direction, Endpoint, Expected, FlowKey, FlowTable, Segment, Servers, TcpFlags};
use shadow_agent::time::Timestamp;
use shadow_agent_fuzz::connection::Connection;

/// Each step of an input is a header of these many bytes and its payload:
/// choices, TCP flags, sequence offset (2), acknowledgment offset, payload length.
const STEP: usize = 6;
/// Sequence numbers begin shortly before they wrap.
const FIRST: u32 = u32::MAX - 300;

fuzz_target!(|data: &[u8]| {
    let Some((&choices, mut rest)) = data.split_first() else {
        return;
    };
    let memory = if choices & 1 == 0 { 1 << 20 } else { 4000 };
    let settings = ConnectionSettings {
        max_connections: 3,
        idle_timeout: Duration::from_nanos(200),
        gap_timeout: Duration::from_nanos(20),
        max_out_of_order: 500,
    };
    let mut budget = MemoryBudget::new(memory);
    let mut table = FlowTable::<Connection>::new(settings, choices & 2 == 0, budget.clone());
    if choices & 4 != 0 {
        table = table.with_servers(Servers::new(Expected::Nobody));
    }
    let mut now = 0;
    while let Some((step, behind)) = rest.split_first_chunk::<STEP>() {
        let &[choices, flags, high, low, acknowledged, length] = step;
        let (payload, behind) = behind.split_at(behind.len().min(usize::from(length)));
        rest = behind;
        now += u64::from(choices >> 4);
        let direction = if choices & 8 == 0 {
            Direction::Request
        } else {
            Direction::Response
        };
        let segment = Segment {
            flow: flow(u16::from(choices & 3)),
            direction,
            sequence: FIRST.wrapping_add(u32::from(u16::from_be_bytes([high, low]))),
            acknowledgment: FIRST.wrapping_add(u32::from(acknowledged)),
            flags: TcpFlags(flags),
            continuation: choices & 4 != 0,
            payload,
            time: Timestamp(now),
        };
        table.push(&mut budget, &segment);
        if choices >> 4 == 15 {
            now += 100;
            table.tick(&mut budget, Timestamp(now));
        }
        assert!(table.counters().balanced(), "{:?}", table.counters());
        assert!(table.counters().open <= 3 && budget.used() <= memory);
    }
    table.shutdown(&mut budget, Timestamp(now));
    assert!(table.counters().balanced(), "{:?}", table.counters());
    assert_eq!((table.counters().open, table.counters().waiting_bytes), (0, 0));
    assert_eq!(budget.used(), 0);
});

fn flow(client: u16) -> FlowKey {
    let endpoint = |port| Endpoint {
        address: [7; 16],
        port,
    };
    FlowKey {
        client: endpoint(4000 + client),
        server: endpoint(80),
        scope: 0,
    }
}

//! VXLAN datagrams of any bytes: each ends in one count, and what they hold goes through reassembly.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::capture::Decapsulator;
use shadow_agent::settings::{
    CaptureSettings, ConnectionSettings, Listen, LiveInput, LiveScope, VxlanSettings,
};
use shadow_agent::tcp::FlowTable;
use shadow_agent::time::Timestamp;
use shadow_agent_fuzz::connection::Connection;

fuzz_target!(|data: &[u8]| {
    let Some((&choices, rest)) = data.split_first() else {
        return;
    };
    let vxlan = VxlanSettings {
        listen: Listen::Any(4789),
        taken: Default::default(),
        left_out: if choices & 1 == 0 {
            [7].into()
        } else {
            Default::default()
        },
    };
    let capture = CaptureSettings {
        responses: choices & 2 == 0,
        ..CaptureSettings::default()
    };
    let input = LiveInput {
        scope: LiveScope::Any,
        ports: vec![80],
    };
    let mut decapsulator = Decapsulator::new(&[input], &vxlan, &capture);
    let settings = ConnectionSettings {
        max_connections: 10,
        idle_timeout: Duration::from_secs(10),
        gap_timeout: Duration::from_secs(1),
        max_out_of_order: 10_000,
    };
    let mut budget = MemoryBudget::new(1 << 20);
    let mut table = FlowTable::<Connection>::new(settings, capture.responses, budget.clone());
    let mut now = Timestamp(0);
    // Each datagram has its length before it.
    let mut rest = rest;
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (datagram, next) = behind.split_at(length);
        rest = next;
        now = now.after(Duration::from_millis(100));
        decapsulator.take(datagram, now, |segment| table.push(&mut budget, &segment));
        table.tick(&mut budget, now);
    }
    let counts = decapsulator.counts();
    assert!(counts.packets.balanced(), "{counts:?}");
    assert_eq!(
        counts.datagrams,
        counts.not_vxlan + counts.other_vni + counts.paused + counts.packets.packets
    );
    table.shutdown(&mut budget, now);
    assert!(table.counters().balanced(), "{:?}", table.counters());
    assert_eq!(budget.used(), 0);
});

//! Capture files of any bytes, through reassembly into the HTTP streams.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::capture::PcapReader;
use shadow_agent::settings::ConnectionSettings;
use shadow_agent::tcp::FlowTable;
use shadow_agent::time::Timestamp;
use shadow_agent::tls::{SecretStore, StoreLimits};
use shadow_agent_fuzz::connection::Connection;

fuzz_target!(|data: &[u8]| {
    let Some((&choices, file)) = data.split_first() else {
        return;
    };
    let ports: &[u16] = if choices & 1 == 0 { &[] } else { &[80] };
    let watch_responses = choices & 2 == 0;
    let Ok(reader) = PcapReader::new(file, ports, watch_responses) else {
        return;
    };
    let secrets = SecretStore::new(StoreLimits::default());
    let mut reader = if choices & 4 == 0 { reader } else { reader.with_secrets(&secrets) };
    let settings = ConnectionSettings {
        max_connections: 10,
        idle_timeout: Duration::from_secs(10),
        gap_timeout: Duration::from_secs(1),
        max_out_of_order: 10_000,
    };
    let mut budget = MemoryBudget::new(1 << 20);
    let mut table = FlowTable::<Connection>::new(settings, watch_responses, budget.clone());
    let mut now = Timestamp(0);
    while let Ok(Some(segment)) = reader.next_segment() {
        now = segment.time;
        table.push(&mut budget, &segment);
        table.tick(&mut budget, now);
    }
    assert!(reader.offset() <= file.len() as u64);
    table.shutdown(&mut budget, now);
    assert!(table.counters().balanced(), "{:?}", table.counters());
    assert_eq!(budget.used(), 0);
});

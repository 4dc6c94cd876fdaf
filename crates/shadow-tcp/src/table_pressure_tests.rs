//! Pressure on the table: what it gives up when connections, or bytes of theirs, are too many.

use super::*;

#[test]
fn a_full_table_evicts_the_connection_quiet_for_longest() {
    let mut table = Fixture::with(
        ConnectionSettings {
            max_connections: 2,
            ..settings()
        },
        false,
    );
    table.push(Request, ACK, 100, "a");
    table.port = 2;
    table.push(Request, ACK, 100, "b");
    table.port = 1;
    table.push(Request, ACK, 101, "busy");
    table.port = 3;
    assert_eq!(
        table.push(Request, SYN, 99, ""),
        ["2 close Evicted", "3 open Syn"]
    );
    assert_eq!(table.table.counters().open, 2);
}

#[test]
fn a_flood_of_syns_evicts_itself_and_no_idle_connection() {
    let mut table = Fixture::with(
        ConnectionSettings {
            max_connections: 4,
            ..settings()
        },
        false,
    );
    for port in [1, 2] {
        table.port = port;
        table.push(Request, SYN, 99, "");
        table.push(Request, ACK, 100, "first");
    }
    for port in 1000..1100 {
        table.port = port;
        table.push(Request, SYN, 7, "");
        // Neither bytes ahead of a hole nor the end of nothing make one a customer.
        table.push(Request, ACK, 20, "");
    }
    for port in [1, 2] {
        table.port = port;
        let text = format!("{port} Request more");
        assert_eq!(table.push(Request, ACK, 105, "more"), [text]);
    }
    assert_eq!(table.table.counters().evicted, 98);
    // The oldest of the silent ones goes first.
    table.port = 2000;
    assert_eq!(table.push(Request, SYN, 7, "")[0], "1098 close Evicted");
}

#[test]
fn handshakes_in_a_full_table_do_not_evict_each_other() {
    let mut table = Fixture::with(
        ConnectionSettings {
            max_connections: 16,
            ..settings()
        },
        false,
    );
    for port in 1..=16 {
        table.port = port;
        table.push(Request, SYN, 99, "");
        table.push(Request, ACK, 100, "first");
    }
    table.port = 100;
    assert_eq!(
        table.push(Request, SYN, 7, ""),
        ["1 close Evicted", "100 open Syn"]
    );
    table.port = 101;
    assert_eq!(
        table.push(Request, SYN, 7, ""),
        ["2 close Evicted", "101 open Syn"]
    );
    table.port = 100;
    assert_eq!(table.push(Request, ACK, 8, "hello"), ["100 Request hello"]);
}

#[test]
fn a_message_without_new_bytes_for_a_minute_is_given_up() {
    let mut table = Fixture::requests();
    table.push(Request, ACK, 100, "a~");
    assert_eq!(table.pass(30), [""; 0]);
    table.push(Request, ACK, 102, "b~");
    assert_eq!(table.pass(30), [""; 0]);
    // That its client still acknowledges something is no progress.
    table.push(Request, ACK, 104, "");
    assert_eq!(table.pass(29), [""; 0]);
    assert_eq!(table.pass(1), ["1 stalled Timeout"]);
    assert_eq!(table.budget.used(), 0);
    assert_eq!(table.push(Request, ACK, 104, "c"), ["1 Request c"]);
}

#[test]
fn when_memory_is_scarce_the_longest_paused_message_is_evicted() {
    let mut table = Fixture::requests();
    for port in 1..=8 {
        table.port = port;
        table.push(Request, ACK, 100, "a~");
    }
    table.pass(2);
    table.port = 1;
    table.push(Request, ACK, 102, "b~");
    table.port = 20;
    assert_eq!(
        table.push(Request, ACK, 100, "new~"),
        ["20 open MidStream", "20 Request new~", "2 stalled Memory"]
    );
    assert_eq!(table.budget.used(), 8000);
    table.port = 21;
    assert_eq!(table.push(Request, ACK, 100, "new~")[2], "3 stalled Memory");
}

#[test]
fn no_more_ended_connections_are_remembered_than_the_table_has_places() {
    let mut table = Fixture::with(
        ConnectionSettings {
            max_connections: 2,
            ..settings()
        },
        false,
    );
    for port in 1..=3 {
        table.port = port;
        table.push(Request, SYN, 99, "");
        table.push(Request, FIN, 100, "a");
    }
    assert_eq!(table.table.counters().lingering, 2);
    assert_eq!(table.push(Request, FIN, 100, "a"), [""; 0]);
    table.port = 1;
    assert_eq!(table.push(Request, ACK, 100, "a")[0], "1 open MidStream");
}

#[test]
fn a_hundred_thousand_idle_connections_cost_less_than_a_kibibyte_each() {
    struct Large {
        _state: [u8; 300],
    }
    impl StreamHandler for Large {
        type Context = ();
        fn open((): &mut (), _: &FlowKey, _: Start, _: Timestamp) -> Self {
            Self { _state: [0; 300] }
        }
        fn data(&mut self, (): &mut (), _: Direction, _: Chunk<'_>) {}
        fn gap(&mut self, (): &mut (), _: Direction, _: u64, _: GapCause) {}
        fn finished(&mut self, (): &mut (), _: Direction, _: Timestamp) {}
        fn holds(&self) -> bool {
            false
        }
        fn stalled(&mut self, (): &mut (), _: Stall) {}
        fn close(self, (): &mut (), _: Close, _: Timestamp) {}
    }
    let budget = MemoryBudget::new(0);
    let mut table: FlowTable<Large> = FlowTable::new(
        ConnectionSettings {
            max_connections: 100_000,
            ..settings()
        },
        true,
        budget,
    );
    for number in 0..100_000_u32 {
        let mut key = flow((number % 50_000) as u16);
        key.scope = u64::from(number / 50_000);
        let segment = Segment {
            flow: key,
            direction: Request,
            sequence: number,
            acknowledgment: 1,
            flags: ACK,
            continuation: false,
            payload: b"x",
            time: Timestamp(0),
        };
        table.push(&mut (), &segment);
    }
    assert_eq!(table.counters().open, 100_000);
    assert_eq!(table.counters().evicted, 0);
    // Nothing else is allocated: no hole, no charge.
    assert!(
        FlowTable::<Large>::connection_size() < 512,
        "{}",
        FlowTable::<Large>::connection_size()
    );
}

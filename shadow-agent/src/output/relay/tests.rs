//! The output as the other side meets it: over real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::*;
use crate::mirror::ledger::ShardLedger;
use crate::mirror::testing::exchange;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const RECORD: &str = "1 9c4000500a01020300000000 7 0\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";

struct Rig {
    listener: TcpListener,
    output: RelayOutput,
    shard: RelayShard,
    ledger: ShardLedger,
}

impl Rig {
    fn new(wire: RelayWire) -> Self {
        Self::with(wire, Duration::from_secs(5))
    }

    fn with(wire: RelayWire, timeout: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = RelayOutputSettings {
            name: "tcp://there".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: None,
            wire,
            workers: 1,
            sticky: false,
            queue_records: 10,
            queue_bytes: 10_000,
            timeout,
            stats: false,
        };
        let output = RelayOutput::new(&settings, &OwnConnections::default()).unwrap();
        Self {
            listener,
            shard: output.shard(7),
            output,
            ledger: ShardLedger::new(1),
        }
    }

    fn offer(&self) {
        let ticket = self.ledger.open().split().next().unwrap();
        self.shard.offer(&exchange(1, GET), ticket);
    }

    fn accept(&self) -> (BufReader<TcpStream>, TcpStream) {
        let stream = self.listener.accept().unwrap().0;
        (BufReader::new(stream.try_clone().unwrap()), stream)
    }

    fn delivered(&self) -> u64 {
        self.ledger.snapshot().outputs[0].delivered
    }
}

fn expect(from: &mut impl Read, text: &str) {
    let mut bytes = vec![0; text.len()];
    from.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
}

#[tokio::test]
async fn a_plain_record_is_delivered_once_written_and_reconnects() {
    let rig = Rig::new(RelayWire::Plain);
    rig.offer();
    let (mut read, write) = rig.accept();
    expect(&mut read, &format!("{RECORD}\n🐵🙈🙉\n"));
    rig.shard.drain().await;
    assert_eq!(rig.delivered(), 1);
    drop((read, write));
    while rig.output.status().connections_open > 0 {
        tokio::task::yield_now().await;
    }
    rig.offer();
    let (mut read, _write) = rig.accept();
    expect(&mut read, &format!("{RECORD}\n🐵🙈🙉\n"));
    rig.shard.drain().await;
    assert_eq!(rig.output.status().connections_opened, 2);
}

#[tokio::test]
async fn a_record_is_delivered_when_it_is_acknowledged() {
    let rig = Rig::new(RelayWire::Acknowledged);
    rig.offer();
    rig.offer();
    let frame = |sequence| format!("{sequence} {}\n{RECORD}", RECORD.len());
    let (mut read, mut write) = rig.accept();
    let mut hello = String::new();
    read.read_line(&mut hello).unwrap();
    assert!(
        hello.starts_with("shadow-agent-relay/1 ") && hello.ends_with("-0\n"),
        "{hello}"
    );
    write.write_all(b"shadow-agent-relay/1 0\n").unwrap();
    expect(&mut read, &frame(1));
    expect(&mut read, &frame(2));
    assert_eq!(rig.delivered(), 0);
    drop((read, write));
    // Both go again, and the other side says that it has taken the first all the same.
    let (mut read, mut write) = rig.accept();
    let mut again = String::new();
    read.read_line(&mut again).unwrap();
    assert_eq!(again, hello, "the same session");
    write.write_all(b"shadow-agent-relay/1 1\n").unwrap();
    expect(&mut read, &frame(2));
    assert_eq!(rig.delivered(), 1);
    write.write_all(b"2\n").unwrap();
    rig.shard.drain().await;
    assert_eq!(rig.delivered(), 2);
}

#[tokio::test]
async fn who_acknowledges_what_was_never_sent_is_not_believed() {
    let rig = Rig::new(RelayWire::Acknowledged);
    rig.offer();
    let (mut read, mut write) = rig.accept();
    write.write_all(b"shadow-agent-relay/1 5\n").unwrap();
    let mut all = String::new();
    read.read_to_string(&mut all).unwrap();
    assert_eq!(all.lines().count(), 1, "nothing but the hello: {all}");
    assert_eq!(rig.delivered(), 0);
    rig.shard.abort(DropReason::Shutdown);
    rig.shard.drain().await;
    assert_eq!(rig.ledger.snapshot().outputs[0].dropped[&DropReason::Shutdown], 1);
}

#[tokio::test]
async fn what_nobody_acknowledges_is_sent_again_on_another_connection() {
    let rig = Rig::with(RelayWire::Acknowledged, Duration::from_millis(300));
    rig.offer();
    let frame = format!("1 {}\n{RECORD}", RECORD.len());
    // Something in between takes all, and lets no acknowledgment through.
    let (mut read, mut write) = rig.accept();
    let mut hello = String::new();
    read.read_line(&mut hello).unwrap();
    write.write_all(b"shadow-agent-relay/1 0\n").unwrap();
    expect(&mut read, &frame);
    let mut rest = Vec::new();
    read.read_to_end(&mut rest).unwrap();
    assert_eq!(
        rest, b"",
        "the connection is given up, and nothing was sent twice on it"
    );
    assert_eq!(rig.delivered(), 0);
    let (mut read, mut write) = rig.accept();
    let mut again = String::new();
    read.read_line(&mut again).unwrap();
    assert_eq!(again, hello, "the same session");
    write.write_all(b"shadow-agent-relay/1 0\n").unwrap();
    expect(&mut read, &frame);
    write.write_all(b"1\n").unwrap();
    rig.shard.drain().await;
    assert_eq!(rig.delivered(), 1);
}

#[tokio::test]
async fn three_silent_connections_drop_what_waits_and_no_more() {
    let rig = Rig::with(RelayWire::Acknowledged, Duration::from_millis(100));
    rig.offer();
    for _ in 0..3 {
        let (mut read, mut write) = rig.accept();
        let mut hello = String::new();
        read.read_line(&mut hello).unwrap();
        write.write_all(b"shadow-agent-relay/1 0\n").unwrap();
        expect(&mut read, &format!("1 {}\n{RECORD}", RECORD.len()));
        assert_eq!(read.read_to_end(&mut Vec::new()).unwrap(), 0, "it was sent once");
    }
    rig.shard.drain().await;
    let counts = rig.ledger.snapshot().outputs[0].clone();
    assert_eq!(
        (counts.seen, counts.delivered, counts.in_flight),
        (1, 0, 0),
        "{counts:?}"
    );
    assert_eq!(counts.dropped, [(DropReason::Timeout, 1)].into());
    rig.offer();
    let (mut read, mut write) = rig.accept();
    let mut hello = String::new();
    read.read_line(&mut hello).unwrap();
    write.write_all(b"shadow-agent-relay/1 0\n").unwrap();
    expect(&mut read, &format!("2 {}\n{RECORD}", RECORD.len()));
    write.write_all(b"2\n").unwrap();
    rig.shard.drain().await;
    assert_eq!(rig.delivered(), 1);
}

#[tokio::test]
async fn an_unanswered_hello_drops_what_waits_after_three() {
    let rig = Rig::with(RelayWire::Acknowledged, Duration::from_millis(100));
    rig.offer();
    rig.offer();
    for _ in 0..3 {
        let (mut read, _write) = rig.accept();
        let mut all = String::new();
        read.read_to_string(&mut all).unwrap();
        assert_eq!(all.lines().count(), 1, "nothing but the hello: {all}");
    }
    rig.shard.drain().await;
    let counts = rig.ledger.snapshot().outputs[0].clone();
    assert_eq!(counts.dropped, [(DropReason::Timeout, 2)].into());
    assert_eq!((counts.delivered, counts.in_flight), (0, 0));
}

#[tokio::test]
async fn who_is_slow_and_says_so_is_waited_for() {
    let rig = Rig::with(RelayWire::Acknowledged, Duration::from_millis(100));
    rig.offer();
    // Longer than three connections may be silent, and the connection is the same.
    let (mut read, mut write) = rig.accept();
    let mut hello = String::new();
    read.read_line(&mut hello).unwrap();
    write.write_all(b"shadow-agent-relay/1 0\n").unwrap();
    expect(&mut read, &format!("1 {}\n{RECORD}", RECORD.len()));
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        write.write_all(b"0\n").unwrap();
    }
    write.write_all(b"1\n").unwrap();
    rig.shard.drain().await;
    let counts = rig.ledger.snapshot().outputs[0].clone();
    assert_eq!((counts.delivered, counts.dropped.len()), (1, 0));
}

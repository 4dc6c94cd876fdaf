use std::io::{self, Write};
use std::sync::mpsc;

use super::*;
use crate::mirror::MessageKind;
use crate::mirror::ledger::{OutputCounts, ShardLedger};
use crate::mirror::testing::exchange;
use crate::output::stdout::Stream;

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
/// The bytes that such a record counts as in the queue.
const SIZE: usize = 72 + GET.len() + 14;
const RECORD: &str = "1 9c4000500a01020300000000 7 0\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n";

/// A sink that hands on what is written, one message a write, and says how each write ends.
struct Pipe {
    written: mpsc::Sender<Vec<u8>>,
    results: mpsc::Receiver<io::Result<()>>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
        self.results.recv().map_err(io::Error::other)??;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Rig {
    output: Writer,
    written: mpsc::Receiver<Vec<u8>>,
    results: mpsc::Sender<io::Result<()>>,
    ledger: ShardLedger,
}

impl Rig {
    fn new(queue_bytes: usize) -> Self {
        let (written_sender, written) = mpsc::channel();
        let (results, results_receiver) = mpsc::channel();
        let pipe = Pipe {
            written: written_sender,
            results: results_receiver,
        };
        Self {
            output: Writer::start("test", Stream::new(pipe), queue_bytes, None).unwrap(),
            written,
            results,
            ledger: ShardLedger::new(1),
        }
    }

    fn offer(&self, shard: &WriterShard, raw: &[u8]) {
        let ticket = self.ledger.open().split().next().unwrap();
        shard.offer(&exchange(1, raw), ticket);
    }

    /// Waits for a write to begin and gives its bytes; it goes on when `results` says so.
    fn write(&self) -> String {
        String::from_utf8(self.written.recv().unwrap()).unwrap()
    }

    fn counts(&self) -> OutputCounts {
        let counts = self.ledger.snapshot();
        assert!(counts.balanced());
        counts.outputs[0].clone()
    }
}

#[tokio::test]
async fn a_record_is_delivered_when_it_is_written() {
    let rig = Rig::new(1000);
    let shard = rig.output.shard(7);
    rig.offer(&shard, GET);
    assert_eq!(rig.write(), RECORD);
    assert_eq!(rig.counts().in_flight, 1);
    assert_eq!(rig.output.status().active, 1);
    rig.results.send(Ok(())).unwrap();
    shard.drain().await;
    assert_eq!(rig.counts().delivered, 1);
}

#[tokio::test]
async fn a_slow_reader_fills_the_queue_and_a_full_queue_is_a_drop() {
    let rig = Rig::new(2 * SIZE);
    let shard = rig.output.shard(7);
    rig.offer(&shard, GET);
    rig.write();
    rig.offer(&shard, GET);
    rig.offer(&shard, GET);
    rig.offer(&shard, b"GET /longer HTTP/1.1\r\n\r\n");
    assert_eq!(rig.counts().dropped[&DropReason::QueueFull], 2);
    rig.results.send(Ok(())).unwrap();
    rig.results.send(Ok(())).unwrap();
    shard.drain().await;
    assert_eq!(rig.counts().delivered, 2);
}

#[tokio::test]
async fn after_a_write_that_failed_everything_is_a_write_error() {
    let rig = Rig::new(1000);
    let shard = rig.output.shard(7);
    rig.offer(&shard, GET);
    rig.write();
    rig.offer(&shard, GET);
    rig.results.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
    shard.drain().await;
    rig.offer(&shard, GET);
    shard.drain().await;
    assert_eq!(rig.counts().dropped[&DropReason::WriteError], 3);
}

#[tokio::test]
async fn an_abort_ends_this_shards_records_also_those_being_written() {
    let rig = Rig::new(1000);
    let (first, second) = (rig.output.shard(7), rig.output.shard(7));
    rig.offer(&first, GET);
    rig.write();
    rig.offer(&first, GET);
    rig.offer(&second, GET);
    first.abort(DropReason::Shutdown);
    assert_eq!(rig.counts().dropped[&DropReason::Shutdown], 2);
    first.drain().await;
    rig.results.send(Ok(())).unwrap();
    assert_eq!(rig.write(), RECORD);
    rig.results.send(Ok(())).unwrap();
    second.drain().await;
    assert_eq!(rig.counts().delivered, 1);
}

#[tokio::test]
async fn a_response_is_written_under_its_requests_id_and_not_counted() {
    let rig = Rig::new(1000);
    let shard = rig.output.shard(7);
    let exchange = exchange(1, GET);
    let response = ExchangeResponse {
        id: &exchange.id,
        kind: MessageKind::Response,
        head: &bytes::Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n"),
        body: &bytes::Bytes::from_static(b"ok"),
        began: crate::time::Timestamp::default(),
        first_byte: crate::time::Timestamp(1),
        last_byte: crate::time::Timestamp(3),
    };
    shard.offer_response(&response);
    let expected = "2 9c4000500a01020300000000 8 2\nHTTP/1.1 200 OK\r\n\r\nok\n🐵🙈🙉\n";
    assert_eq!(rig.write(), expected);
    rig.results.send(Ok(())).unwrap();
    assert_eq!(rig.counts().total(), 0);
}

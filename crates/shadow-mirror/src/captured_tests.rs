//! Requests inside TLS, segment by segment: rustls' client and server in memory, and what comes of their bytes.

use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{SupportedProtocolVersion, version};
use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::Limits;
use shadow_tcp::{ConnectionSettings, Direction, Expected, FlowKey, FlowTable, Segment, Servers, TcpFlags};
use shadow_tls::{KeyLog, SecretStore, SessionLimits, StoreLimits};

use super::ledger::{DropReason, OutputCounts, ShardLedger};
use super::{CapturedConnection, ReadSettings, Shard, StreamCounters, TlsReading};
use crate::testing::{Recorder, plan_of_everything};

use Direction::{Request, Response};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags(0x11);
const RST: TcpFlags = TcpFlags(0x14);

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// Lines of a key log.
#[derive(Debug, Default)]
struct Log(Mutex<String>);

impl rustls::KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        use std::fmt::Write as _;
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        };
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().unwrap().push_str(&line);
    }
}

/// A client and a server of TLS.
struct Peers {
    client: ClientConnection,
    server: ServerConnection,
    log: Arc<Log>,
}

impl Peers {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["production.test".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let log = Arc::new(Log::default());
        server.key_log = Arc::clone(&log) as Arc<dyn rustls::KeyLog>;
        let name = ServerName::try_from("production.test").unwrap();
        Self {
            client: ClientConnection::new(Arc::new(client), name).unwrap(),
            server: ServerConnection::new(Arc::new(server)).unwrap(),
            log,
        }
    }

    /// Bytes that one of them has to send; the other has got them.
    fn sent(&mut self, direction: Direction) -> Vec<u8> {
        let mut wire = Vec::new();
        if direction == Request {
            while self.client.wants_write() {
                self.client.write_tls(&mut wire).unwrap();
            }
            let mut rest = &wire[..];
            while !rest.is_empty() {
                self.server.read_tls(&mut rest).unwrap();
                self.server.process_new_packets().unwrap();
            }
        } else {
            while self.server.wants_write() {
                self.server.write_tls(&mut wire).unwrap();
            }
            let mut rest = &wire[..];
            while !rest.is_empty() {
                self.client.read_tls(&mut rest).unwrap();
                self.client.process_new_packets().unwrap();
            }
        }
        wire
    }

    fn say(&mut self, direction: Direction, text: &str) -> Vec<u8> {
        match direction {
            Request => self.client.writer().write_all(text.as_bytes()).unwrap(),
            Response => self.server.writer().write_all(text.as_bytes()).unwrap(),
        }
        self.sent(direction)
    }
}

/// A shard that reads TLS, its connections, and an output that takes everything.
struct Wire {
    table: FlowTable<CapturedConnection>,
    shard: Shard,
    ledger: ShardLedger,
    recorder: Rc<Recorder>,
    store: SecretStore,
    client: SocketAddr,
    /// Next sequence numbers, of requests and responses.
    next: [u32; 2],
    now: Timestamp,
}

impl Wire {
    fn new(answers: bool) -> Self {
        let ledger = ShardLedger::new(1);
        let limits = Limits {
            max_head: 4096,
            max_body: 65_536,
            max_headers: 16,
        };
        let budget = MemoryBudget::new(1 << 20);
        let settings = ReadSettings {
            client_header: Some("X-Real-IP".to_owned()),
            track_response: answers,
            ..ReadSettings::default()
        };
        let store = SecretStore::new(StoreLimits::default());
        let waits = SessionLimits {
            max_wait: Duration::from_secs(1),
            ..SessionLimits::default()
        };
        let mut shard = Shard::new(ledger.clone(), budget.clone(), limits, None, answers)
            .with_settings(&settings)
            .with_tls(Some(TlsReading::new(store.clone(), waits)));
        let plan = plan_of_everything();
        let recorder = Rc::new(Recorder::default());
        let output = Rc::clone(&recorder);
        shard
            .mirrors_mut()
            .apply(&plan, Timestamp(0), move |_| Rc::<Recorder>::clone(&output));
        let settings = ConnectionSettings {
            max_connections: 100,
            idle_timeout: Duration::from_secs(100),
            gap_timeout: Duration::from_millis(100),
            max_out_of_order: 100_000,
        };
        Self {
            table: FlowTable::new(settings, true, budget).with_servers(Servers::new(Expected::Everybody)),
            shard,
            ledger,
            recorder,
            store,
            client: "192.0.2.1:40000".parse().unwrap(),
            next: [999, 4999],
            now: Timestamp(0),
        }
    }

    /// The next segment of a direction, which acknowledges all of the other.
    fn segment(&mut self, direction: Direction, flags: TcpFlags, payload: &[u8]) {
        let server: SocketAddr = "10.0.0.1:443".parse().unwrap();
        self.now = self.now.after(Duration::from_micros(50));
        let (own, other) = match direction {
            Request => (0, 1),
            Response => (1, 0),
        };
        let segment = Segment {
            flow: FlowKey {
                client: self.client.into(),
                server: server.into(),
                scope: 0,
            },
            direction,
            sequence: self.next[own],
            acknowledgment: self.next[other],
            flags,
            continuation: false,
            payload,
            time: self.now,
        };
        let length = payload.len() as u32 + u32::from(flags.contains(SYN) || flags.contains(TcpFlags::FIN));
        self.next[own] = self.next[own].wrapping_add(length);
        self.table.push(&mut self.shard, &segment);
        assert!(self.ledger.snapshot().balanced());
        assert!(self.table.counters().balanced());
    }

    fn connect(&mut self) {
        self.segment(Request, SYN, b"");
        self.segment(Response, TcpFlags(0x12), b"");
    }

    /// Both hold the handshake, and see each other's bytes.
    fn shake_hands(&mut self, peers: &mut Peers) {
        loop {
            let (asked, answered) = (peers.sent(Request), Vec::new());
            if !asked.is_empty() {
                self.segment(Request, ACK, &asked);
            }
            let said = peers.sent(Response);
            if !said.is_empty() {
                self.segment(Response, ACK, &said);
            }
            if (asked, said) == (answered.clone(), answered) {
                return;
            }
        }
    }

    fn exchange(&mut self, peers: &mut Peers, target: &str) {
        let request = peers.say(Request, &get(target));
        self.segment(Request, ACK, &request);
        let answer = peers.say(Response, OK);
        self.segment(Response, ACK, &answer);
    }

    /// The secrets of a connection come.
    fn learn(&mut self, peers: &Peers) {
        let text = peers.log.0.lock().unwrap().clone();
        KeyLog::default().push(text.as_bytes(), |secret| self.store.insert(secret, self.now));
    }

    /// As the shard's loop does it, after so long.
    fn look(&mut self, milliseconds: u64) {
        self.now = self.now.after(Duration::from_millis(milliseconds));
        self.table.tick(&mut self.shard, self.now);
        for key in self.shard.tls_mut().unwrap().look() {
            self.table.revisit(&mut self.shard, &key, self.now);
        }
        self.table.revisit_kept(&mut self.shard, self.now);
        assert!(self.ledger.snapshot().balanced());
    }

    fn handed_on(&self) -> Vec<String> {
        let target = |line: &String| line.split(' ').nth(2).unwrap_or_default().to_owned();
        let seen = self.recorder.seen();
        seen.iter()
            .filter(|line| line.contains("GET "))
            .map(target)
            .collect()
    }

    fn counts(&self) -> OutputCounts {
        self.ledger.snapshot().outputs[0].clone()
    }

    fn counters(&self) -> StreamCounters {
        self.shard.counters()
    }

    fn waiting(&mut self) -> usize {
        self.shard.tls_mut().unwrap().waiting() + self.table.kept()
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn requests_inside_tls_are_handed_on_as_plain_ones_are() {
    for version in VERSIONS {
        let (mut wire, mut peers) = (Wire::new(false), Peers::new(version));
        wire.connect();
        let hello = peers.sent(Request);
        wire.segment(Request, ACK, &hello);
        let flight = peers.sent(Response);
        wire.learn(&peers);
        wire.segment(Response, ACK, &flight);
        wire.shake_hands(&mut peers);
        wire.learn(&peers);
        for target in ["/1", "/2", "/3"] {
            wire.exchange(&mut peers, target);
        }
        wire.look(1);
        assert_eq!(wire.handed_on(), ["/1", "/2", "/3"], "{version:?}");
        assert_eq!((wire.counters().tls, wire.counts().delivered), (1, 3));
        assert_eq!(wire.waiting(), 0);
    }
}

#[test]
fn what_waits_for_its_secret_is_handed_on_when_that_comes() {
    for version in VERSIONS {
        let (mut wire, mut peers) = (Wire::new(false), Peers::new(version));
        wire.connect();
        wire.shake_hands(&mut peers);
        wire.exchange(&mut peers, "/1");
        wire.exchange(&mut peers, "/2");
        wire.look(900);
        assert!(wire.handed_on().is_empty() && wire.waiting() == 1);
        wire.learn(&peers);
        assert!(wire.shard.tls_mut().unwrap().secrets_came());
        wire.look(1);
        assert_eq!(wire.handed_on(), ["/1", "/2"]);
        wire.exchange(&mut peers, "/3");
        assert_eq!(wire.handed_on(), ["/1", "/2", "/3"]);
    }
}

#[test]
fn a_secret_may_come_behind_the_end_of_its_connection() {
    for version in VERSIONS {
        for end in [FIN, RST] {
            let (mut wire, mut peers) = (Wire::new(false), Peers::new(version));
            wire.connect();
            wire.shake_hands(&mut peers);
            wire.exchange(&mut peers, "/1");
            wire.segment(Request, end, b"");
            if end == FIN {
                wire.segment(Response, FIN, b"");
            }
            assert_eq!((wire.table.counters().open, wire.table.kept()), (0, 1));
            wire.learn(&peers);
            wire.look(1);
            assert_eq!(wire.handed_on(), ["/1"]);
            assert_eq!(wire.waiting(), 0);
        }
    }
}

#[test]
fn a_connection_whose_secrets_do_not_come_is_counted_with_its_bytes() {
    for ends in [false, true] {
        let (mut wire, mut peers) = (Wire::new(false), Peers::new(&version::TLS13));
        wire.connect();
        let before = wire.next[0];
        wire.shake_hands(&mut peers);
        wire.exchange(&mut peers, "/1");
        if ends {
            wire.segment(Request, RST, b"");
        }
        wire.look(1100);
        assert_eq!((wire.counters().tls_no_secret, wire.counters().tls), (1, 0));
        if !ends {
            wire.exchange(&mut peers, "/2");
        }
        let sent = u64::from(wire.next[0] - before);
        assert_eq!(wire.counters().skipped_bytes.tls_no_secret, sent);
        assert_eq!((wire.counts().seen, wire.waiting()), (0, 0));
    }
}

#[test]
fn a_missing_secret_is_lost_where_others_of_its_server_came() {
    let mut wire = Wire::new(false);
    for number in 1..=2 {
        let mut peers = Peers::new(&version::TLS13);
        wire.client.set_port(number);
        wire.connect();
        wire.shake_hands(&mut peers);
        wire.exchange(&mut peers, "/1");
        if number == 1 {
            wire.learn(&peers);
        }
        wire.look(1100);
    }
    let counters = wire.counters();
    assert_eq!(
        (counters.tls, counters.tls_secret_lost, counters.tls_no_secret),
        (1, 1, 0)
    );
}

#[test]
fn answers_that_are_opened_with_their_requests_belong_to_them() {
    for version in VERSIONS {
        let (mut wire, mut peers) = (Wire::new(true), Peers::new(version));
        wire.connect();
        wire.shake_hands(&mut peers);
        for target in ["/1", "/2", "/3"] {
            wire.exchange(&mut peers, target);
        }
        wire.learn(&peers);
        wire.look(1);
        wire.exchange(&mut peers, "/4");
        let answers = wire.counters().answers;
        assert_eq!((answers.paired, answers.unpaired, answers.rejected), (4, 0, 0));
        assert_eq!(wire.handed_on(), ["/1", "/2", "/3", "/4"]);
    }
}

#[test]
fn a_client_that_a_header_in_front_names_is_the_client() {
    let (mut wire, mut peers) = (Wire::new(false), Peers::new(&version::TLS13));
    wire.connect();
    let header = b"PROXY TCP4 198.51.100.7 10.0.0.1 5555 443\r\n";
    let hello = [&header[..], &peers.sent(Request)].concat();
    wire.segment(Request, ACK, &hello[..20]);
    wire.segment(Request, ACK, &hello[20..]);
    wire.shake_hands(&mut peers);
    wire.learn(&peers);
    wire.exchange(&mut peers, "/1");
    wire.look(1);
    assert_eq!((wire.counters().proxied, wire.counters().tls), (1, 1));
    assert_eq!(wire.handed_on(), ["/1"]);
}

#[test]
fn plain_connections_are_read_as_ever() {
    let mut wire = Wire::new(false);
    wire.connect();
    for target in ["/1", "/2"] {
        wire.segment(Request, ACK, get(target).as_bytes());
        wire.segment(Response, ACK, OK.as_bytes());
    }
    assert_eq!(wire.handed_on(), ["/1", "/2"]);
    assert_eq!((wire.counters().tls, wire.counters().encrypted), (0, 0));
}

#[test]
fn a_lost_record_costs_what_cannot_be_proved_behind_it() {
    for version in VERSIONS {
        let (mut wire, mut peers) = (Wire::new(false), Peers::new(version));
        wire.connect();
        wire.shake_hands(&mut peers);
        wire.learn(&peers);
        wire.exchange(&mut peers, "/1");
        let lost = peers.say(Request, &get("/2"));
        wire.next[0] = wire.next[0].wrapping_add(lost.len() as u32);
        let answer = peers.say(Response, OK);
        wire.segment(Response, ACK, &answer);
        wire.exchange(&mut peers, "/3");
        wire.look(200);
        wire.look(200);
        assert_eq!(wire.handed_on(), ["/1"], "{version:?}");
        let counts = wire.counts();
        assert_eq!(
            counts.dropped.get(&DropReason::TlsRecordLost),
            Some(&1),
            "{counts:?}"
        );
        assert_eq!(wire.counters().tls_records_lost, 1);
    }
}

#[test]
fn a_connection_that_was_open_before_has_no_secret() {
    let (mut wire, mut peers) = (Wire::new(false), Peers::new(&version::TLS13));
    let mut unseen = Wire::new(false);
    unseen.connect();
    unseen.shake_hands(&mut peers);
    wire.learn(&peers);
    wire.exchange(&mut peers, "/1");
    wire.exchange(&mut peers, "/2");
    assert_eq!((wire.counters().tls_no_secret, wire.counts().seen), (1, 0));
    let sent = 2 * (get("/1").len() as u64 + 22);
    assert_eq!(wire.counters().skipped_bytes.tls_no_secret, sent);
}

#[test]
fn one_whose_handshake_is_seen_is_read_though_its_syn_was_not() {
    let (mut wire, mut peers) = (Wire::new(false), Peers::new(&version::TLS13));
    wire.shake_hands(&mut peers);
    wire.learn(&peers);
    wire.exchange(&mut peers, "/1");
    wire.look(1);
    assert_eq!(wire.handed_on(), ["/1"]);
    assert_eq!((wire.table.counters().mid_stream, wire.counters().tls), (1, 1));
}

#[test]
fn what_waits_at_the_end_of_the_run_is_given_up() {
    let (mut wire, mut peers) = (Wire::new(false), Peers::new(&version::TLS12));
    wire.connect();
    wire.shake_hands(&mut peers);
    wire.exchange(&mut peers, "/1");
    wire.segment(Request, RST, b"");
    wire.table.shutdown(&mut wire.shard, wire.now);
    assert_eq!((wire.counters().tls_no_secret, wire.table.kept()), (1, 0));
}

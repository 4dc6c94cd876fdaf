//! Prints what opening a record costs, by suite, size, and how it lies in segments:
//! `cargo run --release -p shadow-tls --example speed`.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, RootCertStore, ServerConfig, ServerConnection,
    SideData, SupportedCipherSuite,
};
use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction, GapCause};
use shadow_tls::{KeyLog, SecretStore, Session, SessionLimits, StoreLimits, TlsEvent};

/// About so many bytes are opened in a row.
const TOTAL: usize = 64 << 20;

/// An Ethernet segment's payload with timestamps.
const SEGMENT: usize = 1448;

#[derive(Debug, Default)]
struct Lines(Mutex<String>);

impl rustls::KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
        };
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().expect("no panic").push_str(&line);
    }
}

/// One handshake, and then records of the client.
struct Connection {
    client: ClientConnection,
    hellos: Vec<(Direction, Vec<u8>)>,
    lines: Arc<Lines>,
}

impl Connection {
    fn new(suite: SupportedCipherSuite) -> Self {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).expect("a certificate");
        let mut provider = default_provider();
        provider.cipher_suites = vec![suite];
        let provider = Arc::new(provider);
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let lines = Arc::new(Lines::default());
        let versions = [suite.version()];
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate");
        server.key_log = Arc::clone(&lines) as Arc<dyn rustls::KeyLog>;
        let name = ServerName::try_from("a.test").expect("a name");
        let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
        let mut server = ServerConnection::new(Arc::new(server)).expect("a server");
        let mut hellos = Vec::new();
        while client.is_handshaking() || server.is_handshaking() {
            hellos.push((Direction::Request, flight(&mut client, &mut server)));
            hellos.push((Direction::Response, flight(&mut server, &mut client)));
        }
        Self {
            client,
            hellos,
            lines,
        }
    }

    /// A session that has seen the handshake.
    fn session(&self, secrets: &SecretStore, budget: &MemoryBudget) -> Session {
        let mut log = KeyLog::default();
        let lines = self.lines.0.lock().expect("no panic").clone();
        log.push(lines.as_bytes(), |secret| secrets.insert(secret, Timestamp(1)));
        let mut session = Session::new(SessionLimits::default());
        for (direction, bytes) in self.hellos.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            session.data(*direction, chunk(bytes), secrets, budget, &mut |_| {});
        }
        session
    }
}

fn flight<A: SideData, B: SideData>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).expect("memory");
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        to.read_tls(&mut rest).expect("memory");
        to.process_new_packets().expect("TLS");
        let _ = to.reader().read(&mut [0; 100]);
    }
    bytes
}

fn chunk(bytes: &[u8]) -> Chunk<'_> {
    Chunk {
        bytes,
        sequence: 0,
        acknowledgment: 0,
        segment_start: true,
        time: Timestamp(1),
    }
}

/// Nanoseconds for which this thread has run, whatever else the machine does.
fn processor_time() -> u64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let first = times.split(' ').next();
    first.and_then(|time| time.parse().ok()).expect("nanoseconds")
}

/// Nanoseconds a record, whole in a chunk and cut into segments.
fn measure(suite: SupportedCipherSuite, size: usize) -> [f64; 2] {
    let mut connection = Connection::new(suite);
    let records = (TOTAL / size).min(100_000);
    let mut wire = Vec::new();
    connection.client.set_buffer_limit(None);
    for _ in 0..records {
        connection
            .client
            .writer()
            .write_all(&vec![b'a'; size])
            .expect("memory");
        while connection.client.wants_write() {
            connection.client.write_tls(&mut wire).expect("memory");
        }
    }
    let record = wire.len() / records;
    [record, SEGMENT].map(|cut| {
        let (secrets, budget) = (
            SecretStore::new(StoreLimits::default()),
            MemoryBudget::new(1 << 30),
        );
        let mut session = connection.session(&secrets, &budget);
        let mut opened = 0;
        let start = processor_time();
        for bytes in wire.chunks(cut) {
            session.data(
                Direction::Request,
                chunk(bytes),
                &secrets,
                &budget,
                &mut |event| {
                    if let TlsEvent::Data(_, chunk) = event {
                        opened += chunk.bytes.len();
                    }
                },
            );
        }
        let took = processor_time() - start;
        assert_eq!(opened, records * size);
        took as f64 / records as f64
    })
}

/// Nanoseconds a byte behind a hole, where each five bytes look like the beginning of a record.
fn measure_forged(suite: SupportedCipherSuite) -> f64 {
    let connection = Connection::new(suite);
    let (secrets, budget) = (
        SecretStore::new(StoreLimits::default()),
        MemoryBudget::new(1 << 30),
    );
    let mut session = connection.session(&secrets, &budget);
    let forged: Vec<u8> = [23, 3, 3, 0, 250].into_iter().cycle().take(SEGMENT).collect();
    let hole = 1 << 20;
    session.gap(
        Direction::Request,
        hole,
        GapCause::Timeout,
        &secrets,
        &budget,
        &mut |_| {},
    );
    let start = processor_time();
    let segments = (TOTAL / 4) / SEGMENT;
    for _ in 0..segments {
        session.data(Direction::Request, chunk(&forged), &secrets, &budget, &mut |_| {});
    }
    (processor_time() - start) as f64 / (segments * SEGMENT) as f64
}

fn main() {
    let suites = [
        ("TLS 1.3 AES-128-GCM", cipher_suite::TLS13_AES_128_GCM_SHA256),
        ("TLS 1.3 AES-256-GCM", cipher_suite::TLS13_AES_256_GCM_SHA384),
        (
            "TLS 1.3 ChaCha20-Poly1305",
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ),
        (
            "TLS 1.2 AES-128-GCM",
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ),
    ];
    for (name, suite) in suites {
        for size in [300, 1024, 16_384] {
            let [whole, cut] = measure(suite, size);
            println!("{name}, {size} bytes: {whole:.0} ns a record in one chunk, {cut:.0} ns in segments");
        }
        println!(
            "{name}, forged records behind a hole: {:.1} ns a byte",
            measure_forged(suite)
        );
    }
}

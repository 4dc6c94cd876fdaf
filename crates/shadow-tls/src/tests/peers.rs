//! rustls' client and server in memory: what they sent on the wire, what was inside, and the secrets that they logged.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, RootCertStore, ServerConfig, ServerConnection,
    SideData, SupportedCipherSuite, SupportedProtocolVersion,
};
use shadow_tcp::Direction;

use crate::{KeyLog, Secret};

/// How the two are set up.
#[derive(Debug)]
pub struct Setup {
    pub version: &'static SupportedProtocolVersion,
    pub suite: Option<SupportedCipherSuite>,
    pub max_fragment: Option<usize>,
    pub alpn: &'static [&'static [u8]],
    pub early_data: bool,
    /// The server does not take the group that the client has a key for, and asks for another.
    pub retry: bool,
}

impl Setup {
    pub fn new(version: &'static SupportedProtocolVersion) -> Self {
        Self {
            version,
            suite: None,
            max_fragment: None,
            alpn: &[],
            early_data: false,
            retry: false,
        }
    }

    pub fn tls13() -> Self {
        Self::new(&rustls::version::TLS13)
    }

    pub fn tls12() -> Self {
        Self::new(&rustls::version::TLS12)
    }

    /// The configurations of both, which connections may share: then the second is a resumption.
    pub fn build(&self) -> (Arc<ClientConfig>, Arc<ServerConfig>, Arc<Log>) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["production.test".to_owned()]).expect("a certificate");
        let log = Arc::new(Log::default());
        let mut provider = ring::default_provider();
        if let Some(suite) = self.suite {
            provider.cipher_suites = vec![suite];
        }
        let mut of_server = provider.clone();
        if self.retry {
            of_server.kx_groups.reverse();
            of_server.kx_groups.truncate(1);
        }
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a root");
        let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[self.version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.max_fragment_size = self.max_fragment;
        client.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        client.enable_early_data = self.early_data;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let mut server = server_config(self, of_server, cert.der().clone(), key);
        server.key_log = Arc::clone(&log) as Arc<dyn rustls::KeyLog>;
        (Arc::new(client), Arc::new(server), log)
    }
}

fn server_config(
    setup: &Setup,
    provider: CryptoProvider,
    certificate: rustls::pki_types::CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> ServerConfig {
    let mut server = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[setup.version])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    server.max_fragment_size = setup.max_fragment;
    server.alpn_protocols = setup.alpn.iter().map(|name| name.to_vec()).collect();
    if setup.early_data {
        server.max_early_data_size = 16_384;
    }
    server
}

/// Lines of a key log.
#[derive(Debug, Default)]
pub struct Log(Mutex<String>);

impl Log {
    /// The secrets in the lines so far.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = Vec::new();
        let mut log = KeyLog::default();
        let text = self.0.lock().expect("no panic").clone();
        log.push(text.as_bytes(), |secret| secrets.push(secret));
        assert_eq!(log.counts().bad, 0);
        secrets
    }
}

impl rustls::KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut text = self.0.lock().expect("no panic");
        text.push_str(label);
        for bytes in [client_random, secret] {
            text.push(' ');
            for byte in bytes {
                write!(text, "{byte:02x}").expect("memory");
            }
        }
        text.push('\n');
    }
}

/// The record of two peers.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Bytes on the wire in the order in which they were sent.
    pub wire: Vec<(Direction, Vec<u8>)>,
    /// Plaintext of the client and of the server.
    pub inside: [Vec<u8>; 2],
    pub secrets: Vec<Secret>,
}

/// A connection between the two.
pub struct Peers {
    pub client: ClientConnection,
    pub server: ServerConnection,
    pub recording: Recording,
    log: Arc<Log>,
}

impl Peers {
    pub fn connect(setup: &Setup) -> Self {
        Self::new(&setup.build())
    }

    pub fn new((client, server, log): &(Arc<ClientConfig>, Arc<ServerConfig>, Arc<Log>)) -> Self {
        let name = ServerName::try_from("production.test").expect("a name");
        Self {
            client: ClientConnection::new(Arc::clone(client), name).expect("a client"),
            server: ServerConnection::new(Arc::clone(server)).expect("a server"),
            recording: Recording::default(),
            log: Arc::clone(log),
        }
    }

    /// One peer sends `bytes`, which the other receives, and whatever follows from it.
    pub fn send(&mut self, direction: Direction, bytes: &[u8]) {
        let side = usize::from(direction == Direction::Response);
        self.recording.inside[side].extend_from_slice(bytes);
        match direction {
            Direction::Request => self.client.writer().write_all(bytes),
            Direction::Response => self.server.writer().write_all(bytes),
        }
        .expect("room");
        self.exchange();
    }

    /// Sends early data with the first flight.
    pub fn send_early(&mut self, bytes: &[u8]) {
        let mut early = self.client.early_data().expect("a ticket for early data");
        early.write_all(bytes).expect("room");
        self.recording.inside[0].extend_from_slice(bytes);
    }

    /// Both send what they have until neither has anything.
    pub fn exchange(&mut self) {
        loop {
            let sent = flight(&mut self.client, &mut self.server);
            let answered = flight(&mut self.server, &mut self.client);
            if let Some(mut early) = self.server.early_data() {
                early.read_to_end(&mut Vec::new()).expect("early data");
            }
            if sent.is_empty() && answered.is_empty() {
                return;
            }
            self.recording.wire.push((Direction::Request, sent));
            self.recording.wire.push((Direction::Response, answered));
            self.recording.wire.retain(|(_, bytes)| !bytes.is_empty());
        }
    }

    /// Ends both directions properly.
    pub fn close(mut self) -> Recording {
        self.client.send_close_notify();
        self.exchange();
        self.server.send_close_notify();
        self.exchange();
        self.end()
    }

    /// Segments that were recorded.
    pub fn end(mut self) -> Recording {
        self.recording.secrets = self.log.secrets();
        self.recording
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
        while to.reader().read(&mut [0; 4096]).is_ok_and(|len| len > 0) {}
    }
    bytes
}

//! Capture files of HTTPS with the secrets of their handshakes, against what tshark finds in them; whole, and with packets lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use shadow_tests::tls::https::Load;
use shadow_tests::tls::{Https, SClient, Stack, Version, trace};
use shadow_tests::{AccessLog, Agent, Ledger, Netns, Nginx, Stage, stage};

/// A trace of nginx with the secrets of its clients, and what nginx logged.
struct Traced<'a> {
    stage: &'a Stage,
    port: u16,
    file: PathBuf,
    key_log: PathBuf,
    production: AccessLog,
}

impl<'a> Traced<'a> {
    /// Records what `load` does by each version.
    fn new(stage: &'a Stage, load: impl Fn(Load<'_>)) -> Self {
        let host = Netns::host();
        let port = host.free_port();
        let server = Https::start(stage, &host, Stack::Nginx, port);
        let key_log = stage.path("keys.log");
        let recorder = trace::Recorder::start(stage, port);
        for version in Version::ALL {
            let to = (Ipv4Addr::LOCALHOST, port).into();
            load(Load::new(stage, &host, to, version).logging_keys(&key_log));
        }
        let file = recorder.finish();
        Self {
            stage,
            port,
            file,
            key_log,
            production: server.finish(),
        }
    }

    /// Has the agent read a file, and gives what it counted and delivered.
    fn read(&self, file: &Path, more: &[&str]) -> (Ledger, AccessLog) {
        let host = Netns::host();
        let shadow_port = host.free_port();
        let shadow = Nginx::start(self.stage, &host, "shadow", shadow_port);
        let input = format!("{}:{}", file.display(), self.port);
        let output = format!("http://127.0.0.1:{shadow_port}");
        let common = ["--input-raw", &input, "--output-http", &output];
        let mut agent = Agent::spawn(self.stage, &host, &[&common, more].concat());
        let ledger = agent.finish();
        ledger.assert_closed();
        (ledger, shadow.finish())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Method and target of each request, each as often.
fn requests<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for (method, uri) in all {
        *counts.entry((method.to_owned(), uri.to_owned())).or_default() += 1;
    }
    counts
}

#[test]
fn a_file_gives_the_requests_that_tshark_finds() {
    let stage = stage!(
        "root", "agent", "nginx", "curl", "openssl", "tcpdump", "tshark", "editcap"
    );
    let traced = Traced::new(&stage, |load| {
        load.mixed();
        let keys = ["-keylogfile", text(load.key_log.expect("a key log"))];
        let mut client = SClient::open(load.netns, load.to, load.version, &keys);
        client.get("/openssl", "openssl");
        client.close();
    });
    let found = trace::requests(&traced.file, &traced.key_log, traced.port);
    assert_eq!(found.len(), traced.production.len());
    let found = requests(found.iter().map(|request| (&*request.method, &*request.uri)));
    let with_log = ["--input-raw-tls-keylog", text(&traced.key_log)];
    for (file, flags) in [
        (traced.file.clone(), &with_log[..]),
        (trace::inject(&traced.file, &traced.key_log), &[]),
    ] {
        let (ledger, shadow) = traced.read(&file, flags);
        ledger.assert_all_delivered(traced.production.len() as u64);
        traced.production.assert_same_requests(&shadow);
        let delivered = requests(shadow.0.iter().map(|entry| (&*entry.method, &*entry.uri)));
        assert_eq!(delivered, found);
    }
    let (ledger, shadow) = traced.read(&traced.file, &[]);
    assert_eq!((ledger.seen(), shadow.len()), (0, 0), "{ledger}");
}

#[test]
fn of_a_file_with_losses_all_that_can_be_opened_is_delivered() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl", "tcpdump", "tshark");
    let traced = Traced::new(&stage, |load| {
        load.closing(4, 50);
        load.keep_alive(4, 50);
    });
    let sent = traced.production.len();
    assert_eq!(sent, 800);
    let flags = ["--input-raw-tls-keylog", text(&traced.key_log)];
    let ports: BTreeMap<String, u16> = trace::requests(&traced.file, &traced.key_log, traced.port)
        .into_iter()
        .map(|request| (request.uri, request.port))
        .collect();
    for percent in [1, 5, 20] {
        let lossy = trace::drop_segments(&traced.file, traced.port, percent, 7);
        assert!(lossy.dropped > 0);
        let (ledger, shadow) = traced.read(&lossy.file, &flags);
        // Nothing invented, nothing twice.
        assert_eq!(traced.production.difference(&shadow).extra(), 0, "{ledger}");
        let delivered: BTreeSet<_> = shadow.0.iter().map(|entry| &*entry.uri).collect();
        assert_eq!(delivered.len(), shadow.len());
        // What belongs to a connection without a loss is all there.
        for (uri, port) in &ports {
            assert!(
                lossy.harmed.contains(port) || delivered.contains(&**uri),
                "{percent}%: {uri} is missing: {ledger}"
            );
        }
        // The rest is counted: as a request that was dropped, or as a connection that could not be opened.
        assert!(ledger.connections("gaps") > 0, "{ledger}");
        assert_eq!(ledger.delivered(0), shadow.len() as u64, "{ledger}");
    }
}

//! From one agent to another, and to others that take or bring whole messages: each test is named after its flag.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;

use shadow_tests::{Agent, Ledger, Netns, Stage, load, stage};

use crate::scene::Scene;

/// Starts an agent that takes relayed messages on `address`, and sends their requests to the scene's shadow.
fn receiver(scene: &Scene, address: &str, more: &[&str]) -> Agent {
    let arguments = [
        &["--input-tcp", address, "--output-http", &scene.shadow_url],
        more,
    ]
    .concat();
    let agent = Agent::spawn(scene.stage, &Netns::host(), &arguments);
    agent.wait_for_line("listening for other agents");
    agent
}

/// Starts an agent that captures the scene's production, and sends what it captures to another.
fn sender(scene: &Scene, address: &str, more: &[&str]) -> Agent {
    let input = format!(":{}", scene.port);
    let arguments = [&["--input-raw", &input, "--output-tcp", address], more].concat();
    Agent::start(scene.stage, &scene.server, &arguments)
}

/// Waits until an agent has seen so many requests and none is under way, and ends it.
pub fn stop_after(agent: Agent, requests: u64) -> Ledger {
    agent.wait_for_ledger("all requests have come", |ledger| ledger.seen() >= requests);
    agent.stop()
}

pub fn free_address() -> String {
    format!("127.0.0.1:{}", Netns::host().free_port())
}

#[test]
fn output_tcp() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let address = free_address();
    let second = receiver(&scene, &address, &[]);
    let first = sender(&scene, &address, &["--input-raw-track-response"]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 8, 50), 400);
    let production = scene.production.finish();
    let sent = stop_after(first, 400);
    let got = stop_after(second, 400);
    sent.assert_all_delivered(400);
    got.assert_all_delivered(400);
    production.assert_same_requests(&scene.shadow.finish());
}

#[test]
fn output_tcp_ack() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let (behind, front) = (free_address(), free_address());
    let second = receiver(&scene, &behind, &[]);
    let cutter = Cutter::start(&front, &behind);
    let first = sender(&scene, &front, &["--output-tcp-ack", "--output-tcp-workers=3"]);
    let mut requests = 0;
    for _ in 0..4 {
        requests += load::keep_alive(&scene.client, scene.v4, 4, 25);
        cutter.cut();
    }
    first.wait_for_ledger("all is acknowledged", |ledger| ledger.delivered(0) == requests);
    // The receiver is restarted in the middle of it: what it has taken it says, and the rest goes to its successor.
    let (got, third) = thread::scope(|scope| {
        let load = scope.spawn(|| load::keep_alive(&scene.client, scene.v4, 4, 100));
        second.wait_for_ledger("more has come", |ledger| ledger.seen() > requests);
        let restarted = (second.stop(), receiver(&scene, &behind, &[]));
        requests += load.join().expect("the load");
        restarted
    });
    first.wait_for_ledger("all is acknowledged", |ledger| ledger.delivered(0) == requests);
    let sent = first.stop();
    sent.assert_all_delivered(requests);
    let more = third.stop();
    for ledger in [&got, &more] {
        ledger.assert_all_delivered(ledger.seen());
        assert_eq!(of_sessions(ledger, "requests"), ledger.seen(), "{ledger}");
    }
    assert_eq!(got.seen() + more.seen(), requests);
    assert!(cutter.connections() > 3, "connections were cut");
    scene
        .production
        .finish()
        .assert_same_requests(&scene.shadow.finish());
}

/// A count of all sessions that an agent has received.
fn of_sessions(ledger: &Ledger, count: &str) -> u64 {
    let inputs = ledger.0["capture"]["inputs"].as_object().expect("inputs");
    let sessions = inputs.values().filter_map(|input| input["sessions"].as_object());
    sessions
        .flat_map(|sessions| sessions.values())
        .filter_map(|session| session[count].as_u64())
        .sum()
}

/// Passes bytes on between two addresses, and cuts all connections when told to.
struct Cutter {
    open: Arc<Mutex<Vec<TcpStream>>>,
    connections: Arc<AtomicUsize>,
}

impl Cutter {
    fn start(front: &str, behind: &str) -> Self {
        let listener = TcpListener::bind(front).expect("an address");
        let behind = behind.to_owned();
        let cutter = Self {
            open: Arc::default(),
            connections: Arc::default(),
        };
        let (open, connections) = (Arc::clone(&cutter.open), Arc::clone(&cutter.connections));
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // While the other side is restarted there is none; the sender comes again.
                let Ok(far) = TcpStream::connect(&behind) else {
                    continue;
                };
                connections.fetch_add(1, Relaxed);
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (
                        from.try_clone().expect("a socket"),
                        to.try_clone().expect("a socket"),
                    );
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                open.lock().expect("no panic").extend([near, far]);
            }
        });
        cutter
    }

    fn cut(&self) {
        for stream in self.open.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

#[test]
fn input_tcp() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let address = free_address();
    let agent = receiver(&scene, &address, &[]);
    let mut gor = TcpStream::connect(&address).expect("a connection");
    // As a relay of GoReplay's sends it, with its line end too many.
    let record = "1 f45590522cd1838b4a0d5c5aab80b77929dea3b3 7 5\nGET /relayed HTTP/1.1\r\nHost: a\r\n\r\n\n\n🐵🙈🙉\n";
    gor.write_all(record.repeat(3).as_bytes()).expect("records");
    let mut other = TcpStream::connect(&address).expect("a connection");
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("nonsense");
    assert_eq!(other.read(&mut [0; 1]).unwrap_or(0), 0, "it is closed");
    let ledger = stop_after(agent, 3);
    ledger.assert_all_delivered(3);
    let input = &ledger.0["capture"]["inputs"][format!("tcp {address}")];
    assert_eq!(
        (&input["messages"], &input["closed"]["malformed"]),
        (&3.into(), &1.into()),
        "{ledger}"
    );
    drop(scene.production.finish());
    let shadow = scene.shadow.finish();
    assert!(shadow.0.iter().all(|entry| entry.uri == "/relayed"));
    assert_eq!(shadow.len(), 3);
}

/// A certificate for 127.0.0.1 that vouches for itself, and its key. As `openssl` makes them by default, it is an
/// authority's, too.
fn certificate(stage: &Stage, name: &str) -> (String, String) {
    let path = |end: &str| stage.path(&format!("{name}.{end}")).display().to_string();
    let (certificate, key) = (path("pem"), path("key"));
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=relay.test \
                   -addext subjectAltName=IP:127.0.0.1";
    let mut arguments: Vec<&str> = request.split_whitespace().collect();
    arguments.extend(["-keyout", &key, "-out", &certificate]);
    Netns::host().run("openssl", &arguments);
    (certificate, key)
}

#[test]
fn input_tcp_secure() {
    let stage = stage!("root", "agent", "nginx", "openssl");
    let scene = Scene::on_lo(&stage);
    let address = free_address();
    let (certificate, key) = certificate(&stage, "server");
    let (client, client_key) = self::certificate(&stage, "client");
    let second = receiver(
        &scene,
        &address,
        &[
            "--input-tcp-secure",
            "--input-tcp-certificate",
            &certificate,
            "--input-tcp-certificate-key",
            &key,
            "--input-tcp-client-ca",
            &client,
        ],
    );
    let secure = [
        "--output-tcp-secure",
        "--output-tcp-ca",
        &certificate,
        "--output-tcp-ack",
    ];
    // Without a certificate nobody is let in, and nothing is lost: it waits.
    let stranger = sender(&scene, &address, &secure);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 5), 10);
    stranger.wait_for_line("not connected");
    let refused = stranger.ledger_now();
    assert_eq!(refused.delivered(0), 0, "{refused}");
    drop(stranger);
    let first = sender(
        &scene,
        &address,
        &[
            &secure[..],
            &[
                "--output-tcp-certificate",
                &client,
                "--output-tcp-certificate-key",
                &client_key,
            ],
        ]
        .concat(),
    );
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    first.wait_for_ledger("all is acknowledged", |ledger| ledger.delivered(0) == 100);
    first.stop().assert_all_delivered(100);
    let got = stop_after(second, 100);
    got.assert_all_delivered(100);
    assert!(
        got.0["capture"]["inputs"][format!("tcp {address}")]["closed"]["tls"].as_u64() > Some(0),
        "{got}"
    );
}

/// The bytes that arrive on each connection to a listener, until nothing comes for a while.
fn listen_for(listener: TcpListener) -> thread::JoinHandle<Vec<Vec<u8>>> {
    thread::spawn(move || {
        let mut readers = Vec::new();
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut first = [0; 1];
            if stream.read(&mut first).unwrap_or(0) == 1 && first == *b"." {
                break;
            }
            readers.push(thread::spawn(move || {
                let mut all = first.to_vec();
                let _ = stream.read_to_end(&mut all);
                all
            }));
        }
        readers
            .into_iter()
            .map(|reader| reader.join().expect("bytes"))
            .collect()
    })
}

/// The bytes that arrive at a listener of 100 requests and their responses, connection by connection.
fn relayed_to_a_listener(stage: &Stage, more: &[&str]) -> Vec<Vec<u8>> {
    let scene = Scene::on_lo(stage);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let reading = listen_for(listener);
    let agent = sender(
        &scene,
        &address,
        &[&["--input-raw-track-response"], more].concat(),
    );
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    scene.production.finish();
    agent.wait_for_ledger("all is sent", |ledger| ledger.delivered(0) == 100);
    agent.stop().assert_all_delivered(100);
    let mut last = TcpStream::connect(&address).expect("a connection");
    last.write_all(b".").expect("the end");
    reading.join().expect("connections")
}

#[test]
fn output_tcp_workers() {
    let stage = stage!("root", "agent", "nginx");
    let connections = relayed_to_a_listener(&stage, &["--output-tcp-workers=3"]);
    assert_eq!(connections.len(), 3);
    let all: Vec<_> = connections.iter().map(|bytes| ids(bytes).len()).collect();
    assert_eq!(all.iter().sum::<usize>(), 200, "they take turns: {all:?}");
    assert!(all.iter().all(|count| *count >= 66), "{all:?}");
}

#[test]
fn output_tcp_sticky() {
    let stage = stage!("root", "agent", "nginx");
    let connections = relayed_to_a_listener(&stage, &["--output-tcp-sticky"]);
    assert!(connections.len() > 1);
    let mut seen = std::collections::HashMap::new();
    for (number, bytes) in connections.iter().enumerate() {
        for (kind, id) in ids(bytes) {
            let (first, kinds) = seen.entry(id).or_insert((number, String::new()));
            assert_eq!(*first, number, "one exchange is on one connection");
            kinds.push(kind);
        }
    }
    assert_eq!(seen.len(), 100);
    assert!(
        seen.values().all(|(_, kinds)| kinds == "12"),
        "the request comes first"
    );
}

/// The ids of the records in some bytes, with their types.
pub fn ids(bytes: &[u8]) -> Vec<(char, String)> {
    let text = String::from_utf8_lossy(bytes);
    let headers = text
        .split_terminator("\n🐵🙈🙉\n")
        .filter_map(|record| record.lines().next());
    headers
        .map(|header| {
            let mut fields = header.split(' ');
            let kind = fields
                .next()
                .and_then(|kind| kind.chars().next())
                .unwrap_or_default();
            (kind, fields.next().unwrap_or_default().to_owned())
        })
        .collect()
}

#[test]
fn output_tcp_skip_verify() {
    let stage = stage!("root", "agent", "nginx", "openssl");
    let scene = Scene::on_lo(&stage);
    let address = free_address();
    let (certificate, key) = certificate(&stage, "server");
    let second = receiver(
        &scene,
        &address,
        &[
            "--input-tcp-secure",
            "--input-tcp-certificate",
            &certificate,
            "--input-tcp-certificate-key",
            &key,
        ],
    );
    // Nobody on this machine vouches for it: it is refused unless that is not asked.
    let careful = sender(&scene, &address, &["--output-tcp-secure"]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 1, 1), 1);
    careful.wait_for_line("not connected");
    drop(careful);
    let first = sender(
        &scene,
        &address,
        &["--output-tcp-secure", "--output-tcp-skip-verify"],
    );
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    stop_after(second, 100).assert_all_delivered(100);
    first.stop().assert_all_delivered(100);
}

#[test]
fn relays_log_their_queues() {
    let stage = stage!("root", "agent");
    let port = Netns::host().free_port();
    let (tcp, ws) = (format!("127.0.0.1:{port}"), format!("ws://127.0.0.1:{port}"));
    let flags = [
        "--input-dummy",
        "x",
        "--output-tcp",
        &tcp,
        "--output-tcp-stats",
        "--output-ws",
        &ws,
        "--output-ws-stats",
    ];
    let agent = Agent::spawn(
        &stage,
        &Netns::host(),
        &[&flags[..], &["--shutdown-timeout=1s"]].concat(),
    );
    for name in [
        format!("queue output=\"tcp://{tcp}\""),
        format!("queue output=\"{ws}\""),
    ] {
        let line = agent.wait_for_line(&name);
        assert!(
            line.contains("queued=") && line.contains("connections=0"),
            "{line}"
        );
    }
    agent.stop().assert_closed();
}

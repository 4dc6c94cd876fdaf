//! The port as its clients meet it: over real sockets.

mod report;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::metrics::Snapshot;
use super::server::{HEAD_TIMEOUT, MAX_CONNECTIONS, MAX_REQUEST};
use super::{Desk, Order, Readiness, Server};
use crate::compare::live::LiveDocument;
use crate::health::{Health, Heart};
use crate::listen::Listen;
use crate::listen::bind;
use crate::mirror::gate::{Gate, PauseCause};
use crate::secret::Secret;

/// A port, and what stands behind it.
struct Rig {
    server: Server,
    health: Health,
    readiness: Readiness,
    gate: Gate,
    _heart: Heart,
}

impl Rig {
    /// The run answers orders with this.
    fn with(token: Option<&str>, run: impl FnMut(Order) + Send + 'static) -> Self {
        Self::comparing(token, None, run)
    }

    /// With a comparison, where there is one.
    fn comparing(
        token: Option<&str>,
        live: Option<LiveDocument>,
        mut run: impl FnMut(Order) + Send + 'static,
    ) -> Self {
        let (orders, mut inbox) = mpsc::channel(super::MAX_ORDERS);
        std::thread::spawn(move || {
            while let Some(order) = inbox.blocking_recv() {
                run(order);
            }
        });
        let health = Health::default();
        let (readiness, gate) = (Readiness::default(), Gate::default());
        let desk = Desk {
            health: health.clone(),
            readiness: readiness.clone(),
            gate: gate.clone(),
            orders,
            token: token.map(|token| Secret(token.to_owned())),
            live,
        };
        let listener = bind("--http-listen", Listen::Address("127.0.0.1:0".parse().unwrap())).unwrap();
        Self {
            server: Server::start(listener, desk, || {}).unwrap(),
            _heart: health.watch("shard-0"),
            health,
            readiness,
            gate,
        }
    }

    fn new() -> Self {
        Self::with(None, |order| match order {
            Order::Pause(answer) | Order::Resume(answer) => answer.send(Ok(())).unwrap(),
            Order::Count(answer) => answer.send(Box::new(Snapshot::default())).unwrap(),
        })
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let (status, _, body) = self.say(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        (status, body)
    }

    /// Status, head and body of the answer to these bytes.
    fn say(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
    }
}

#[test]
fn it_is_healthy_while_its_shards_beat() {
    let rig = Rig::new();
    assert_eq!(rig.ask("GET", "/healthz"), (200, "ok\n".to_owned()));
    let heart = rig.health.watch("shard-1");
    let died = std::thread::spawn(move || {
        let _heart = heart;
        panic!("for the test");
    });
    assert!(died.join().is_err());
    assert_eq!(
        rig.ask("GET", "/healthz"),
        (503, "shard-1: panicked\n".to_owned())
    );
}

#[test]
fn it_is_ready_when_every_condition_is_good() {
    let rig = Rig::new();
    assert_eq!(rig.ask("GET", "/readyz"), (503, "not ready\n".to_owned()));
    rig.readiness.set("capture", Ok(()));
    assert_eq!(
        rig.ask("GET", "/readyz"),
        (200, "ready\ncapture: ok\n".to_owned())
    );
    rig.readiness.set("pods", Err("forbidden".to_owned()));
    assert_eq!(
        rig.ask("GET", "/readyz"),
        (503, "not ready\ncapture: ok\npods: forbidden\n".to_owned())
    );
}

#[test]
fn paused_is_ready_and_says_so() {
    let rig = Rig::new();
    rig.readiness.set("capture", Ok(()));
    rig.gate.pause(PauseCause::Expired);
    let (status, body) = rig.ask("GET", "/readyz");
    assert_eq!(status, 200);
    assert_eq!(
        body,
        "ready\ncapture: ok\n\
         paused: expired: the period of --expire-after has ended; POST /resume starts a new one\n"
    );
}

#[test]
fn metrics_are_in_the_text_format_and_end_as_it_has_it() {
    let (status, head, body) = Rig::new().say("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(
        body.starts_with("# HELP shadow_agent_requests_seen ") && body.ends_with("# EOF\n"),
        "{body}"
    );
}

#[test]
fn a_pause_holds_from_the_first_moment_and_the_run_is_told() {
    let (told, orders) = std::sync::mpsc::channel();
    let rig = Rig::with(None, move |order| {
        let (word, answer) = match order {
            Order::Pause(answer) => ("pause", answer),
            Order::Resume(answer) => ("resume", answer),
            Order::Count(_) => return,
        };
        told.send(word).unwrap();
        answer.send(Ok(())).unwrap();
    });
    assert_eq!(
        rig.ask("POST", "/pause"),
        (200, "paused: nothing is captured or sent\n".to_owned())
    );
    assert!(rig.gate.is_paused());
    rig.gate.resume(PauseCause::Asked);
    assert_eq!(rig.ask("POST", "/resume"), (200, "resumed\n".to_owned()));
    assert_eq!(orders.try_iter().collect::<Vec<_>>(), ["pause", "resume"]);
}

#[test]
fn the_gate_closes_even_if_the_run_does_not_answer() {
    let fails = Rig::with(None, |order| {
        if let Order::Pause(answer) | Order::Resume(answer) = order {
            answer.send(Err("no map".to_owned())).unwrap();
        }
    });
    assert_eq!(
        fails.ask("POST", "/pause"),
        (
            500,
            "paused: nothing is sent, but capture continues: no map\n".to_owned()
        )
    );
    assert!(fails.gate.is_paused());
    assert_eq!(
        fails.ask("POST", "/resume"),
        (500, "not resumed: no map\n".to_owned())
    );
    let silent = Rig::with(None, drop);
    assert_eq!(silent.ask("POST", "/pause").0, 202);
    assert!(silent.gate.is_paused());
    assert_eq!(silent.ask("POST", "/resume").0, 503);
    assert_eq!(silent.ask("GET", "/metrics").0, 503);
}

#[test]
fn each_path_has_its_methods() {
    let rig = Rig::new();
    for path in ["/pause", "/resume"] {
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let (status, head, _) = rig.say(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert_eq!(status, 405, "{method} {path}");
            assert!(head.contains("allow: POST"), "{head}");
        }
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(rig.ask("POST", path).0, 405, "{path}");
    }
    for path in [
        "/metric",
        "/healthz/",
        "/pause/x",
        "//pause",
        "/report/",
        "/report.htm",
    ] {
        assert_eq!(rig.ask("GET", path).0, 404, "{path}");
        assert_eq!(rig.ask("POST", path).0, 404, "{path}");
    }
    assert!(!rig.gate.is_paused());
}

#[test]
fn head_is_get_without_a_body() {
    let rig = Rig::new();
    let (status, head, body) = rig.say("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length: 3"), "{head}");
}

#[test]
fn with_a_token_orders_need_it() {
    let rig = Rig::with(Some("s3cret"), |order| {
        if let Order::Pause(answer) = order {
            answer.send(Ok(())).unwrap();
        }
    });
    let (status, head, _) = rig.say("POST /pause HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status, 401);
    assert!(head.contains("www-authenticate: Bearer"), "{head}");
    assert!(!rig.gate.is_paused());
    let (status, ..) = rig.say("POST /pause HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret\r\n\r\n");
    assert_eq!(status, 200);
    assert!(rig.gate.is_paused());
    // Reading needs none.
    assert_eq!(rig.ask("GET", "/healthz").0, 200);
}

#[test]
fn a_web_page_gives_no_orders() {
    let rig = Rig::new();
    let (status, ..) = rig.say("POST /pause HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n");
    assert_eq!(status, 403);
    assert!(!rig.gate.is_paused());
}

#[test]
fn requests_beyond_their_bounds_are_refused() {
    let rig = Rig::new();
    let long = "x".repeat(2 * MAX_REQUEST);
    let (status, ..) = rig.say(&format!("GET /healthz HTTP/1.1\r\nX: {long}\r\n\r\n"));
    assert_eq!(status, 431);
    let fields = "X: a\r\n".repeat(100);
    assert_eq!(rig.say(&format!("GET /healthz HTTP/1.1\r\n{fields}\r\n")).0, 431);
    let (status, ..) = rig.say("POST /pause HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    assert_eq!(status, 413);
    let chunk = "x".repeat(5000);
    let (status, ..) = rig.say(&format!(
        "POST /pause HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n{chunk}\r\n0\r\n\r\n"
    ));
    assert_eq!(status, 413);
    assert!(!rig.gate.is_paused());
    assert_eq!(rig.say("nonsense\r\n\r\n").0, 400);
    // A small body is nobody's business.
    let (status, ..) = rig.say("POST /pause HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(status, 200);
}

#[test]
fn a_client_that_dawdles_is_cut_off() {
    let rig = Rig::new();
    let start = Instant::now();
    let mut stream = TcpStream::connect(rig.address()).unwrap();
    stream.write_all(b"GET /healthz HTT").unwrap();
    stream
        .set_read_timeout(Some(HEAD_TIMEOUT + Duration::from_secs(20)))
        .unwrap();
    let mut answer = Vec::new();
    // Closed, in whatever way.
    let _ = stream.read_to_end(&mut answer);
    assert!(start.elapsed() < HEAD_TIMEOUT + Duration::from_secs(10));
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn connections_that_are_held_open_keep_nobody_out() {
    let rig = Rig::new();
    let held: Vec<_> = (0..MAX_CONNECTIONS * 3)
        .map(|_| TcpStream::connect(rig.address()).unwrap())
        .collect();
    assert_eq!(rig.ask("GET", "/healthz").0, 200);
    // The oldest had to go.
    let mut first = &held[0];
    let closed = first.read(&mut [0]);
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}

#[test]
fn a_client_gone_wild_is_slowed_down() {
    let rig = Rig::new();
    let start = Instant::now();
    for _ in 0..60 {
        assert_eq!(rig.ask("GET", "/healthz").0, 200);
    }
    // Twenty at once, and twenty more in each tenth of a second.
    assert!(
        start.elapsed() >= Duration::from_millis(150),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn the_port_is_free_once_the_server_is_dropped() {
    let rig = Rig::new();
    let address = rig.address();
    let _held = TcpStream::connect(address).unwrap();
    drop(rig);
    assert!(bind("--http-listen", Listen::Address(address)).is_ok());
}

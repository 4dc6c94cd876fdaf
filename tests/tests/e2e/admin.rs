//! The agent's HTTP port, its term and its CPU budget, with real capture and real servers.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use shadow_tests::fault::{Fault, FaultServer};
use shadow_tests::metrics::{Metrics, ask};
use shadow_tests::{Agent, Netns, Wrk, load, stage, until};

use crate::scene::Scene;

/// The time that the kill switch may take.
const A_SECOND: Duration = Duration::from_secs(1);

/// Starts the agent with its port open, and gives the port.
fn mirror(scene: &Scene<'_>, more: &[&str]) -> (Agent, SocketAddr) {
    let port = SocketAddr::from((Ipv4Addr::LOCALHOST, scene.server.free_port()));
    let listen = port.to_string();
    let agent = scene.mirror(&[&["--http-listen", &listen], more].concat());
    agent.wait_for_line("serving HTTP");
    (agent, port)
}

/// Gives an order, which must be obeyed within a second.
fn order(scene: &Scene<'_>, port: SocketAddr, path: &str) {
    let start = Instant::now();
    let (status, body) = ask(&scene.server, port, "POST", path);
    assert_eq!(status, 200, "{body}");
    assert!(start.elapsed() < A_SECOND, "{path} took {:?}", start.elapsed());
}

fn is(value: f64, expected: u32) -> bool {
    (value - f64::from(expected)).abs() < f64::EPSILON
}

#[test]
fn a_pause_ends_capture_within_a_second_and_a_resume_begins_it_again() {
    let stage = stage!("root", "agent", "nginx");
    for engine in ["tc", "cgroup"] {
        let scene = Scene::across(&stage);
        let (agent, port) = mirror(&scene, &["--input-raw-engine", engine]);
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
        agent.wait_for_ledger("all are delivered", |ledger| ledger.delivered(0) == 100);
        order(&scene, port, "/pause");
        let (status, body) = ask(&scene.server, port, "GET", "/readyz");
        assert_eq!(status, 200, "{body}");
        assert!(body.contains("paused: asked"), "{body}");
        let before = agent.ledger_now().capture("packets_selected");
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
        let ledger = agent.ledger_now();
        ledger.assert_balanced();
        assert_eq!(
            (ledger.seen(), ledger.capture("packets_selected")),
            (100, before),
            "{engine}: {ledger}"
        );
        let metrics = Metrics::scrape(&scene.server, port);
        assert!(is(metrics.sum("shadow_agent_paused", &[("cause", "asked")]), 1));
        assert!(metrics.sum("shadow_agent_paused_seconds_total", &[("cause", "asked")]) > 0.0);
        order(&scene, port, "/resume");
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
        let finished = scene.finish(agent);
        assert_eq!(finished.production.len(), 300, "{engine}");
        assert_eq!(finished.shadow.len(), 200, "{engine}");
        finished.ledger.assert_all_delivered(200);
    }
}

#[test]
fn a_pause_settles_what_waits_within_a_second() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let silent = FaultServer::start(&Netns::host(), Ipv4Addr::LOCALHOST.into(), Fault::NeverAnswers);
    let port = SocketAddr::from((Ipv4Addr::LOCALHOST, scene.server.free_port()));
    let (input, output) = (format!(":{}", scene.port), format!("http://{}", silent.address));
    let listen = port.to_string();
    let arguments = [
        "--input-raw",
        &input,
        "--output-http",
        &output,
        "--output-http-timeout",
        "60s",
        "--http-listen",
        &listen,
    ];
    let agent = Agent::start(&stage, &scene.server, &arguments);
    agent.wait_for_line("serving HTTP");
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 10), 40);
    agent.wait_for_ledger("all are seen", |ledger| ledger.seen() == 40);
    let metrics = Metrics::scrape(&scene.server, port);
    assert!(is(metrics.sum("shadow_agent_requests_in_flight", &[]), 40));
    let start = Instant::now();
    order(&scene, port, "/pause");
    let paused = [("reason", "paused")];
    until("what waits is settled", || {
        let metrics = Metrics::scrape(&scene.server, port);
        is(metrics.sum("shadow_agent_requests_dropped_total", &paused), 40)
    });
    assert!(start.elapsed() < A_SECOND, "{:?}", start.elapsed());
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!(ledger.dropped(0, "paused"), 40, "{ledger}");
}

#[test]
fn a_connection_may_be_resumed_after_a_pause() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let (agent, port) = mirror(&scene, &["--input-raw-resume"]);
    let mut connection = shadow_tests::client::Connection::open(&scene.client, scene.v4);
    let mut get = |id: &str| assert_eq!(connection.get("/page", id).status, 200);
    get("before");
    agent.wait_for_ledger("it is delivered", |ledger| ledger.delivered(0) == 1);
    order(&scene, port, "/pause");
    for round in 0..50 {
        get(&format!("meanwhile-{round}"));
    }
    // Until the shards have let go of the connection, and not just of its requests.
    agent.wait_for_ledger("its connection is let go", |ledger| {
        ledger.connections("open") == 0
    });
    order(&scene, port, "/resume");
    // The first cannot be told from the middle of an upload; see README.
    for round in 0..5 {
        get(&format!("after-{round}"));
    }
    let ledger = scene.finish(agent).ledger;
    assert_eq!(
        ledger.dropped(0, "paused") + ledger.dropped(0, "gap"),
        0,
        "{ledger}"
    );
    assert!(ledger.delivered(0) > 4 && ledger.seen() <= 6, "{ledger}");
}

#[test]
fn a_term_that_is_over_pauses_and_a_resume_starts_another() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let (agent, port) = mirror(&scene, &["--expire-after", "1s"]);
    for _ in 0..2 {
        until("it has expired", || {
            ask(&scene.server, port, "GET", "/readyz")
                .1
                .contains("paused: expired")
        });
        let (status, _) = ask(&scene.server, port, "GET", "/readyz");
        assert_eq!(status, 200);
        let metrics = Metrics::scrape(&scene.server, port);
        assert!(is(metrics.sum("shadow_agent_paused", &[("cause", "expired")]), 1));
        let seen = agent.ledger_now().seen();
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 10), 20);
        assert_eq!(agent.ledger_now().assert_balanced().seen(), seen);
        order(&scene, port, "/resume");
    }
    assert!(agent.stderr().contains("expired"), "{}", agent.stderr());
    agent.stop().assert_closed();
}

#[test]
fn without_a_port_the_run_ends_with_its_term() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let mut agent = scene.mirror(&["--expire-after", "2s"]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 10), 20);
    agent.finish().assert_all_delivered(20);
    assert!(agent.stderr().contains("expired"), "{}", agent.stderr());
}

#[test]
fn it_is_ready_while_it_captures_and_not_once_it_ends() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let silent = FaultServer::start(&Netns::host(), Ipv4Addr::LOCALHOST.into(), Fault::NeverAnswers);
    let url = format!("http://{}", silent.address);
    let (mut agent, port) = mirror(
        &scene,
        &[
            "--output-http",
            &url,
            "--output-http-timeout",
            "60s",
            "--shutdown-timeout",
            "20s",
        ],
    );
    let get = |path: &str| ask(&scene.server, port, "GET", path);
    assert_eq!(get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz"), (200, "ready\ncapture: ok\n".to_owned()));
    assert_eq!(get("/pause").0, 405);
    assert_eq!(get("/").0, 404);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 1, 1), 1);
    agent.wait_for_ledger("it is seen", |ledger| ledger.seen() == 1);
    agent.signal(Signal::SIGTERM);
    until("it says that it ends", || get("/readyz").0 == 503);
    assert_eq!(
        get("/readyz").1,
        "not ready\ncapture: the agent is stopping\n".to_owned()
    );
    assert_eq!(get("/healthz").0, 200);
    agent.signal(Signal::SIGTERM);
    agent.finish().assert_closed();
}

/// A capture file (raw IP) of one connection to port 80 with so many requests, each in a segment of its own.
fn capture_file(requests: u32) -> Vec<u8> {
    // Magic number, version 2.4, snap length, LINKTYPE_RAW.
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101_u32] {
        file.extend(word.to_le_bytes());
    }
    let mut sequence = 1000_u32;
    for number in 0..=requests {
        let (flags, payload) = match number {
            0 => (0x02_u8, String::new()),
            _ => (
                0x18,
                format!("GET /{number} HTTP/1.1\r\nHost: a\r\nX-Id: {number}\r\n\r\n"),
            ),
        };
        let mut packet = vec![0x45, 0];
        packet.extend((40 + payload.len() as u16).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0x9c, 0x40, 0, 80]);
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(payload.as_bytes());
        for word in [number, 0, packet.len() as u32, packet.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&packet);
        sequence += if flags == 0x02 { 1 } else { payload.len() as u32 };
    }
    file
}

#[test]
fn a_pause_holds_up_a_capture_file_and_a_resume_goes_on_with_it() {
    const REQUESTS: u32 = 3000;
    let stage = stage!("root", "agent");
    let host = Netns::host();
    let slow = Fault::Slow(Duration::from_millis(1));
    let shadow = FaultServer::start(&host, Ipv4Addr::LOCALHOST.into(), slow);
    let file = stage.path("requests.pcap");
    std::fs::write(&file, capture_file(REQUESTS)).expect("the file");
    let port = SocketAddr::from((Ipv4Addr::LOCALHOST, host.free_port()));
    let (input, output) = (file.display().to_string(), format!("http://{}", shadow.address));
    let listen = port.to_string();
    let arguments = [
        "--input-raw",
        &input,
        "--output-http",
        &output,
        "--output-http-queue-len",
        "600",
        "--http-listen",
        &listen,
    ];
    let mut agent = Agent::spawn(&stage, &host, &arguments);
    agent.wait_for_line("serving HTTP");
    assert_eq!(
        ask(&host, port, "GET", "/readyz"),
        (200, "ready\nfiles: ok\n".to_owned())
    );
    assert_eq!(ask(&host, port, "POST", "/pause").0, 200);
    let ledger = agent.wait_for_ledger("what waits is settled", |ledger| ledger.of(0, "in_flight") == 0);
    assert!(ledger.seen() < u64::from(REQUESTS), "{ledger}");
    // It is healthy meanwhile, and no further.
    assert_eq!(ask(&host, port, "GET", "/healthz").0, 200);
    assert_eq!(agent.ledger_now().seen(), ledger.seen());
    assert!(agent.is_running());
    assert_eq!(ask(&host, port, "POST", "/resume").0, 200);
    let ledger = agent.finish();
    ledger.assert_closed();
    let (delivered, paused) = (ledger.delivered(0), ledger.dropped(0, "paused"));
    assert_eq!(ledger.seen(), u64::from(REQUESTS), "{ledger}");
    assert_eq!(delivered + paused, u64::from(REQUESTS), "{ledger}");
    assert!(delivered > 0 && paused < 1000, "{ledger}");
}

#[test]
fn a_port_in_use_is_refused_before_anything_is_attached() {
    let stage = stage!("root", "agent");
    let host = Netns::host();
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let listen = taken.local_addr().expect("its address").to_string();
    let output = Agent::output(
        &host,
        &["--input-raw", ":1", "--output-null", "--http-listen", &listen],
    );
    assert_eq!(output.status.code(), Some(1));
    let message = format!("--http-listen '{listen}'");
    assert!(output.stderr.contains(&message), "{}", output.stderr);
    assert!(
        output.stderr.contains("another process is listening there"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("capturing"), "{}", output.stderr);
    drop(stage);
}

#[test]
fn over_its_cpu_budget_it_leaves_requests_out_and_counts_them() {
    let stage = stage!("root", "agent", "nginx", "wrk");
    let scene = Scene::on_lo(&stage);
    let (agent, port) = mirror(&scene, &["--max-cpu", "5%"]);
    let url = format!("http://{}/page", scene.v4);
    let wrk = Wrk {
        threads: 1,
        connections: 20,
        seconds: 6,
    };
    assert_eq!(wrk.run(&scene.client, &url).errors, 0);
    let ledger = agent.wait_for_ledger("requests are left out", |ledger| ledger.of(0, "limited") > 0);
    let metrics = Metrics::scrape(&scene.server, port);
    assert!(
        metrics.sum("shadow_agent_requests_total", &[("outcome", "limited")])
            >= ledger.of(0, "limited") as f64
    );
    assert!(agent.stderr().contains("over --max-cpu"), "{}", agent.stderr());
    agent.stop().assert_closed();
}

#[test]
fn capture_rests_when_reading_alone_exceeds_the_cpu_budget() {
    let stage = stage!("root", "agent", "nginx", "wrk");
    let scene = Scene::on_lo(&stage);
    let (agent, port) = mirror(&scene, &["--max-cpu", "1%"]);
    let url = format!("http://{}/page", scene.v4);
    // Seven seconds to the smallest share, and five with it.
    let wrk = Wrk {
        threads: 1,
        connections: 20,
        seconds: 16,
    };
    std::thread::scope(|scope| {
        let load = scope.spawn(|| wrk.run(&scene.client, &url));
        agent.wait_for_line("pausing capture");
        let (status, body) = ask(&scene.server, port, "GET", "/readyz");
        assert!(status == 200 && body.contains("paused: cpu"), "{status} {body}");
        // Nobody's order ends it; it does so by itself.
        assert_eq!(ask(&scene.server, port, "POST", "/resume").0, 200);
        let cpu = [("cause", "cpu")];
        assert!(is(
            Metrics::scrape(&scene.server, port).sum("shadow_agent_paused", &cpu),
            1
        ));
        until("capture is tried again", || {
            is(
                Metrics::scrape(&scene.server, port).sum("shadow_agent_paused", &cpu),
                0,
            )
        });
        let rested = Metrics::scrape(&scene.server, port).sum("shadow_agent_paused_seconds_total", &cpu);
        assert!(rested > 9.0, "{rested}");
        assert_eq!(load.join().expect("wrk ran").errors, 0);
    });
    agent.stop().assert_closed();
}

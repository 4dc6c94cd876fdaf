//! The flags that say what `--input-raw` takes, and how: one test each, named after it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use shadow_tests::client::{Connection, noise, with_body};
use shadow_tests::frames::{Frame, read, record, send_in_vxlan, write};
use shadow_tests::{Agent, Ledger, Netns, NginxSetup, load, stage};

use crate::scene::Scene;

/// Bytes of a frame that are kept: all of them.
pub const WHOLE: usize = 262_144;

/// Records what production and a client said to each other: `requests` connections with one request each, in frames.
pub fn recorded(scene: &Scene, ids: &[&str]) -> Vec<Frame> {
    let end = &scene.veths[0].left;
    let file = record(
        scene.stage,
        &scene.server,
        &end.interface,
        scene.port,
        WHOLE,
        "X-Id: last",
        || {
            for id in ids.iter().chain(&["last"]) {
                let mut connection = Connection::open(&scene.client, scene.v4);
                assert_eq!(connection.get("/recorded", id).status, 200);
            }
        },
    );
    read(&file)
}

/// Runs an agent without capture to its end.
pub fn replay(scene: &Scene, input: &str, more: &[&str]) -> (Ledger, String) {
    let arguments = [&["--input-raw", input, "--output-http", &scene.shadow_url], more].concat();
    let mut agent = Agent::spawn(scene.stage, &scene.server, &arguments);
    (agent.finish(), agent.stderr())
}

/// An agent beside production that is sent datagrams.
pub fn vxlan_agent(scene: &Scene, listen: SocketAddr, more: &[&str]) -> Agent {
    let listen = listen.to_string();
    let vxlan = ["--input-raw-engine", "vxlan", "--input-raw-vxlan-port", &listen];
    scene.mirror(&[&vxlan, more].concat())
}

#[test]
fn input_raw_realip_header() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::across(&stage);
    // The header that both servers log: what the client put in it is replaced.
    let agent = scene.mirror(&["--input-raw-realip-header", "X-ID", "--output-stdout"]);
    let mut connection = Connection::open(&scene.client, scene.v4);
    connection.send(
        "GET /forged HTTP/1.1\r\nHost: a\r\nX-Id: 10.0.0.1\r\nConnection: x-id\r\nx-id: 10.0.0.2\r\n\r\n",
    );
    assert_eq!(connection.response().status, 200);
    connection.send(with_body("POST", "/upload", "forged too", &noise(20_000, 1)));
    assert_eq!(connection.response().status, 200);
    let mut connection = Connection::open(&scene.client, scene.v6);
    assert_eq!(connection.get("/six", "forged as well").status, 200);
    let client = &scene.veths[0].right;
    let stdout = agent.stdout().to_owned();
    let (v4, v6) = (client.v4.to_string(), client.v6.to_string());
    let finished = scene.finish(agent);
    finished.ledger.assert_all_delivered(3);
    let (mut shadow, production) = (finished.shadow.0, finished.production.0);
    shadow.sort_by(|one, other| one.uri.cmp(&other.uri));
    let ids: Vec<_> = shadow
        .iter()
        .map(|entry| (entry.uri.as_str(), entry.id.as_str()))
        .collect();
    assert_eq!(ids, [("/forged", v4.as_str()), ("/six", &v6), ("/upload", &v4)]);
    assert_eq!(shadow[2].body, production[1].body);
    let records = fs::read(stdout).expect("the records");
    let records = String::from_utf8_lossy(&records);
    assert_eq!(records.matches(&format!("X-ID: {v4}\r\n")).count(), 2);
    assert_eq!(records.matches(&format!("X-ID: {v6}\r\n")).count(), 1);
    assert!(!records.contains("10.0.0.1") && !records.contains("forged too"));
}

#[test]
fn input_raw_bpf_filter() {
    let stage = stage!("root", "agent", "nginx");
    for engine in ["tc", "cgroup"] {
        let scene = Scene::across(&stage);
        let filter = format!(
            "tcp dst port {} and (src host {} or ip6) and not dst port 1",
            scene.port, scene.veths[1].right.v4
        );
        let agent = scene.mirror(&["--input-raw-engine", engine, "--input-raw-bpf-filter", &filter]);
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 3, 10), 30);
        assert_eq!(load::keep_alive(&scene.client, scene.v6, 2, 10), 20);
        let taken = SocketAddr::from((scene.veths[1].left.v4, scene.port));
        assert_eq!(load::keep_alive(&scene.other, taken, 4, 10), 40);
        let finished = scene.finish(agent);
        assert_eq!(finished.production.len(), 90);
        finished.ledger.assert_all_delivered(60);
        assert_eq!(finished.ledger.connections("left_out"), 3, "{}", finished.ledger);
        let left_out = finished.ledger.0["connections"]["skipped_bytes"]["left_out"].as_u64();
        assert!(
            left_out.is_some_and(|bytes| bytes > 30 * 50),
            "{}",
            finished.ledger
        );
        let others = finished
            .production
            .filter(|entry| entry.client.contains(':') || entry.client == taken_by(&filter));
        others.assert_same_requests(&finished.shadow);
    }
}

/// The address behind `src host`.
fn taken_by(filter: &str) -> &str {
    let (_, rest) = filter.split_once("src host ").expect("an address");
    rest.split(' ').next().unwrap_or_default()
}

#[test]
fn input_raw_bpf_filter_says_what_every_port_is() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::across(&stage);
    let filter = format!("portrange {}-{}", scene.port, scene.port);
    let agent = scene.mirror_from(":0", &["--input-raw-bpf-filter", &filter]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 10), 40);
    scene.finish(agent).assert_mirrored(40);
}

#[test]
fn input_raw_bpf_filter_narrows_capture_files_too() {
    let stage = stage!("root", "agent", "nginx", "tcpdump");
    let scene = Scene::across(&stage);
    let frames = recorded(&scene, &["one"]);
    let file = stage.path("two.pcap").display().to_string();
    write(file.as_ref(), &frames);
    let client = scene.veths[0].right.v4;
    let (ledger, _) = replay(
        &scene,
        &file,
        &["--input-raw-bpf-filter", &format!("src host {client}")],
    );
    ledger.assert_all_delivered(2);
    let (ledger, _) = replay(
        &scene,
        &file,
        &["--input-raw-bpf-filter", &format!("not host {client}")],
    );
    ledger.assert_all_delivered(0);
    assert_eq!(ledger.connections("left_out"), 2, "{ledger}");
}

#[test]
fn input_raw_ignore_interface() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::across(&stage);
    let ignored = &scene.veths[0].left.interface;
    // With a star in the place of its last letter.
    let pattern = format!("{}*", &ignored[..ignored.len() - 1]);
    let agent = scene.mirror(&[
        "--input-raw-ignore-interface",
        &pattern,
        "--input-raw-ignore-interface",
        "x0",
    ]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 10), 20);
    let other = SocketAddr::from((scene.veths[1].left.v4, scene.port));
    assert_eq!(load::keep_alive(&scene.other, other, 3, 10), 30);
    let finished = scene.finish(agent);
    assert_eq!(finished.production.len(), 50);
    finished.ledger.assert_all_delivered(30);
}

#[test]
fn input_raw_expire() {
    let stage = stage!("root", "agent", "nginx", "tcpdump");
    let scene = Scene::across(&stage);
    // An upload that pauses for longer is not lost.
    let agent = scene.mirror(&["--input-raw-expire", "200ms"]);
    let upload = with_body("POST", "/upload", "slow", &noise(5_000, 2));
    let mut connection = Connection::open(&scene.client, scene.v4);
    let (first, rest) = upload.split_at(3_000);
    connection.send(first);
    std::thread::sleep(Duration::from_secs(1));
    connection.send(rest);
    assert_eq!(connection.response().status, 200);
    agent.wait_for_ledger("the slow upload is delivered", |ledger| ledger.delivered(0) == 1);
    let ledger = agent.stop();
    ledger.assert_all_delivered(1);
    // A hole is given up after that time, while the connection is open.
    let end = &scene.veths[0].left;
    let file = record(
        &stage,
        &scene.server,
        &end.interface,
        scene.port,
        WHOLE,
        "the end",
        || {
            let mut connection = Connection::open(&scene.client, scene.v4);
            for part in [
                "POST /hole HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\n",
                "the start ",
                "the middle",
                "the end",
            ] {
                connection.send(part);
                std::thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(connection.response().status, 200);
        },
    );
    let frames: Vec<_> = read(&file)
        .into_iter()
        .filter(|frame| !frame.holds("the middle") && frame.ports().1 == scene.port)
        .collect();
    let last = frames
        .iter()
        .position(|frame| frame.holds("the end"))
        .expect("the end");
    let vxlan = SocketAddr::from((Ipv4Addr::LOCALHOST, scene.server.free_port()));
    let agent = vxlan_agent(&scene, vxlan, &["--input-raw-expire", "200ms"]);
    send_in_vxlan(&scene.server, vxlan, 1, &frames[..=last]);
    agent.wait_for_ledger("the hole is given up", |ledger| ledger.dropped(0, "gap") == 1);
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!(
        (ledger.seen(), ledger.connections("gap_bytes")),
        (1, 10),
        "{ledger}"
    );
}

#[test]
fn input_raw_allow_incomplete() {
    let stage = stage!("root", "agent", "nginx");
    // The shadow answers what is marked with a status of its own.
    let setup = NginxSetup {
        server: "location /marked { if ($http_x_shadow_incomplete) { return 417; } return 200; }".to_owned(),
        ..NginxSetup::default()
    };
    let scene = Scene::on_lo_with(&stage, &setup);
    let agent = scene.mirror(&["--input-raw-allow-incomplete", "--output-stdout"]);
    let body = noise(3_000, 3);
    for uri in ["/upload", "/marked"] {
        let whole = with_body("POST", uri, "cut", &body);
        let mut connection = Connection::open(&scene.client, scene.v4);
        connection.send(&whole[..whole.len() - 1_000]);
        drop(connection);
        agent.wait_for_ledger("it is delivered", |ledger| {
            ledger.delivered(0) == if uri == "/upload" { 1 } else { 2 }
        });
    }
    let mut connection = Connection::open(&scene.client, scene.v4);
    connection.send("POST /upload HTTP/1.1\r\nHost: a\r\nX-Id: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\nwor");
    connection.reset();
    agent.wait_for_ledger("it is delivered", |ledger| ledger.delivered(0) == 3);
    // What is whole is not marked, and goes on over the same connections to the shadow.
    let mut connection = Connection::open(&scene.client, scene.v4);
    connection.send(with_body("POST", "/upload", "whole", &body));
    assert_eq!(connection.response().status, 200);
    assert_eq!(connection.get("/marked", "whole").status, 200);
    // Of a torn head nothing can be made.
    let mut connection = Connection::open(&scene.client, scene.v4);
    connection.send("GET /torn HTTP/1.1\r\nHost: a\r\n");
    drop(connection);
    agent.wait_for_ledger("all has ended", |ledger| {
        ledger.delivered(1) == 5 && ledger.dropped(1, "truncated") == 1
    });
    let records = fs::read(agent.stdout()).expect("the records");
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(
        (ledger.seen(), ledger.delivered(0), ledger.dropped(0, "truncated")),
        (6, 5, 1),
        "{ledger}"
    );
    for output in 0..2 {
        assert_eq!(ledger.of(output, "incomplete"), 3, "{ledger}");
    }
    let shadow: Vec<_> = finished
        .shadow
        .0
        .iter()
        .map(|entry| (entry.id.as_str(), entry.status))
        .collect();
    assert_eq!(
        shadow,
        [
            ("cut", 200),
            ("cut", 417),
            ("chunked", 200),
            ("whole", 200),
            ("whole", 200)
        ]
    );
    let sizes: Vec<_> = finished
        .shadow
        .0
        .iter()
        .filter_map(|entry| Some(entry.body?.0))
        .collect();
    assert_eq!(sizes, [2_000, 8, 3_000]);
    let records = String::from_utf8_lossy(&records);
    // (A client that closes with an answer unread resets.)
    assert!(records.matches("X-Shadow-Incomplete: truncated\r\n").count() >= 1);
    assert!(records.matches("X-Shadow-Incomplete: reset\r\n").count() >= 1);
    assert_eq!(records.matches("X-Shadow-Incomplete: ").count(), 3);
}

#[test]
fn input_raw_allow_incomplete_ends_at_the_hole() {
    let stage = stage!("root", "agent", "nginx", "tcpdump");
    let scene = Scene::across(&stage);
    // Of each packet so many bytes are recorded: the rest is a hole.
    let end = &scene.veths[0].left;
    let upload = with_body("POST", "/upload", "cut", &noise(500, 4));
    let snap = 14 + 20 + 32 + upload.len() - 400;
    let file = record(
        &stage,
        &scene.server,
        &end.interface,
        scene.port,
        snap,
        "X-Id: last",
        || {
            let mut connection = Connection::open(&scene.client, scene.v4);
            connection.send(&upload);
            assert_eq!(connection.response().status, 200);
            assert_eq!(connection.get("/next", "last").status, 200);
        },
    );
    let file = file.display().to_string();
    let (ledger, _) = replay(&scene, &file, &[]);
    ledger.assert_closed();
    assert_eq!(
        (ledger.dropped(0, "gap"), ledger.delivered(0)),
        (1, 1),
        "{ledger}"
    );
    let (ledger, _) = replay(&scene, &file, &["--input-raw-allow-incomplete"]);
    ledger.assert_all_delivered(2);
    assert_eq!(ledger.of(0, "incomplete"), 1, "{ledger}");
    let sizes: Vec<_> = scene
        .shadow
        .finish()
        .0
        .iter()
        .filter_map(|entry| Some(entry.body?.0))
        .collect();
    assert_eq!(sizes, [100]);
}

#[test]
fn input_raw_engine_takes_the_names_of_goreplay() {
    let stage = stage!("root", "agent", "nginx");
    for engine in ["libpcap", "af_packet", "raw_socket", "pcap_file"] {
        let scene = Scene::on_lo(&stage);
        let agent = scene.mirror(&["--input-raw-engine", engine]);
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 5), 10);
        assert!(
            agent
                .stderr()
                .contains(&format!("--input-raw-engine {engine} has no effect"))
        );
        scene.finish(agent).assert_mirrored(10);
    }
}

#[test]
fn flags_that_tune_libpcap_are_taken_and_said_to_do_nothing() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let flags = [
        "--input-raw-buffer-timeout=2s",
        "--input-raw-override-snaplen",
        "--input-raw-promisc",
        "--input-raw-monitor",
        "--input-raw-timestamp-type=PCAP_TSTAMP_ADAPTER",
        "--input-raw-stats",
    ];
    let agent = scene.mirror(&[&flags[..], &["--input-raw-protocol=http"]].concat());
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 5), 10);
    for flag in flags {
        let name = flag.split('=').next().unwrap_or(flag);
        assert_eq!(
            agent.stderr().matches(&format!("{name} has no effect")).count(),
            1,
            "{flag}"
        );
    }
    scene.finish(agent).assert_mirrored(10);
}

#[test]
fn input_raw_protocol_binary_is_refused_with_the_reason() {
    let _stage = stage!("agent");
    let arguments = [
        "--input-raw",
        ":1",
        "--output-null",
        "--input-raw-protocol",
        "binary",
    ];
    let output = Agent::output(&Netns::host(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output.stderr.contains("cannot be replayed or counted"),
        "{}",
        output.stderr
    );
}

//! Only what production has served, and may have served, reaches the shadow; and for whom, behind a load balancer.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use shadow_agent::recording::Compression;
use shadow_tests::client::{Connection, get};
use shadow_tests::segment::{ACK, Conversation, FIN, RST, SYN, Segment, send, write};
use shadow_tests::{Agent, Ledger, Netns, Nginx, NginxSetup, Process, Stage, stage, until};

use crate::scene::Scene;

/// A SYN and, behind it, a request that acknowledges what nobody sent: twenty clients of 203.0.113.0/24 (RFC 5737).
fn forged(server: SocketAddr) -> Vec<Segment> {
    let SocketAddr::V4(server) = server else {
        panic!("an IPv4 address");
    };
    let of = |number: u8| SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, number), 40_000);
    let segment = |from, sequence, acknowledgment, flags, payload: &str| Segment {
        from,
        to: server,
        sequence,
        acknowledgment,
        flags,
        payload: payload.as_bytes().to_vec(),
    };
    let syns = (1..=20).map(|number| segment(of(number), 999, 0, SYN, ""));
    let requests =
        (1..=20).map(|number| segment(of(number), 1000, 7_777, ACK, &get("/forged", &number.to_string())));
    syns.chain(requests).collect()
}

#[test]
fn what_addresses_send_that_never_answer_is_not_mirrored() {
    let stage = stage!("root", "agent", "nginx", "ip");
    for engine in ["tc", "cgroup"] {
        let scene = Scene::across(&stage);
        // Where the answers go: to a host that does not know what they answer, and says nothing.
        let beyond = scene.veths[0].right.v4.to_string();
        scene.server.ip(&["route", "add", "default", "via", &beyond]);
        let agent = scene.mirror(&["--input-raw-engine", engine]);
        send(&scene.client, &forged(scene.v4));
        let mut connection = Connection::open(&scene.client, scene.v4);
        for number in 0..5 {
            assert_eq!(connection.get(&format!("/real/{number}"), "real").status, 200);
        }
        agent.wait_for_ledger("all are settled", |ledger| {
            ledger.seen() == 25 && ledger.of(0, "in_flight") == 0
        });
        agent.wait_for_line("production did not accept these connections: their requests are not mirrored");
        let finished = scene.finish(agent);
        assert_eq!(
            (finished.production.len(), finished.shadow.len()),
            (5, 5),
            "{engine}"
        );
        finished.production.assert_same_requests(&finished.shadow);
        let ledger = &finished.ledger;
        assert_eq!(ledger.dropped(0, "unanswered"), 20, "{engine}: {ledger}");
        assert_eq!(ledger.connections("unanswered"), 20, "{engine}: {ledger}");
        assert_eq!(ledger.connections("one_way"), 0, "{engine}: {ledger}");
    }
}

#[test]
fn requests_behind_one_that_nginx_refused_are_not_mirrored() {
    let stage = stage!("root", "agent", "nginx");
    for more in [&[][..], &["--input-raw-track-response"]] {
        let scene = Scene::across(&stage);
        let agent = scene.mirror(more);
        let mut connection = Connection::open(&scene.client, scene.v4);
        // HTTP/1.1 without Host: nginx answers 400 and closes.
        let mut requests = "GET /refused HTTP/1.1\r\nX-Id: 0\r\n\r\n".to_owned();
        for number in 1..10 {
            let _ = write!(requests, "{}", get(&format!("/behind/{number}"), "behind"));
        }
        connection.send(requests);
        connection.read_to_close();
        drop(connection);
        let finished = scene.finish(agent);
        assert_eq!(finished.production.len(), 1);
        assert!(finished.shadow.len() <= 1, "{}", finished.ledger);
        assert_eq!(finished.ledger.seen(), 10, "{}", finished.ledger);
        assert_eq!(
            finished.ledger.dropped(0, "after_close"),
            9,
            "{}",
            finished.ledger
        );
    }
}

/// Runs an agent on a capture file to its end.
fn replay(stage: &Stage, segments: &[Segment], shadow: u16, more: &[&str]) -> Ledger {
    replaying(stage, segments, shadow, more).finish()
}

/// Starts an agent on a capture file.
fn replaying(stage: &Stage, segments: &[Segment], shadow: u16, more: &[&str]) -> Agent {
    let file = stage.path(&format!("segments-{}.pcap", stage.number()));
    write(&file, segments);
    let (file, shadow) = (file.display().to_string(), format!("http://127.0.0.1:{shadow}"));
    let arguments = [&["--input-raw", &file, "--output-http", &shadow], more].concat();
    Agent::spawn(stage, &Netns::host(), &arguments)
}

fn client(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 1, 0, 1), port)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_port_used_again_behind_a_servers_reset_loses_nothing() {
    let stage = stage!("agent", "nginx");
    let mut segments = Vec::new();
    for number in 0..4_u32 {
        let mut conversation = Conversation::open(client(42_000), 1000 + number * 7_000_000);
        conversation
            .asks(ACK, get(&format!("/reuse{number}"), "reuse").as_bytes())
            .answers(ACK, OK)
            .answers(RST, b"");
        segments.append(&mut conversation.segments);
    }
    for more in [&[][..], &["--input-raw-track-response"]] {
        let port = Netns::host().free_port();
        let shadow = Nginx::start(&stage, &Netns::host(), "shadow", port);
        let ledger = replay(&stage, &segments, port, more);
        ledger.assert_all_delivered(4);
        assert_eq!(ledger.connections("reset"), 4, "{ledger}");
        assert_eq!(ledger.connections("mid_stream"), 0, "{ledger}");
        assert_eq!(shadow.finish().len(), 4);
    }
}

#[test]
fn a_capture_of_the_clients_side_alone_is_mirrored_whole() {
    let stage = stage!("agent", "nginx");
    let mut segments = Vec::new();
    for port in 41_000..41_010 {
        let mut conversation = Conversation::open(client(port), u32::from(port));
        conversation
            .asks(ACK, get("/one-way", &port.to_string()).as_bytes())
            .answers(ACK, OK)
            .asks(ACK, get("/again", &port.to_string()).as_bytes())
            .asks(FIN, b"");
        segments.append(&mut conversation.segments);
    }
    segments.retain(|segment| segment.to.port() == 80);
    let port = Netns::host().free_port();
    let shadow = Nginx::start(&stage, &Netns::host(), "shadow", port);
    let mut agent = replaying(&stage, &segments, port, &[]);
    agent.wait_for_line("only the client side of this traffic is visible here");
    let ledger = agent.finish();
    ledger.assert_all_delivered(20);
    assert_eq!(ledger.connections("one_way"), 10, "{ledger}");
    assert_eq!(ledger.connections("unanswered"), 0, "{ledger}");
    assert_eq!(shadow.finish().len(), 20);
}

#[test]
fn files_of_a_rotation_are_one_capture_however_compressed() {
    let stage = stage!("agent", "nginx");
    let mut conversation = Conversation::open(client(42_000), 1000);
    conversation
        .asks(
            ACK,
            b"POST /upload HTTP/1.1\r\nHost: production.test\r\nX-Id: 1\r\nContent-Length: 6\r\n\r\nab",
        )
        .asks(ACK, b"cd")
        .asks(ACK, b"ef")
        .answers(ACK, OK)
        .asks(ACK, get("/behind", "2").as_bytes())
        .answers(ACK, OK)
        .asks(FIN, b"");
    let whole = stage.path("whole.pcap");
    write(&whole, &conversation.segments);
    let whole = fs::read(&whole).expect("a capture");
    let (header, mut packets) = whole.split_at(24);
    // Each file begins within the upload's body; the last one in time has the first name, as in a ring of files.
    let behind = conversation.segments.len() - 4;
    for (name, compression, count) in [
        ("ring.b", Compression::None, 3),
        ("ring.c.gz", Compression::Gzip, 1),
        ("ring.a.zst", Compression::Zstd, behind),
    ] {
        let segments = conversation.segments.drain(..count);
        let length = segments.map(|segment| 16 + segment.packet().len()).sum();
        let (these, rest) = packets.split_at(length);
        packets = rest;
        let file = compression.encode([header, these].concat());
        fs::write(stage.path(name), file).expect("a capture");
    }
    let port = Netns::host().free_port();
    let shadow = Nginx::start(&stage, &Netns::host(), "shadow", port);
    let (files, url) = (
        stage.path("ring.*").display().to_string(),
        format!("http://127.0.0.1:{port}"),
    );
    let flags = [
        "--input-raw-engine",
        "pcap_file",
        "--input-raw",
        &files,
        "--output-http",
        &url,
    ];
    Agent::spawn(&stage, &Netns::host(), &flags)
        .finish()
        .assert_all_delivered(2);
    let uris: Vec<_> = shadow.finish().0.into_iter().map(|entry| entry.uri).collect();
    assert_eq!(uris, ["/upload", "/behind"]);
}

#[test]
fn a_captured_proxy_header_names_the_client() {
    let stage = stage!("agent", "nginx");
    let mut segments = Vec::new();
    for number in 0..3_u16 {
        let mut conversation = Conversation::open(client(41_000 + number), 1000);
        conversation
            .asks(ACK, b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 80\r\n")
            .asks(ACK, get(&format!("/r{number}"), "forged").as_bytes())
            .answers(ACK, OK)
            .asks(FIN, b"")
            .answers(FIN, b"");
        segments.append(&mut conversation.segments);
    }
    let port = Netns::host().free_port();
    let shadow = Nginx::start(&stage, &Netns::host(), "shadow", port);
    let ledger = replay(
        &stage,
        &segments,
        port,
        &[
            "--input-raw-realip-header",
            "X-Id",
            "--http-allow-client",
            "203.0.113.0/24",
        ],
    );
    ledger.assert_all_delivered(3);
    assert_eq!(ledger.connections("proxied"), 3, "{ledger}");
    let shadow = shadow.finish();
    assert_eq!(shadow.len(), 3);
    assert!(shadow.0.iter().all(|entry| entry.id == "203.0.113.7"));
}

/// An haproxy on `port` in the client's namespace, which speaks to production with `send`.
fn balancer(scene: &Scene, port: u16, to: SocketAddr, send: &str) -> Process {
    let file = scene.stage.path(&format!("haproxy-{send}.cfg"));
    let configuration = format!(
        "defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend front
  bind 0.0.0.0:{port}
  default_backend production
backend production
  server one {to} {send}
"
    );
    fs::write(&file, configuration).expect("haproxy's configuration");
    let mut command = scene.client.command("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    let process = Process::start("haproxy", &mut command);
    until("haproxy listens", || {
        scene
            .client
            .enter(|| std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    });
    process
}

#[test]
fn behind_haproxy_the_client_is_the_one_that_it_names() {
    let stage = stage!("root", "agent", "nginx", "haproxy");
    for send in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options unique-id,crc32c",
    ] {
        let scene = Scene::across(&stage);
        let behind = scene.server.free_port();
        // What nginx takes from the header stands in the place of the client's address in its log.
        let setup = NginxSetup {
            server: format!(
                "listen {behind} proxy_protocol; real_ip_header proxy_protocol; set_real_ip_from 198.18.0.0/15;"
            ),
            ..NginxSetup::default()
        };
        let production = Nginx::start_with(
            scene.stage,
            &scene.server,
            "behind",
            &[scene.server.free_port()],
            &setup,
        );
        let to = SocketAddr::from((scene.veths[0].left.v4, behind));
        let front = scene.client.free_port();
        let haproxy = balancer(&scene, front, to, send);
        let agent = scene.mirror_from(
            &format!(":{behind}"),
            &[
                "--input-raw-realip-header",
                "X-Id",
                "--http-disallow-client",
                "127.0.0.0/8",
            ],
        );
        // A client of another host, and one that a filter is for.
        let outside = SocketAddr::from((scene.veths[0].right.v4, front));
        let inside = SocketAddr::from((Ipv4Addr::LOCALHOST, front));
        for number in 0..3 {
            let mut connection = Connection::open(&scene.server, outside);
            assert_eq!(connection.get(&format!("/one/{number}"), "forged").status, 200);
            assert_eq!(connection.get(&format!("/two/{number}"), "forged").status, 200);
        }
        let mut connection = Connection::open(&scene.client, inside);
        assert_eq!(connection.get("/kept-back", "forged").status, 200);
        drop(connection);
        agent.wait_for_ledger("all are settled", |ledger| {
            ledger.seen() == 7 && ledger.of(0, "in_flight") == 0
        });
        drop(haproxy);
        let served = production.finish();
        let client = scene.veths[0].left.v4.to_string();
        let finished = scene.finish(agent);
        assert_eq!(
            (served.len(), finished.shadow.len()),
            (7, 6),
            "{send}: {}",
            finished.ledger
        );
        assert_eq!(
            finished.ledger.of(0, "filtered"),
            1,
            "{send}: {}",
            finished.ledger
        );
        assert!(
            finished.ledger.connections("proxied") > 0,
            "{send}: {}",
            finished.ledger
        );
        let named = served.filter(|entry| entry.client == client);
        assert_eq!(named.len(), 6);
        assert!(
            finished.shadow.0.iter().all(|entry| entry.id == client),
            "{send}: {:?}",
            finished.shadow.0
        );
    }
}

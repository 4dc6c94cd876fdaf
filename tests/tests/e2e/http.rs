//! All that HTTP/1.x can do, through real servers and clients: what arrives at the shadow is what production got.

use std::time::{Duration, Instant};

use shadow_tests::client::{Connection, get, noise, with_body};
use shadow_tests::{load, stage};

use crate::scene::Scene;

/// Runs curl against production and checks the status it printed.
fn curl(scene: &Scene, arguments: &[&str]) {
    let common = ["-sS", "-g", "-o", "/dev/null", "-w", "%{http_code}"];
    assert_eq!(
        scene.client.run("curl", &[&common, arguments].concat()),
        "200",
        "{arguments:?}"
    );
}

/// A file of `size` bytes in the test's folder, as curl's `--data-binary` names it.
fn file(scene: &Scene, size: usize) -> String {
    let path = scene.stage.path(&format!("body-{size}"));
    std::fs::write(&path, noise(size, size as u64)).expect("the test's folder");
    format!("@{}", path.display())
}

#[test]
fn pipelined_requests_arrive_whole_and_in_order() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    for client in 0..8 {
        let mut connection = Connection::open(&scene.client, scene.v4);
        let requests: String = (0..25)
            .map(|number| get(&format!("/{client}/{number}"), "pipelined"))
            .collect();
        connection.send(requests);
        for _ in 0..25 {
            assert_eq!(connection.response().status, 200);
        }
    }
    let finished = scene.finish(agent);
    finished.assert_mirrored(200);
    for client in 0..8 {
        let order: Vec<_> = finished.shadow.0.iter().map(|entry| entry.uri.as_str()).collect();
        let of_client: Vec<_> = order
            .iter()
            .filter(|uri| uri.starts_with(&format!("/{client}/")))
            .collect();
        let expected: Vec<String> = (0..25).map(|number| format!("/{client}/{number}")).collect();
        assert_eq!(of_client, expected.iter().collect::<Vec<_>>());
    }
}

#[test]
fn requests_of_one_connection_reach_the_shadow_in_their_order() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 16, 100), 1600);
    let finished = scene.finish(agent);
    finished.assert_mirrored(1600);
    for client in 0..16 {
        let prefix = format!("{client}-");
        let order: Vec<usize> = finished
            .shadow
            .0
            .iter()
            .filter_map(|entry| entry.id.strip_prefix(&prefix)?.parse().ok())
            .collect();
        assert_eq!(order, (0..100).collect::<Vec<_>>(), "connection {client}");
    }
}

#[test]
fn uploads_arrive_byte_by_byte_however_they_are_framed() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let scene = Scene::across(&stage);
    // A veth carries 10 MiB in 3 ms, which is less than a busy machine may keep the agent waiting for a processor.
    let agent = scene.mirror(&["--input-raw-buffer-size", "64mb"]);
    let url = format!("http://{}/upload", scene.v4);
    let mut requests = 0;
    for size in [1, 1000, 100_000, 10 << 20] {
        let body = file(&scene, size);
        for headers in [
            &[][..],
            &["-H", "Transfer-Encoding: chunked"],
            &["-X", "PUT"],
            &["-H", "Expect:"],
        ] {
            let id = format!("X-Id: {size}-{requests}");
            curl(
                &scene,
                &[&["--data-binary", &body, "-H", &id, &url], headers].concat(),
            );
            requests += 1;
        }
    }
    let finished = scene.finish(agent);
    finished.assert_mirrored(requests);
    assert_eq!(
        finished
            .shadow
            .filter(|entry| entry.body.is_some_and(|(size, _)| size == 10 << 20))
            .len(),
        4
    );
}

#[test]
fn a_client_that_waits_for_100_continue_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "curl");
    for more in [&[][..], &["--input-raw-track-response"]] {
        let scene = Scene::on_lo(&stage);
        let agent = scene.mirror(more);
        let (url, body) = (format!("http://{}/upload", scene.v4), file(&scene, 2 << 20));
        curl(
            &scene,
            &[
                "-H",
                "Expect: 100-continue",
                "--data-binary",
                &body,
                "-H",
                "X-Id: 1",
                &url,
            ],
        );
        // And with a request after it on the same connection.
        let mut connection = Connection::open(&scene.client, scene.v4);
        connection.send(
            "POST /upload HTTP/1.1\r\nHost: production.test\r\nX-Id: 2\r\nExpect: 100-continue\r\n\
             Content-Length: 5\r\n\r\n",
        );
        assert_eq!(connection.response().status, 100);
        connection.send("hello");
        assert_eq!(connection.response().status, 200);
        assert_eq!(connection.get("/after", "3").status, 200);
        drop(connection);
        scene.finish(agent).assert_mirrored(3);
    }
}

#[test]
fn any_method_and_head_requests_are_mirrored() {
    let stage = stage!("root", "agent", "nginx", "curl");
    for more in [&[][..], &["--input-raw-track-response"]] {
        let scene = Scene::on_lo(&stage);
        let agent = scene.mirror(more);
        let url = format!("http://{}/any?q=%20%C3%A9&empty=", scene.v4);
        // Two on one connection each, so that a HEAD whose answer has no body is followed by another request.
        curl(
            &scene,
            &["-I", &url, "--next", "-sS", "-o", "/dev/null", "-I", &url],
        );
        for method in ["OPTIONS", "DELETE", "PATCH", "PURGE", "M-SEARCH"] {
            curl(&scene, &["-X", method, "-d", "small body", &url]);
        }
        scene.finish(agent).assert_mirrored(7);
    }
}

#[test]
fn an_upload_of_thirty_seconds_is_one_request() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    let (url, body) = (format!("http://{}/upload", scene.v4), file(&scene, 3 << 20));
    let start = Instant::now();
    curl(
        &scene,
        &[
            "--limit-rate",
            "100k",
            "--data-binary",
            &body,
            "-H",
            "X-Id: slow",
            &url,
        ],
    );
    assert!(
        start.elapsed() > Duration::from_secs(25),
        "curl was faster than told: {:?}",
        start.elapsed()
    );
    scene.finish(agent).assert_mirrored(1);
}

#[test]
fn heads_and_chunks_split_at_every_byte_are_understood() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    let mut connection = Connection::open(&scene.client, scene.v4);
    let request = "POST /upload HTTP/1.1\r\nHost: production.test\r\nX-Id: split\r\n\
                   Transfer-Encoding: chunked\r\n\r\n5;ext=\"a b\"\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n";
    for byte in request.bytes() {
        connection.send([byte]);
    }
    assert_eq!(connection.response().status, 200);
    assert_eq!(connection.get("/after", "after").status, 200);
    drop(connection);
    let finished = scene.finish(agent);
    finished.assert_mirrored(2);
    assert_eq!(finished.shadow.0[0].body.map(|(size, _)| size), Some(11));
}

#[test]
fn http_1_0_and_connection_close_are_mirrored() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--input-raw-track-response"]);
    for (number, request) in [
        "GET /plain HTTP/1.0\r\nX-Id: 0\r\n\r\n".to_owned(),
        "GET /host HTTP/1.0\r\nHost: production.test\r\nConnection: keep-alive\r\nX-Id: 1\r\n\r\n".to_owned(),
        "GET /close HTTP/1.1\r\nHost: production.test\r\nConnection: close\r\nX-Id: 2\r\n\r\n".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let mut connection = Connection::open(&scene.client, scene.v4);
        connection.send(request);
        assert_eq!(connection.response().status, 200, "request {number}");
    }
    scene.finish(agent).assert_mirrored(3);
}

#[test]
fn ambiguous_framing_is_never_replayed_and_is_counted() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: identity, chunked, x",
    ] {
        let mut connection = Connection::open(&scene.client, scene.v4);
        connection.send(format!(
            "POST /smuggle HTTP/1.1\r\nHost: production.test\r\n{framing}\r\n\r\n0\r\n\r\n"
        ));
        // What production makes of it (400, 501) is its own affair.
        connection.read_to_close();
    }
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 10), 20);
    let finished = scene.finish(agent);
    assert_eq!(finished.shadow.len(), 20);
    assert_eq!(finished.ledger.seen(), 23);
    assert_eq!(
        finished.ledger.dropped(0, "ambiguous_framing"),
        3,
        "{}",
        finished.ledger
    );
}

#[test]
fn a_body_beyond_the_limit_is_dropped_alone() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--max-body", "64kb"]);
    let mut connection = Connection::open(&scene.client, scene.v4);
    for (id, size) in [("exact", 64 * 1024), ("above", 64 * 1024 + 1), ("after", 10)] {
        connection.send(with_body("POST", "/upload", id, &noise(size, 3)));
        assert_eq!(connection.response().status, 200);
    }
    drop(connection);
    let finished = scene.finish(agent);
    assert_eq!((finished.ledger.seen(), finished.ledger.delivered(0)), (3, 2));
    assert_eq!(
        finished.ledger.dropped(0, "body_too_large"),
        1,
        "{}",
        finished.ledger
    );
    finished
        .production
        .filter(|entry| entry.id != "above")
        .assert_same_requests(&finished.shadow);
}

#[test]
fn bodies_beyond_the_memory_budget_are_dropped() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--max-memory", "4mb", "--max-body", "4mb"]);
    let mut open: Vec<_> = (0..8)
        .map(|_| Connection::open(&scene.client, scene.v4))
        .collect();
    // Eight uploads of 2 MiB, all half way before the first ends.
    let body = noise(2 << 20, 9);
    for (client, connection) in open.iter_mut().enumerate() {
        let request = with_body("POST", "/upload", &format!("{client}"), &body);
        connection.send(&request[..request.len() - 1]);
    }
    for connection in &mut open {
        connection.send(&body[body.len() - 1..]);
        assert_eq!(connection.response().status, 200);
    }
    drop(open);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(ledger.seen(), 8);
    assert!(ledger.dropped(0, "memory") > 0, "{ledger}");
    assert_eq!(ledger.delivered(0) + ledger.all_dropped(0), 8);
    assert_eq!(finished.shadow.len() as u64, ledger.delivered(0));
    assert_eq!(finished.production.difference(&finished.shadow).extra(), 0);
}

#[test]
fn the_handshake_of_a_websocket_is_mirrored() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    let mut connection = Connection::open(&scene.client, scene.v4);
    connection.send(
        "GET /socket HTTP/1.1\r\nHost: production.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    connection.response();
    drop(connection);
    scene.finish(agent).assert_mirrored(1);
}

#[test]
fn what_servers_answer_though_it_is_odd_is_mirrored() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--verbose"]);
    for (number, request) in [
        "GET /lf HTTP/1.1\nHost: production.test\nX-Id: ID\n\n",
        "POST /upload HTTP/1.1\nHost: production.test\nX-Id: ID\nContent-Length: 5\n\nhello",
        "GET /mixed HTTP/1.1\r\nHost: production.test\nX-Id: ID\r\nA: b\r\n\r\n",
        "GET /cookie HTTP/1.1\r\nHost: production.test\r\nX-Id: ID\r\nCookie: a=\x01b\r\n\r\n",
        "GET /name HTTP/1.1\r\nHost: production.test\r\nX-Id: ID\r\nX(Y): z\r\n\r\n",
        "GET   /spaces  HTTP/1.1\r\nHost: production.test\r\nX-Id: ID\r\n\r\n",
        "POST /upload HTTP/1.1\r\nHost: production.test\r\nX-Id: ID\r\nTransfer-Encoding: chunked\r\n\r\n\
         5   \r\nhello\r\n0   \r\n\r\n",
    ]
    .iter()
    .enumerate()
    {
        let mut connection = Connection::open(&scene.client, scene.v4);
        connection.send(request.replace("ID", &number.to_string()));
        assert_eq!(connection.response().status, 200, "{request:?}");
        assert_eq!(connection.get("/page", &format!("behind-{number}")).status, 200);
    }
    let mut connection = Connection::open(&scene.client, scene.v4);
    connection.send("GET /refused?secret HTTP/1.1\r\nHost: production.test\r\nX : y\r\n\r\n");
    agent.wait_for_line("cannot parse a request: line 3: white space before the colon");
    connection.read_to_close();
    let said = agent.stderr();
    assert!(
        said.contains("GET /refused") && !said.contains("secret"),
        "{said}"
    );
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(
        (ledger.seen(), ledger.delivered(0), ledger.dropped(0, "malformed")),
        (15, 14, 1),
        "{ledger}"
    );
    assert_eq!(ledger.0["connections"]["not_understood"]["header_field"], 1);
    let answered = finished.production.filter(|entry| entry.status == 200);
    answered.assert_same_requests(&finished.shadow);
}

#[test]
fn tls_and_http2_on_a_captured_port_are_recognised() {
    let stage = stage!("root", "agent", "nginx", "openssl", "curl");
    let scene = Scene::on_lo(&stage);
    // The shadow is not asked whether it has HTTP/2: that would stand in its log.
    let agent = scene.mirror(&["--output-http-version", "1.1"]);
    // nginx speaks neither on this port; what the client sends first is all that matters.
    scene
        .client
        .output("openssl", &["s_client", "-connect", &scene.v4.to_string()]);
    scene.client.output(
        "curl",
        &["-sS", "--http2-prior-knowledge", &format!("http://{}/", scene.v4)],
    );
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 1, 10), 10);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(
        (ledger.connections("encrypted"), ledger.connections("http2")),
        (1, 1),
        "{ledger}"
    );
    // What curl asked in HTTP/2, production has not understood; who of the two closed first decides whether that shows.
    let refused = ledger.dropped(0, "h2_refused") + ledger.dropped(0, "after_close");
    assert_eq!(
        (ledger.seen(), ledger.delivered(0) + refused),
        (11, 11),
        "{ledger}"
    );
    assert!(refused <= 1, "{ledger}");
    assert_eq!(finished.shadow.len() as u64, ledger.delivered(0), "{ledger}");
}

#[test]
fn a_request_its_client_gives_up_is_dropped_with_the_reason() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    let half = "POST /upload HTTP/1.1\r\nHost: production.test\r\nContent-Length: 100\r\n\r\nhalf";
    let mut closed = Connection::open(&scene.client, scene.v4);
    closed.send(half);
    drop(closed);
    let mut reset = Connection::open(&scene.client, scene.v4);
    reset.send(half);
    reset.reset();
    agent.wait_for_ledger("both are settled", |ledger| {
        ledger.seen() == 2 && ledger.of(0, "in_flight") == 0
    });
    let finished = scene.finish(agent);
    assert_eq!(finished.ledger.dropped(0, "truncated"), 1, "{}", finished.ledger);
    assert_eq!(finished.ledger.dropped(0, "reset"), 1, "{}", finished.ledger);
    assert!(finished.shadow.is_empty());
}

//! Where copies go: several at once, standard output, nowhere, over TLS, and what their heads say.

use shadow_tests::client::Connection;
use shadow_tests::{Agent, Netns, Nginx, NginxSetup, load, stage};

use crate::scene::Scene;

/// The line between two records of standard output.
const SEPARATOR: &str = "\n\u{1f435}\u{1f648}\u{1f649}\n";

#[test]
fn every_output_gets_every_request() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let host = Netns::host();
    let second_port = host.free_port();
    let second = Nginx::start(&stage, &host, "second", second_port);
    let url = format!("http://127.0.0.1:{second_port}");
    let agent = scene.mirror(&["--output-http", &url, "--output-stdout", "--output-null"]);
    let stdout = agent.stdout().to_owned();
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 8, 50), 400);
    let finished = scene.finish(agent);
    finished.assert_mirrored(400);
    assert_eq!(finished.ledger.outputs(), 4);
    finished.production.assert_same_requests(&second.finish());
    let printed = std::fs::read_to_string(stdout).expect("text");
    assert_eq!(printed.matches(SEPARATOR).count(), 400);
}

#[test]
fn standard_output_has_goreplays_records() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let input = format!(":{}", scene.port);
    let agent = Agent::start(&stage, &scene.server, &["--input-raw", &input, "--output-stdout"]);
    let stdout = agent.stdout().to_owned();
    let request =
        "POST /upload?a=1 HTTP/1.1\r\nhOsT: production.test\r\nX-Id: 1\r\nContent-Length: 5\r\n\r\nhello";
    let mut connection = Connection::open(&scene.client, scene.v4);
    connection.send(request);
    assert_eq!(connection.response().status, 200);
    drop(connection);
    scene.finish(agent).ledger.assert_all_delivered(1);
    let printed = std::fs::read_to_string(stdout).expect("text");
    let record = printed
        .strip_suffix(SEPARATOR)
        .unwrap_or_else(|| panic!("no separator: {printed:?}"));
    let (header, payload) = record.split_once('\n').expect("a header line");
    let fields: Vec<_> = header.split(' ').collect();
    assert_eq!(fields[0], "1", "{header}");
    assert_eq!(fields[1].len(), 24, "{header}");
    assert!(
        fields[1].chars().all(|digit| digit.is_ascii_hexdigit()),
        "{header}"
    );
    let nanoseconds: u128 = fields[2].parse().expect("a timestamp");
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    assert!(now - nanoseconds < 120_000_000_000, "{header}");
    assert_eq!(payload, request);
}

#[test]
fn a_reader_of_standard_output_that_goes_away_is_a_counted_loss() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let ledger_file = stage.path("piped-ledger.json");
    let mut command = scene.server.command("sh");
    command.arg("-c").arg(format!(
        "exec {} --input-raw :{} --output-stdout --ledger {} > /dev/full",
        Agent::path(),
        scene.port,
        ledger_file.display()
    ));
    let mut agent = shadow_tests::Process::start("shadow-agent", &mut command);
    agent.wait_for_line("capturing");
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 10), 20);
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    agent.wait(Agent::longest_stop());
    let ledger = shadow_tests::Ledger::read(&ledger_file).expect("a ledger");
    ledger.assert_closed();
    assert_eq!(
        (ledger.seen(), ledger.dropped(0, "write_error")),
        (20, 20),
        "{ledger}"
    );
}

#[test]
fn the_host_header_is_what_was_asked_for() {
    let stage = stage!("root", "agent", "nginx");
    for (flags, host) in [
        (&[][..], "127.0.0.1:PORT"),
        (&["--http-original-host"], "production.test"),
        (&["--http-host-suffix", "-shadow"], "production.test-shadow"),
    ] {
        let scene = Scene::on_lo(&stage);
        let expected = host.replace("PORT", &scene.shadow_port.to_string());
        let agent = scene.mirror(flags);
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 1, 5), 5);
        let finished = scene.finish(agent);
        finished.assert_mirrored(5);
        assert!(
            finished.shadow.0.iter().all(|entry| entry.host == expected),
            "{:?}",
            finished.shadow.0[0]
        );
    }
}

#[test]
fn the_marker_header_can_be_renamed_and_turned_off() {
    let stage = stage!("root", "agent", "nginx");
    for (flags, marked, plain) in [
        (&[][..], "X-Shadow-Request", "X-Other"),
        (&["--http-mark-header", "X-Other"], "X-Other", "X-Shadow-Request"),
    ] {
        let scene = Scene::on_lo(&stage);
        let agent = scene.mirror(flags);
        let mut connection = Connection::open(&scene.client, scene.v4);
        for name in [marked, plain] {
            connection.send(format!(
                "GET /{name} HTTP/1.1\r\nHost: production.test\r\n{name}: 1\r\n\r\n"
            ));
            assert_eq!(connection.response().status, 200);
        }
        drop(connection);
        let finished = scene.finish(agent);
        assert_eq!(
            (finished.ledger.seen(), finished.ledger.dropped(0, "loop_guard")),
            (2, 1)
        );
        assert_eq!(finished.shadow.0.len(), 1);
        assert_eq!(finished.shadow.0[0].uri, format!("/{plain}"));
    }
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--http-no-mark"]);
    let mut connection = Connection::open(&scene.client, scene.v4);
    connection.send("GET / HTTP/1.1\r\nHost: production.test\r\nX-Shadow-Request: 1\r\n\r\n");
    assert_eq!(connection.response().status, 200);
    drop(connection);
    scene.finish(agent).assert_mirrored(1);
}

#[test]
fn a_path_and_userinfo_of_the_upstream_are_used() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let input = format!(":{}", scene.port);
    let output = format!("http://user:open-sesame@127.0.0.1:{}/base/", scene.shadow_port);
    let agent = Agent::start(
        &stage,
        &scene.server,
        &["--input-raw", &input, "--output-http", &output],
    );
    assert_eq!(
        Connection::open(&scene.client, scene.v4)
            .get("/x?y=z", "1")
            .status,
        200
    );
    agent.wait_for_ledger("it is delivered", |ledger| ledger.delivered(0) == 1);
    assert!(!agent.stderr().contains("open-sesame"), "{}", agent.stderr());
    let finished = scene.finish(agent);
    assert_eq!(finished.shadow.0[0].uri, "/base/x?y=z");
    assert!(
        !finished.ledger.to_string().contains("open-sesame"),
        "{}",
        finished.ledger
    );
}

#[test]
fn a_shadow_behind_tls_is_mirrored_to() {
    let stage = stage!("root", "agent", "nginx", "openssl");
    let scene = Scene::on_lo(&stage);
    let host = Netns::host();
    let (key, certificate) = (stage.path("key.pem"), stage.path("certificate.pem"));
    let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
    host.run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=shadow.test",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
    );
    let (tls_port, plain_port) = (host.free_port(), host.free_port());
    let setup = NginxSetup {
        server: format!("listen {tls_port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"),
        ..NginxSetup::default()
    };
    let tls = Nginx::start_with(&stage, &host, "tls-shadow", &[plain_port], &setup);
    let url = format!("https://127.0.0.1:{tls_port}");
    let agent = scene.mirror(&["--output-http", &url, "--output-http-skip-verify"]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    let finished = scene.finish(agent);
    finished.assert_mirrored(100);
    finished.production.assert_same_requests(&tls.finish());
    // Its certificate is nobody's: without the flag nothing is sent.
    let scene = Scene::on_lo(&stage);
    let tls = Nginx::start_with(&stage, &host, "tls-shadow", &[plain_port], &setup);
    let agent = scene.mirror(&["--output-http", &url]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 1, 10), 10);
    let finished = scene.finish(agent);
    assert_eq!(
        (finished.ledger.delivered(0), finished.ledger.delivered(1)),
        (10, 0),
        "{}",
        finished.ledger
    );
    assert!(tls.finish().is_empty());
}

#[test]
fn output_http_track_response() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[
        "--input-raw-track-response",
        "--output-http-track-response",
        "--output-stdout",
    ]);
    let stdout = agent.stdout().to_owned();
    let mut connection = Connection::open(&scene.client, scene.v4);
    for id in ["a", "b"] {
        assert_eq!(connection.get("/", id).status, 200);
    }
    drop(connection);
    scene.finish(agent).assert_mirrored(2);
    let printed = std::fs::read_to_string(stdout).expect("text");
    let mut kinds_of = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for record in printed.split_terminator(SEPARATOR) {
        let mut fields = record.split(' ');
        let (kind, id) = (fields.next().expect("a type"), fields.next().expect("a name"));
        kinds_of.entry(id).or_default().push(kind);
        let of_response = record.contains("HTTP/1.1 200 OK\r\n") && !record.contains("GET ");
        assert_eq!(of_response, kind != "1", "{record}");
    }
    assert_eq!(kinds_of.len(), 2, "{printed}");
    for kinds in kinds_of.values_mut() {
        kinds.sort_unstable();
        assert_eq!(*kinds, ["1", "2", "3"], "{printed}");
    }
}

/// `hello` by gzip.
const HELLO: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00,
    0x86, 0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00,
];

#[test]
fn prettify_http() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--prettify-http", "--output-stdout"]);
    let stdout = agent.stdout().to_owned();
    let mut connection = Connection::open(&scene.client, scene.v4);
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: production.test\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        HELLO.len()
    );
    connection.send([head.as_bytes(), HELLO].concat());
    assert_eq!(connection.response().status, 200);
    connection.send("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    assert_eq!(connection.response().status, 200);
    drop(connection);
    let finished = scene.finish(agent);
    finished.ledger.assert_all_delivered(2);
    let sizes: Vec<_> = finished
        .shadow
        .0
        .iter()
        .map(|entry| entry.body.expect("a body").0)
        .collect();
    assert_eq!(sizes, [5, 5]);
    let printed = std::fs::read_to_string(stdout).expect("text");
    assert_eq!(printed.matches("Content-Length: 5\r\n").count(), 2, "{printed}");
    assert_eq!(printed.matches("\r\n\r\nhello\n").count(), 2, "{printed}");
    assert!(
        !printed.contains("gzip") && !printed.contains("chunked"),
        "{printed}"
    );
}

#[test]
fn copy_buffer_size() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--copy-buffer-size", "0x1kb"]);
    let mut connection = Connection::open(&scene.client, scene.v4);
    for size in [1024, 1025] {
        let body = shadow_tests::client::noise(size, 7);
        connection.send(shadow_tests::client::with_body("POST", "/upload", "1", &body));
        assert_eq!(connection.response().status, 200);
    }
    drop(connection);
    let ledger = scene.finish(agent).ledger;
    assert_eq!((ledger.seen(), ledger.delivered(0)), (2, 1), "{ledger}");
    assert_eq!(ledger.dropped(0, "body_too_large"), 1, "{ledger}");
}

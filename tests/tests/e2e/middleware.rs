//! `--middleware`: programs that every message passes through, as their authors wrote them for GoReplay.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use shadow_tests::client::{Connection, get};
use shadow_tests::{Agent, Netns, Nginx, Stage, load, stage};

use crate::scene::Scene;

/// The checkout, where the programs are, may stand where nobody but root gets to.
const AS_ROOT: &str = "--middleware-user=root";

/// A program in the test's folder.
fn script(stage: &Stage, name: &str, text: &str) -> String {
    let path = stage.path(name);
    std::fs::write(&path, text).expect("a script");
    path.display().to_string()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/examples")
        .join(name)
}

/// Sends requests one after the other on one connection.
fn send(scene: &Scene, requests: &[String]) {
    let mut connection = Connection::open(&scene.client, scene.v4);
    for request in requests {
        connection.send(request);
        connection.response();
    }
}

#[test]
fn middleware() {
    let stage = stage!("root", "agent", "nginx", "python3");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[
        AS_ROOT,
        "--middleware",
        &format!("python3 '{}'", example("middleware.py").display()),
    ]);
    send(
        &scene,
        &[
            get("/v1/users", "a"),
            get("/other", "b"),
            "DELETE /v1/users HTTP/1.1\r\nHost: production.test\r\n\r\n".to_owned(),
            "POST /v1/post HTTP/1.1\r\nHost: production.test\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        ],
    );
    let finished = scene.finish(agent);
    let uris: Vec<_> = finished.shadow.0.iter().map(|entry| entry.uri.as_str()).collect();
    assert_eq!(uris, ["/v2/users", "/other", "/v2/post"]);
    let ledger = &finished.ledger;
    assert_eq!(
        (ledger.seen(), ledger.delivered(0), ledger.of(0, "filtered")),
        (4, 3, 1),
        "{ledger}"
    );
    let counts = &ledger.0["capture"]["middleware"];
    assert_eq!(
        (&counts["written"], &counts["returned"]),
        (&4.into(), &3.into()),
        "{ledger}"
    );
}

#[test]
fn a_middleware_in_javascript_runs_unchanged() {
    let stage = stage!("root", "agent", "nginx", "node");
    let scene = Scene::on_lo(&stage);
    let command = format!("node {}", example("middleware.js").display());
    let agent = scene.mirror(&[AS_ROOT, "--middleware", &command, "--output-stdout"]);
    let stdout = agent.stdout().to_owned();
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 50), 200);
    scene.finish(agent).assert_mirrored(200);
    let printed = std::fs::read_to_string(stdout).expect("text");
    assert_eq!(printed.matches(" HTTP/1.1\r\nX-Release: next\r\n").count(), 200);
}

/// Installs `GoReplay`'s package for Node.js.
fn install_npm_package(stage: &Stage) {
    let installed = Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(stage.path("npm"))
        .arg("goreplay_middleware@1.0.0")
        .status()
        .expect("npm");
    assert!(installed.success(), "npm cannot install goreplay_middleware");
}

#[test]
fn a_middleware_of_goreplays_npm_package_runs_unchanged() {
    let stage = stage!("root", "agent", "nginx", "node", "npm");
    install_npm_package(&stage);
    let text = format!(
        r#"
        const gor = require("{}");
        gor.init();
        gor.on("request", (request) => {{
            gor.on("response", request.ID, (response) => {{
                request.response = gor.httpStatus(response.http);
                process.stderr.write("paired " + request.ID + " " + request.response + "\n");
                return response;
            }});
            if (gor.httpPath(request.http) === "/secret") return;
            request.http = gor.setHttpPath(request.http, "/shadow" + gor.httpPath(request.http));
            request.http = gor.setHttpHeader(request.http, "X-Seen-By", "middleware");
            return request;
        }});
        "#,
        stage.path("npm/node_modules/goreplay_middleware").display()
    );
    let command = format!("node {}", script(&stage, "middleware.js", &text));
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--input-raw-track-response", AS_ROOT, "--middleware", &command]);
    send(&scene, &[get("/a", "1"), get("/secret", "2"), get("/b", "3")]);
    agent.wait_for_line("paired");
    let finished = scene.finish(agent);
    let uris: Vec<_> = finished.shadow.0.iter().map(|entry| entry.uri.as_str()).collect();
    assert_eq!(uris, ["/shadow/a", "/shadow/b"]);
    assert_eq!(finished.ledger.of(0, "filtered"), 1, "{}", finished.ledger);
}

/// The comparer of the package's documentation: it waits for the response when it has the request, and for the replay when
/// it has the response.
#[test]
fn the_npm_packages_comparer_gets_every_pair_of_a_fast_shadow() {
    const REQUESTS: usize = 20;
    let stage = stage!("root", "agent", "nginx", "node", "npm");
    install_npm_package(&stage);
    let text = format!(
        r#"
        const gor = require("{}");
        let compared = 0;
        gor.init();
        gor.on("request", (request) => {{
            gor.on("response", request.ID, (response) => {{
                gor.on("replay", request.ID, (replay) => {{
                    compared += gor.httpStatus(response.http) === "201" && gor.httpStatus(replay.http) === "200";
                    if (compared === {REQUESTS}) process.stderr.write("all are compared\n");
                    return replay;
                }});
                return response;
            }});
            return request;
        }});
        "#,
        stage.path("npm/node_modules/goreplay_middleware").display()
    );
    let command = format!("node {}", script(&stage, "comparer.js", &text));
    let scene = Scene::on_lo(&stage);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    // Production takes its time, so that the shadow always answers first.
    let production = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let lines = BufReader::new(stream.try_clone().expect("a clone")).lines();
        for _ in lines.map_while(Result::ok).filter(String::is_empty) {
            thread::sleep(Duration::from_millis(50));
            stream
                .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
                .expect("an answer");
        }
    });
    let agent = scene.mirror_from(
        &format!(":{}", address.port()),
        &[
            "--input-raw-track-response",
            "--output-http-track-response",
            AS_ROOT,
            "--middleware",
            &command,
        ],
    );
    let mut connection = Connection::open(&scene.client, address);
    for number in 0..REQUESTS {
        connection.send(get(&format!("/{number}"), "a"));
        assert_eq!(connection.response().status, 201);
    }
    drop(connection);
    production.join().expect("production");
    agent.wait_for_line("all are compared");
    let ledger = scene.finish(agent).ledger;
    assert_eq!(ledger.delivered(0), REQUESTS as u64, "{ledger}");
    assert_eq!(ledger.0["capture"]["middleware"]["replayed_early"], 0, "{ledger}");
}

#[test]
fn the_end_of_a_middleware_ends_the_run_and_is_said() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let command = format!("sh {}", script(&stage, "dies.sh", "read line; exit 7\n"));
    let input = format!(":{}", scene.port);
    let arguments = [
        "--input-raw",
        &input,
        "--output-http",
        &scene.shadow_url,
        AS_ROOT,
        "--middleware",
        &command,
    ];
    let mut agent = Agent::start(&stage, &scene.server, &arguments);
    send(&scene, &[get("/", "1")]);
    let ledger = agent.fail(1);
    assert!(
        agent
            .stderr()
            .contains("the middleware exited: it exited with status 7"),
        "{}",
        agent.stderr()
    );
    ledger.assert_closed();
    assert_eq!(ledger.dropped(0, "middleware_ended"), 1, "{ledger}");
    assert!(scene.shadow.finish().is_empty());
}

#[test]
fn middleware_on_exit() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let command = format!("sh {}", script(&stage, "dies.sh", "read line; exit 7\n"));
    let agent = scene.mirror(&[
        AS_ROOT,
        "--middleware",
        &command,
        "--middleware-on-exit",
        "bypass",
    ]);
    send(&scene, &[get("/1", "1")]);
    agent.wait_for_line("continuing without it");
    send(&scene, &[get("/2", "2")]);
    scene.finish(agent).assert_mirrored(2);
}

#[test]
fn middleware_timeout() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let command = format!(
        "sh {}",
        script(&stage, "silent.sh", "while read line; do :; done\n")
    );
    let agent = scene.mirror(&[AS_ROOT, "--middleware", &command, "--middleware-timeout", "200ms"]);
    send(&scene, &[get("/", "1")]);
    agent.wait_for_ledger("the request to be given up", |ledger| {
        ledger.of(0, "filtered") == 1
    });
    let finished = scene.finish(agent);
    assert!(finished.shadow.is_empty());
}

#[test]
fn middleware_queue_size() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    // It reads nothing until it is told to end.
    let command = format!("sh {}", script(&stage, "stuck.sh", "sleep 3; cat\n"));
    let agent = scene.mirror(&[
        AS_ROOT,
        "--middleware",
        &command,
        "--middleware-queue-size",
        "4kb",
    ]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 8, 500), 4000);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert!(ledger.dropped(0, "queue_full") > 0, "{ledger}");
    assert_eq!(ledger.seen(), 4000);
    assert_eq!(ledger.delivered(0), finished.shadow.len() as u64);
}

/// So many records of requests, each on a connection of its own.
fn recording(stage: &Stage, requests: usize) -> String {
    let record = |number: usize| {
        let unix = 1_700_000_000_000_000_000_u64;
        format!(
            "1 {number:04x}00500a01020300000001 {unix} 0\nGET /{number} HTTP/1.1\r\nHost: a\r\n\r\n\n🐵🙈🙉\n"
        )
    };
    script(
        stage,
        "recorded.gor",
        &(0..requests).map(record).collect::<String>(),
    )
}

/// Replays such a recording through a middleware to a shadow.
fn replayed(stage: &Stage, middleware: &str, more: &[&str]) -> (Agent, Nginx) {
    let host = Netns::host();
    let port = host.free_port();
    let shadow = Nginx::start(stage, &host, "shadow", port);
    let url = format!("http://127.0.0.1:{port}");
    let input = format!("{}|max", recording(stage, 200));
    let flags = [
        "--input-file",
        &input,
        "--output-http",
        &url,
        AS_ROOT,
        "--middleware",
        middleware,
    ];
    (Agent::spawn(stage, &host, &[&flags, more].concat()), shadow)
}

#[test]
fn one_that_ends_while_the_last_requests_wait_is_passed_by() {
    let stage = stage!("root", "agent", "nginx");
    let (mut agent, shadow) = replayed(&stage, "head -n 50", &["--middleware-on-exit", "bypass"]);
    agent.finish().assert_all_delivered(200);
    assert_eq!(shadow.finish().len(), 200);
}

#[test]
fn one_that_closes_its_output_and_lives_on_is_ended_and_passed_by() {
    let stage = stage!("root", "agent", "nginx");
    let command = "sh -c 'head -n 50; exec >&-; exec sleep 77'";
    let (mut agent, shadow) = replayed(&stage, command, &["--middleware-on-exit", "bypass"]);
    agent.finish().assert_all_delivered(200);
    assert_eq!(shadow.finish().len(), 200);
}

#[test]
fn one_that_leaves_a_child_with_its_output_is_seen_to_end() {
    let stage = stage!("root", "agent", "nginx");
    let (mut agent, shadow) = replayed(&stage, "sh -c 'sleep 77 & exit 3'", &[]);
    let ledger = agent.fail(1);
    ledger.assert_closed();
    assert_eq!(ledger.dropped(0, "middleware_ended"), 200, "{ledger}");
    assert!(shadow.finish().is_empty());
}

#[test]
fn answers_to_the_last_requests_pass_through_it_too() {
    let stage = stage!("root", "agent", "nginx");
    let (mut agent, shadow) = replayed(
        &stage,
        "cat",
        &["--output-http-track-response", "--output-stdout"],
    );
    let stdout = agent.stdout().to_owned();
    agent.finish().assert_all_delivered(200);
    assert_eq!(shadow.finish().len(), 200);
    let printed = std::fs::read_to_string(stdout).expect("text");
    let of_kind = |kind: &str| {
        let records = printed.split_terminator("\n🐵🙈🙉\n");
        records.filter(|record| record.starts_with(kind)).count()
    };
    assert_eq!((of_kind("1 "), of_kind("3 ")), (200, 200));
}

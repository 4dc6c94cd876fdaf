//! `--compare`: production's answers against the shadow's, captured from the kernel, and what is said of it. A pair of servers
//! with planted faults shows that each fault is named, and nothing else.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use shadow_tests::client::{Connection, get, noise, with_body};
use shadow_tests::fault::{Fault, FaultServer};
use shadow_tests::{Agent, Ledger, Netns, Nginx, NginxSetup, Report, Shop, Stage, load, shop, stage, stat};

use crate::scene::Scene;

/// Requests a second of the shop's load: what an agent built for debugging takes beside other work.
const RATE: u32 = 1000;

/// Latencies are not judged: a test shares the machine with whatever else runs on it.
const WHATEVER_IT_TAKES: [&str; 2] = ["--compare-latency-floor", "10s"];

/// The shop in production, its next release, and another instance of production, beside an agent that compares them.
struct Shops<'a> {
    stage: &'a Stage,
    production: Shop,
    next: Shop,
    control: Shop,
    agent: Agent,
}

impl<'a> Shops<'a> {
    /// Starts all of it, the next release with these faults, the agent with `more` flags.
    fn open(stage: &'a Stage, faults: &str, more: &[&str]) -> Self {
        let [production, next, control] = ["none", faults, "none"].map(Shop::start);
        let report = report_file(stage);
        let (input, output, reference) = (production.address.to_string(), next.url(), control.url());
        let mut arguments = vec!["--input-raw", &input, "--output-http", &output, "--compare"];
        arguments.extend(["--compare-control", &reference, "--report", text(&report)]);
        arguments.extend(more);
        let agent = Agent::start(stage, &Netns::host(), &arguments);
        Self {
            stage,
            production,
            next,
            control,
            agent,
        }
    }

    /// Sends so many requests to production, ends the agent, which must give this exit status, and reads what it said. All
    /// that the servers counted themselves is in the ledger.
    fn judge(self, requests: u64, status: i32) -> (Report, Ledger) {
        shop::load(self.production.address, requests, RATE);
        let ledger = self.agent.stop_with(status);
        ledger.assert_closed();
        let (production, next) = (self.production.finish(), self.next.finish());
        assert_eq!(
            (production.requests, ledger.seen()),
            (requests, requests),
            "{ledger}"
        );
        let report = Report::read(&report_file(self.stage));
        report.assert_accounts_for(0, &ledger);
        let extra = self.control.finish().requests;
        assert!(extra > 0, "the control was never asked: {report}");
        assert!(next.requests >= requests, "{next:?}: {report}");
        (report, ledger)
    }
}

fn report_file(stage: &Stage) -> PathBuf {
    stage.path("report.json")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Differences as they are written here.
fn named(differences: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let owned = |(endpoint, path, kind): &(&str, &str, &str)| {
        ((*endpoint).to_owned(), (*path).to_owned(), (*kind).to_owned())
    };
    differences.iter().map(owned).collect()
}

#[test]
fn every_planted_fault_is_named_and_nothing_else() {
    let stage = stage!("root", "agent");
    let (report, ledger) = Shops::open(&stage, "all", &[]).judge(10_000, 1);
    assert_eq!(report.verdict(), "NO-GO", "{report}");
    assert_eq!(
        report.differences(0),
        named(&[
            ("GET /products/{id}", "$.price.amount", "value"),
            ("GET /reports/{date}", "$", "unreadable"),
            ("GET /reports/{date}", "header.cache-control", "missing"),
            ("GET /users/{uuid}/profile", "$.addresses", "order"),
            ("POST /orders", "status", "status"),
        ]),
        "{report}"
    );
    assert_eq!(report.slower(0), ["GET /search"], "{report}");
    // 56 pictures of the first 10,000 requests meet an answer that breaks off.
    assert_eq!(report.failed(0, "upstream_closed"), 56, "{report}");
    assert_eq!(ledger.dropped(0, "upstream_closed"), 56, "{ledger}");
    assert_eq!(report.compared(0), 10_000 - 56, "{report}");
}

#[test]
fn a_release_without_faults_goes() {
    let stage = stage!("root", "agent");
    let (report, ledger) = Shops::open(&stage, "none", &WHATEVER_IT_TAKES).judge(10_000, 0);
    assert_eq!(ledger.delivered(0), 10_000, "{ledger}");
    assert_eq!(report.verdict(), "GO", "{report}");
    assert_eq!(report.compared(0), 10_000, "{report}");
    let false_positives = report.compared(0) - report.agreeing(0);
    assert!(false_positives < 10, "{false_positives} of 10,000: {report}");
    assert_eq!(report.slower(0), [""; 0], "{report}");
    // Noise was there, and every endpoint has some.
    assert!(report.noise(0).len() >= 8, "{report}");
}

#[test]
fn without_a_control_the_shadow_is_asked_twice() {
    let stage = stage!("root", "agent");
    let [production, next] = ["none", "header"].map(Shop::start);
    let file = report_file(&stage);
    let (input, output) = (production.address.to_string(), next.url());
    let flags = ["--compare", "--safe-methods", "--report", text(&file)];
    let agent = Agent::start(
        &stage,
        &Netns::host(),
        &[&["--input-raw", &input, "--output-http", &output], &flags[..]].concat(),
    );
    shop::load(production.address, 10_000, RATE);
    let ledger = agent.stop_with(1);
    ledger.assert_closed();
    // Orders and pictures change something.
    assert_eq!(
        (ledger.of(0, "filtered"), ledger.delivered(0)),
        (2000, 8000),
        "{ledger}"
    );
    let report = Report::read(&file);
    report.assert_accounts_for(0, &ledger);
    assert_eq!(
        report.differences(0),
        named(&[("GET /reports/{date}", "header.cache-control", "missing")]),
        "{report}"
    );
    let repeated = &report.0["comparisons"][0]["extra"][0];
    assert_eq!(repeated["what"], "repeat", "{report}");
    assert!(
        repeated["answered"].as_u64().is_some_and(|count| count > 200),
        "{report}"
    );
}

#[test]
fn fifty_requests_are_not_enough_whatever_they_show() {
    let stage = stage!("root", "agent");
    for faults in ["all", "none"] {
        let (report, _) = Shops::open(&stage, faults, &[]).judge(50, 3);
        assert_eq!(report.verdict(), "NOT ENOUGH DATA", "{report}");
    }
}

/// Both sides nginx with the same pages, and an agent that compares them and judges by as many pairs as there are.
fn mirror_and_compare(scene: &Scene, more: &[&str]) -> Agent {
    let report = report_file(scene.stage);
    let flags = ["--compare", "--report", text(&report)];
    scene.mirror(&[&flags, more].concat())
}

#[test]
fn equal_pages_agree_in_full() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    // All come within a fifth of a second, and an agent built for debugging reads on for another.
    let ring = ["--input-raw-buffer-size", "32mb"];
    let flags = [&["--compare-repeat", "0"][..], &WHATEVER_IT_TAKES, &ring].concat();
    let agent = mirror_and_compare(&scene, &flags);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 20, 300), 6000);
    let finished = scene.finish(agent);
    finished.assert_mirrored(6000);
    let report = Report::read(&report_file(&stage));
    report.assert_accounts_for(0, &finished.ledger);
    assert_eq!(
        (report.verdict(), report.compared(0), report.agreeing(0)),
        ("GO", 6000, 6000),
        "{report}"
    );
    assert_eq!(
        (report.differences(0), report.noise(0)),
        (vec![], vec![]),
        "{report}"
    );
}

#[test]
fn urls_of_ones_own_host_agree_and_of_another_do_not() {
    let stage = stage!("root", "agent", "nginx");
    let setup = NginxSetup {
        // As a server does that makes URLs of the Host it was asked under; and one that has an address of its own in them.
        server: "location = /own { return 302 http://$http_host/next; }
            location = /other { return 302 http://127.0.0.1:$server_port/next; }"
            .to_owned(),
        ..NginxSetup::default()
    };
    let again = stage.path("again.json");
    for exact in [false, true] {
        let scene = Scene::on_lo_with(&stage, &setup);
        let kept = stage.path(&format!("kept-{exact}"));
        let mut flags = vec!["--compare-repeat", "0", "--compare-store", text(&kept)];
        flags.extend(exact.then_some("--compare-exact-hosts"));
        let agent = mirror_and_compare(&scene, &flags);
        let mut connection = Connection::open(&scene.client, scene.v4);
        for (uri, id) in [("/own", "a"), ("/other", "b")] {
            assert_eq!(connection.get(uri, id).status, 302);
        }
        drop(connection);
        let finished = scene.finish_with(agent, 3);
        finished.assert_mirrored(2);
        let made_again = [&["report", text(&kept), "--report", text(&again)], &flags[4..]].concat();
        assert_eq!(Agent::output(&Netns::host(), &made_again).status.code(), Some(3));
        for file in [&report_file(&stage), &again] {
            let report = Report::read(file);
            let differs = |names: &[&str]| {
                let of = |endpoint: &str, path: &str, kind: &str| {
                    (endpoint.to_owned(), path.to_owned(), kind.to_owned())
                };
                let all = names.iter();
                all.map(|name| of(&format!("GET /{name}"), "header.location", "value"))
                    .collect::<Vec<_>>()
            };
            let sorted = |mut found: Vec<_>| {
                found.sort();
                found
            };
            // The port of the second is production's Host on neither side: requests are for production.test.
            let expected: (&[&str], &[&str]) = if exact {
                (&["other", "own"], &[])
            } else {
                (&["other"], &["own"])
            };
            assert_eq!(
                (sorted(report.differences(0)), report.noise(0)),
                (differs(expected.0), differs(expected.1)),
                "{report}"
            );
            assert_eq!(report.compared(0), 2, "{report}");
        }
    }
}

#[test]
fn whatever_http_can_do_each_answer_meets_its_own_request() {
    let stage = stage!("root", "agent", "nginx");
    // Each answer says what it is an answer to, so that a pair of strangers would differ.
    let setup = NginxSetup {
        server: "location /echo { return 200 $request_uri; }
            location /limited { client_max_body_size 1k; error_log /dev/null; return 200; }"
            .to_owned(),
        ..NginxSetup::default()
    };
    let scene = Scene::on_lo_with(&stage, &setup);
    let agent = mirror_and_compare(&scene, &["--compare-repeat", "0"]);
    let mut requests = 0;

    // One after another, and one behind another.
    let mut connection = Connection::open(&scene.client, scene.v4);
    for number in 0..20 {
        assert_eq!(connection.get(&format!("/echo/{number}"), "alone").status, 200);
    }
    let pipelined: String = (20..70)
        .map(|number| get(&format!("/echo/{number}"), "pipelined"))
        .collect();
    connection.send(pipelined);
    for _ in 20..70 {
        assert_eq!(connection.response().status, 200);
    }
    requests += 70;

    // A HEAD, whose answer has a length and no body, before another request; and one among others in a pipeline.
    let head = |uri: &str| format!("HEAD {uri} HTTP/1.1\r\nHost: production.test\r\n\r\n");
    connection.send(head("/page"));
    assert_eq!(connection.response_to_head().status, 200);
    connection.send([head("/page"), get("/echo/behind-a-head", "head")].concat());
    assert_eq!(connection.response_to_head().status, 200);
    assert_eq!(connection.response().status, 200);
    requests += 3;

    // An interim answer before the final one.
    connection.send(
        "POST /upload HTTP/1.1\r\nHost: production.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(connection.response().status, 100);
    connection.send("hello");
    assert_eq!(connection.response().status, 200);
    assert_eq!(connection.get("/echo/behind-an-interim-one", "1xx").status, 200);
    requests += 2;
    drop(connection);

    // An answer before the upload has ended.
    let mut early = Connection::open(&scene.client, scene.v4);
    let upload = with_body("POST", "/limited", "early", &noise(100_000, 1));
    early.send(&upload[..200]);
    assert_eq!(early.response().status, 413);
    early.send(&upload[200..]);
    early.read_to_close();
    requests += 1;

    agent.wait_for_ledger("all are settled", |ledger| {
        ledger.seen() == requests && ledger.of(0, "in_flight") == 0
    });
    drop(scene.production.finish());
    let ledger = agent.stop_with(3);
    ledger.assert_all_delivered(requests);
    let report = Report::read(&report_file(&stage));
    report.assert_accounts_for(0, &ledger);
    assert_eq!(
        (report.compared(0), report.agreeing(0), report.differences(0)),
        (requests, requests, vec![]),
        "{report}"
    );
}

#[test]
fn an_answer_that_its_client_did_not_wait_for_is_not_compared() {
    let stage = stage!("root", "agent", "nginx");
    std::fs::write(stage.path("large"), noise(1 << 20, 5)).expect("the test's folder");
    let host = Netns::host();
    // Production takes ten seconds for what the shadow answers at once.
    let start = |role, directive: &str| {
        let setup = NginxSetup {
            server: format!(
                "location = /large {{ root {}; {directive} }}",
                stage.path("").display()
            ),
            ..NginxSetup::default()
        };
        let port = host.free_port();
        (Nginx::start_with(&stage, &host, role, &[port], &setup), port)
    };
    let (_production, port) = start("production", "limit_rate 100k;");
    let (_shadow, shadow_port) = start("shadow", "");
    let production = (Ipv4Addr::LOCALHOST, port).into();
    let (input, output) = (format!(":{port}"), format!("http://127.0.0.1:{shadow_port}"));
    let file = report_file(&stage);
    let flags = ["--compare", "--compare-repeat", "0", "--report", text(&file)];
    let agent = Agent::start(
        &stage,
        &host,
        &[&["--input-raw", &input, "--output-http", &output], &flags[..]].concat(),
    );
    for number in 0..4 {
        let mut connection = Connection::open(&host, production);
        connection.send(get("/large", "given-up"));
        connection.wait_for_bytes();
        if number % 2 == 0 {
            connection.reset();
        }
    }
    assert_eq!(load::keep_alive(&host, production, 1, 10), 10);
    agent.wait_for_ledger("all are settled", |ledger| {
        ledger.seen() == 14 && ledger.of(0, "in_flight") == 0
    });
    let ledger = agent.stop_with(3);
    ledger.assert_closed();
    let report = Report::read(&file);
    report.assert_accounts_for(0, &ledger);
    assert_eq!(
        (report.compared(0), report.not_compared(0, "production_closed")),
        (10, 4),
        "{report}"
    );
}

#[test]
fn a_ring_that_answers_would_fill_has_room_for_requests() {
    let stage = stage!("root", "agent", "nginx");
    std::fs::write(stage.path("large"), noise(1 << 18, 5)).expect("the test's folder");
    let setup = NginxSetup {
        server: format!("location = /large {{ root {}; }}", stage.path("").display()),
        ..NginxSetup::default()
    };
    let scene = Scene::on_lo_with(&stage, &setup);
    let ring = ["--input-raw-buffer-size", "1mb", "--input-raw-shards", "1"];
    let agent = mirror_and_compare(&scene, &[&ring[..], &["--compare-repeat", "0"]].concat());
    // Nobody reads the ring meanwhile. Four answers would fill it.
    agent.signal(Signal::SIGSTOP);
    for _ in 0..10 {
        let mut connection = Connection::open(&scene.client, scene.v4);
        for _ in 0..10 {
            assert_eq!(connection.get("/large", "large").status, 200);
        }
    }
    agent.signal(Signal::SIGCONT);
    let finished = scene.finish_with(agent, 3);
    finished.assert_mirrored(100);
    let ledger = &finished.ledger;
    assert_eq!(ledger.capture("ring_full_packets"), 0, "{ledger}");
    assert!(ledger.capture("responses_left_out_bytes") > 23 << 20, "{ledger}");
    let report = Report::read(&report_file(&stage));
    report.assert_accounts_for(0, ledger);
    assert_eq!(
        report.compared(0) + report.not_compared(0, "production_gap"),
        100,
        "{report}"
    );
    assert!(report.compared(0) < 4, "{report}");
}

#[test]
fn a_shadow_that_never_answers_costs_no_more_memory_than_allowed() {
    let stage = stage!("root", "agent", "nginx");
    // Four thousand answers of 16 KiB, of which 8 MiB may wait, and a ring that holds them all.
    std::fs::write(stage.path("large"), noise(16 << 10, 5)).expect("the test's folder");
    let setup = NginxSetup {
        server: format!(
            "location /keep-alive/ {{ root {}; try_files /large =404; }}",
            stage.path("").display()
        ),
        ..NginxSetup::default()
    };
    let scene = Scene::on_lo_with(&stage, &setup);
    let dumb = FaultServer::start(&Netns::host(), Ipv4Addr::LOCALHOST.into(), Fault::NeverAnswers);
    let (input, output) = (format!(":{}", scene.port), format!("http://{}", dumb.address));
    let file = report_file(&stage);
    let agent = Agent::start(
        &stage,
        &scene.server,
        &[
            "--input-raw",
            &input,
            "--output-http",
            &output,
            "--compare",
            "--compare-memory",
            "8mb",
            "--input-raw-buffer-size",
            "128mb",
            "--output-http-timeout",
            "5m",
            "--shutdown-timeout",
            "1s",
            "--report",
            text(&file),
        ],
    );
    let before = stat::own_memory(agent.pid());
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 8, 500), 4000);
    agent.wait_for_ledger("all are seen", |ledger| ledger.seen() == 4000);
    let grown = stat::own_memory(agent.pid()).saturating_sub(before);
    assert!(grown < 32 << 20, "grown by {} MiB", grown >> 20);
    let ledger = agent.stop_with(3);
    ledger.assert_closed();
    let report = Report::read(&file);
    report.assert_accounts_for(0, &ledger);
    assert_eq!(report.compared(0), 0, "{report}");
    assert!(report.not_compared(0, "compare_memory") > 1000, "{report}");
}

#[test]
fn several_outputs_have_a_verdict_each_and_the_worst_is_the_runs() {
    let stage = stage!("root", "agent");
    let [production, good, bad] = ["none", "none", "status,order"].map(Shop::start);
    let file = report_file(&stage);
    let input = production.address.to_string();
    let agent = Agent::start(
        &stage,
        &Netns::host(),
        &[
            "--input-raw",
            &input,
            "--output-http",
            &good.url(),
            "--output-http",
            &bad.url(),
            "--compare",
            // Without a control nobody knows what of an order's answer varies by itself.
            "--compare-ignore",
            "$.meta",
            "--compare-ignore",
            "$.order.id",
            "--compare-ignore",
            "header.location",
            WHATEVER_IT_TAKES[0],
            WHATEVER_IT_TAKES[1],
            "--report",
            text(&file),
        ],
    );
    shop::load(production.address, 6000, RATE);
    let ledger = agent.stop_with(1);
    ledger.assert_closed();
    let report = Report::read(&file);
    assert_eq!((report.comparisons(), report.verdict()), (2, "NO-GO"), "{report}");
    for output in 0..2 {
        report.assert_accounts_for(output, &ledger);
        assert_eq!(report.compared(output), 6000, "{report}");
    }
    assert_eq!(report.0["comparisons"][0]["verdict"]["word"], "GO", "{report}");
    assert_eq!(report.differences(0), [], "{report}");
    assert_eq!(
        report.differences(1),
        named(&[
            ("GET /users/{uuid}/profile", "$.addresses", "order"),
            ("POST /orders", "status", "status"),
        ]),
        "{report}"
    );
}

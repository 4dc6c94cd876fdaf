//! Command lines as GoReplay's users have them, against real servers: `docs/goreplay.md` names these tests.

use shadow_tests::client::Connection;
use shadow_tests::{Agent, Ledger, Netns, Nginx, Output, Stage, Veth, load, stage, until};

use crate::scene::Scene;

/// The line between two records of standard output.
const SEPARATOR: &str = "\n\u{1f435}\u{1f648}\u{1f649}\n";

/// Runs the agent to an end that comes by itself.
fn run(arguments: &[&str]) -> Output {
    let output = Agent::output(&Netns::host(), arguments);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    output
}

/// Production and a shadow on port 80, each on a host of its own.
struct OnPort80 {
    production: Nginx,
    shadow: Nginx,
    client: Netns,
    server: Netns,
    front: Veth,
    back: Veth,
    _other: Netns,
}

impl OnPort80 {
    fn open(stage: &Stage) -> Self {
        let (client, server, other) = (Netns::new(), Netns::new(), Netns::new());
        let front = Veth::new(&server, &client);
        let back = Veth::new(&server, &other);
        Self {
            production: Nginx::start(stage, &server, "production", 80),
            shadow: Nginx::start(stage, &other, "shadow", 80),
            client,
            server,
            front,
            back,
            _other: other,
        }
    }

    /// Forty requests of four connections.
    fn load(&self) {
        let production = (self.front.left.v4, 80).into();
        assert_eq!(load::keep_alive(&self.client, production, 4, 10), 40);
    }

    /// Ends everything, and checks that the shadow got what production got.
    fn finish(self, agent: Agent) -> Ledger {
        let production = self.production.finish();
        let ledger = agent.stop();
        ledger.assert_all_delivered(40);
        production.assert_same_requests(&self.shadow.finish());
        ledger
    }
}

#[test]
fn input_raw_as_goreplays_users_type_it() {
    let stage = stage!("root", "agent", "nginx");
    let scene = OnPort80::open(&stage);
    let staging = format!("http://{}:80", scene.back.right.v4);
    let arguments = ["-input-raw", ":80", "-output-http", &staging];
    let agent = Agent::start(&stage, &scene.server, &arguments);
    scene.load();
    assert_eq!(scene.finish(agent).outputs(), 1);
}

#[test]
fn input_raw_and_output_stdout_print_each_request() {
    let stage = stage!("root", "agent", "nginx");
    let scene = OnPort80::open(&stage);
    let agent = Agent::start(&stage, &scene.server, &["--input-raw", ":80", "--output-stdout"]);
    let stdout = agent.stdout().to_owned();
    scene.load();
    agent.stop().assert_all_delivered(40);
    let printed = std::fs::read_to_string(stdout).expect("text");
    assert_eq!(printed.matches(SEPARATOR).count(), 40);
    let records = printed.split_terminator(SEPARATOR);
    for record in records {
        assert!(
            record.starts_with("1 ") && record.contains("\nGET /keep-alive/"),
            "{record:?}"
        );
    }
}

#[test]
fn output_http_as_goreplays_users_type_it() {
    let stage = stage!("root", "agent", "nginx");
    let scene = OnPort80::open(&stage);
    // Without a scheme, as GoReplay's help has it.
    let output = format!("--output-http={}", scene.back.right.v4);
    let arguments = [
        "--input-raw=:80",
        "--output-stdout",
        "false",
        &output,
        "--output-null=true",
    ];
    let agent = Agent::start(&stage, &scene.server, &arguments);
    scene.load();
    assert_eq!(scene.finish(agent).outputs(), 2);
}

#[test]
fn http_original_host_takes_a_boolean() {
    let stage = stage!("root", "agent", "nginx");
    for (flags, original) in [
        (&["--http-original-host"][..], true),
        (&["--http-original-host", "true"], true),
        (&["-http-original-host=1"], true),
        (&["--http-original-host", "false"], false),
        (&["--http-original-host", "--http-original-host=false"], false),
    ] {
        let scene = Scene::on_lo(&stage);
        let shadow = format!("127.0.0.1:{}", scene.shadow_port);
        // What stands behind the boolean counts, too.
        let agent = scene.mirror(&[flags, &["--output-null"]].concat());
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 1, 5), 5);
        let finished = scene.finish(agent);
        finished.assert_mirrored(5);
        assert_eq!(finished.ledger.outputs(), 2, "{flags:?}");
        let expected = if original {
            "production.test"
        } else {
            shadow.as_str()
        };
        for entry in &finished.shadow.0 {
            assert_eq!(entry.host, expected, "{flags:?}");
        }
    }
}

#[test]
fn input_dummy_makes_a_request_each_second() {
    let stage = stage!("agent", "nginx");
    let host = Netns::host();
    let port = host.free_port();
    let shadow = Nginx::start(&stage, &host, "shadow", port);
    let output = format!("127.0.0.1:{port}");
    let mut agent = Agent::spawn(
        &stage,
        &host,
        &[
            "--input-dummy",
            "x",
            "--output-http",
            &output,
            "--exit-after",
            "2500ms",
        ],
    );
    let ledger = agent.finish();
    ledger.assert_all_delivered(3);
    let requests = shadow.finish();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .0
            .iter()
            .all(|entry| (entry.method.as_str(), entry.uri.as_str()) == ("GET", "/"))
    );
}

#[test]
fn exit_after_ends_the_run_with_status_0_and_a_closed_ledger() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let mut agent = scene.mirror(&["--exit-after", "2s"]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 10), 40);
    agent.finish().assert_all_delivered(40);
    assert!(
        agent.stderr().contains("--exit-after has passed"),
        "{}",
        agent.stderr()
    );
    let production = scene.production.finish();
    production.assert_same_requests(&scene.shadow.finish());
}

#[test]
fn stats_logs_what_became_of_requests() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["-stats"]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 10), 40);
    agent.wait_for_ledger("all is delivered", |ledger| ledger.delivered(0) == 40);
    // One may have been logged before.
    let line = agent.wait_for_line("/s (40), delivered 40,");
    assert!(
        line.contains("stats: seen ")
            && line.ends_with(
                "delivered 40, filtered 0, sampled out 0, limited 0, dropped 0, in flight 0, waiting 0"
            ),
        "{line}"
    );
    scene.finish(agent).assert_mirrored(40);
}

#[test]
fn output_http_stats_logs_each_upstream() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[
        "--output-http-stats",
        "true",
        "--output-http-stats-ms",
        "200",
        "--output-null",
    ]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 10), 40);
    agent.wait_for_ledger("all is delivered", |ledger| ledger.delivered(0) == 40);
    let line = agent.wait_for_line("/s (40), dropped 0, waiting 0, in flight 0, connections ");
    let of = format!("stats of {}: delivered ", scene.shadow_url);
    assert!(line.contains(&of), "{line}");
    // Ten such lines would take fifty seconds at GoReplay's default.
    until("ten lines are logged", || {
        agent.stderr().matches(&of).count() >= 10
    });
    assert!(!agent.stderr().contains("stats of null"), "{}", agent.stderr());
    scene.finish(agent).assert_mirrored(40);
}

#[test]
fn verbose_takes_a_number_or_none() {
    let _stage = stage!("agent");
    for flags in [
        &["--verbose"][..],
        &["--verbose", "0"],
        &["-verbose=2"],
        &["--verbose", "--no-status"],
    ] {
        let base = ["--input-raw", ":80", "--output-null", "--check-config"];
        let output = run(&[flags, &base].concat());
        assert!(output.status.success(), "{flags:?}: {}", output.stderr);
    }
    let output = run(&["--input-raw", ":80", "--output-null", "--verbose=loud"]);
    assert_eq!(output.status.code(), Some(2), "{}", output.stderr);
}

#[test]
fn a_flag_that_is_refused_says_why_and_the_way_out_with_status_2() {
    let _stage = stage!("agent");
    for (flags, why, way_out) in [
        (
            &["--output-kafka-host", "b:9092"][..],
            "no Kafka client",
            "--output-file x.jsonl",
        ),
        (&["-input-kafka-offset", "-1"], "no Kafka client", "--input-file"),
        (
            &["--output-binary=staging:80"],
            "only HTTP is mirrored",
            "--output-http",
        ),
        (
            &["--output-http-elasticsearch", "http://es:9200/gor"],
            "does not index",
            "--output-file x.jsonl",
        ),
        (&["--output-file-buffer", "/mnt"], "no S3 client", "aws s3 cp"),
    ] {
        let output = run(&[&["--input-raw", ":80", "--output-stdout"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", output.stderr);
        let said = &output.stderr;
        assert!(
            said.contains(why) && said.contains(way_out) && said.contains("help:"),
            "{flags:?}: {said}"
        );
    }
    let output = run(&["file-server", ":8000"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output.stderr.contains("python3 -m http.server"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_flag_without_a_meaning_is_taken_with_one_line() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--output-http-workers-min", "4", "--http-pprof", ":8181"]);
    let mut connection = Connection::open(&scene.client, scene.v4);
    assert_eq!(connection.get("/", "1").status, 200);
    drop(connection);
    let said = agent.stderr();
    for line in [
        "--output-http-workers-min: there are no workers",
        "--http-pprof: no profile is served",
    ] {
        assert_eq!(said.matches(line).count(), 1, "{said}");
    }
    scene.finish(agent).assert_mirrored(1);
}

#[test]
fn a_word_that_belongs_to_no_flag_ends_it_with_status_2() {
    let _stage = stage!("agent");
    // GoReplay takes "yes" for the end of the flags, and mirrors to nobody.
    let output = run(&[
        "--input-raw",
        ":80",
        "--output-null",
        "yes",
        "--output-http",
        "http://staging",
    ]);
    assert_eq!(output.status.code(), Some(2), "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("'yes': this argument does not belong to a flag")
            && output.stderr.contains("--output-null is a switch"),
        "{}",
        output.stderr
    );
}

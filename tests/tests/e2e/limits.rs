//! Limits behind addresses, and dividing requests among outputs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use shadow_tests::{Agent, Finished, Netns, Nginx, Stage, load, stage};

use crate::scene::Scene;

/// The line between two records of standard output.
const SEPARATOR: &str = "\n\u{1f435}\u{1f648}\u{1f649}\n";

/// Mirrors with these addresses as input and output while `requests` are sent.
fn mirrored(stage: &Stage, input: &str, output: &str, requests: usize) -> Finished {
    let scene = Scene::on_lo(stage);
    let input = format!(":{}{input}", scene.port);
    let output = format!("{}{output}", scene.shadow_url);
    let agent = Agent::start(
        stage,
        &scene.server,
        &["--input-raw", &input, "--output-http", &output],
    );
    assert_eq!(
        load::keep_alive(&scene.client, scene.v4, 8, requests / 8),
        requests as u64
    );
    scene.finish(agent)
}

/// Three deviations of so many draws.
fn assert_share(count: u64, requests: f64, share: f64) {
    let most = 3.0 * (requests * share * (1.0 - share)).sqrt();
    let off = (count as f64 - requests * share).abs();
    assert!(off <= most, "{count} of {requests} for {share}");
}

#[test]
fn a_share_behind_an_output() {
    let stage = stage!("root", "agent", "nginx");
    let finished = mirrored(&stage, "", "|12.5%", 4000);
    let ledger = &finished.ledger;
    assert_share(ledger.delivered(0), 4000.0, 0.125);
    assert_eq!(
        ledger.delivered(0) + ledger.of(0, "sampled_out"),
        4000,
        "{ledger}"
    );
    assert_eq!(finished.shadow.len() as u64, ledger.delivered(0));
}

#[test]
fn a_share_behind_an_input() {
    let stage = stage!("root", "agent", "nginx");
    let finished = mirrored(&stage, "|50%", "", 4000);
    let ledger = &finished.ledger;
    assert_share(ledger.delivered(0), 4000.0, 0.5);
    assert_eq!(
        ledger.delivered(0) + ledger.of(0, "sampled_out"),
        4000,
        "{ledger}"
    );
}

/// A rate is kept on an input as on an output, and each request counts once.
#[test]
fn a_rate_behind_an_address() {
    let stage = stage!("root", "agent", "nginx");
    for (input, output) in [("|200", ""), ("", "|200")] {
        let start = Instant::now();
        let scene = Scene::on_lo(&stage);
        let input = format!(":{}{input}", scene.port);
        let output = format!("{}{output}", scene.shadow_url);
        let agent = Agent::start(
            &stage,
            &scene.server,
            &["--input-raw", &input, "--output-http", &output],
        );
        let loaded = Instant::now();
        let sent = load::closing(&scene.client, scene.v4, 1000, Duration::from_secs(2));
        let seconds = loaded.elapsed().as_secs_f64();
        let finished = scene.finish(agent);
        let ledger = &finished.ledger;
        assert_eq!(ledger.seen(), sent);
        assert_eq!(ledger.delivered(0) + ledger.of(0, "limited"), sent, "{ledger}");
        // One second of it at once, and then the rate.
        let expected = 200.0 * (seconds + 1.0);
        let off = (ledger.delivered(0) as f64 - expected).abs();
        assert!(
            off <= expected * 0.05 + 3.0,
            "{ledger} in {seconds} s, {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn more_than_everything_multiplies_the_load_and_marks_each_copy() {
    let stage = stage!("root", "agent", "nginx");
    let finished = mirrored(&stage, "", "|250%", 1000);
    let ledger = &finished.ledger;
    assert_eq!(ledger.seen(), 1000);
    assert_eq!(ledger.of(0, "seen"), ledger.delivered(0), "{ledger}");
    assert_share(ledger.delivered(0) - 2000, 1000.0, 0.5);
    assert_eq!(ledger.of(0, "copies"), ledger.delivered(0) - 1000);
    assert_eq!(finished.shadow.len() as u64, ledger.delivered(0));
    assert_eq!(finished.production.len(), 1000);
}

#[test]
fn split_output() {
    let stage = stage!("root", "agent", "nginx");
    for (how, connections) in [("true", 8), ("connection", 64)] {
        let scene = Scene::on_lo(&stage);
        let host = Netns::host();
        let second_port = host.free_port();
        let second = Nginx::start(&stage, &host, "second", second_port);
        let url = format!("http://127.0.0.1:{second_port}");
        let flags = [
            "--output-http",
            &url,
            "--split-output",
            how,
            "--input-raw-shards",
            "1",
        ];
        let agent = scene.mirror(&flags);
        let each = 1600 / connections;
        assert_eq!(load::keep_alive(&scene.client, scene.v4, connections, each), 1600);
        let finished = scene.finish(agent);
        let second = second.finish();
        let ledger = &finished.ledger;
        assert_eq!(ledger.seen(), 1600);
        assert_eq!(ledger.of(0, "seen") + ledger.of(1, "seen"), 1600, "{ledger}");
        assert_eq!(ledger.delivered(0), finished.shadow.len() as u64);
        assert_eq!(ledger.delivered(1), second.len() as u64);
        if how == "true" {
            assert_eq!((ledger.delivered(0), ledger.delivered(1)), (800, 800), "{ledger}");
        } else {
            assert_eq!(
                ledger.delivered(0) % each as u64,
                0,
                "whole connections: {ledger}"
            );
            assert!(ledger.delivered(0) > 0 && ledger.delivered(1) > 0, "{ledger}");
        }
    }
}

#[test]
fn a_response_shares_the_fate_of_its_request() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let input = format!(":{}|30%", scene.port);
    let arguments = [
        "--input-raw",
        &input,
        "--input-raw-track-response",
        "--output-stdout",
    ];
    let agent = Agent::start(&stage, &scene.server, &arguments);
    let stdout = agent.stdout().to_owned();
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 100), 400);
    let ledger = scene.finish(agent).ledger;
    assert_share(ledger.delivered(0), 400.0, 0.3);
    let printed = std::fs::read_to_string(stdout).expect("text");
    let names = |kind: &str| -> BTreeSet<String> {
        let of_kind = printed
            .split_terminator(SEPARATOR)
            .filter(|record| record.starts_with(kind));
        of_kind
            .map(|record| record.split(' ').nth(1).expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names("1 ").len() as u64, ledger.delivered(0), "{ledger}");
    assert_eq!(names("1 "), names("2 "));
}

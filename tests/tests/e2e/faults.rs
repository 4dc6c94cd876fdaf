//! A shadow that fails costs production and the other outputs nothing, and what it missed is counted.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use shadow_tests::fault::{Fault, FaultServer};
use shadow_tests::{Agent, Netns, Wrk, load, stage};

use crate::scene::Scene;

/// Mirrors 800 requests to a good shadow and a faulty one at once; the good one must get them all. Gives what
/// the faulty one's account says.
fn beside_a_good_shadow(fault: Fault, check: impl Fn(&shadow_tests::Ledger)) {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let faulty = FaultServer::start(&Netns::host(), Ipv4Addr::LOCALHOST.into(), fault);
    let url = format!("http://{}", faulty.address);
    let agent = scene.mirror(&[
        "--output-http",
        &url,
        "--output-http-timeout",
        "2s",
        "--output-http-connect-timeout",
        "2s",
        "--shutdown-timeout",
        "5s",
    ]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 8, 100), 800);
    let finished = scene.finish(agent);
    finished.production.assert_same_requests(&finished.shadow);
    let ledger = &finished.ledger;
    assert_eq!(
        (ledger.seen(), ledger.delivered(0), finished.shadow.len()),
        (800, 800, 800),
        "{ledger}"
    );
    assert_eq!(ledger.delivered(1) + ledger.all_dropped(1), 800, "{ledger}");
    check(ledger);
}

/// The faulty output's requests ended in this reason, or in one that follows from it or from a busy machine.
fn mostly(ledger: &shadow_tests::Ledger, reason: &str) {
    const CONSEQUENCES: [&str; 4] = ["breaker_open", "queue_full", "timeout", "shutdown"];
    assert!(ledger.dropped(1, reason) > 0, "expected {reason}: {ledger}");
    let others = CONSEQUENCES.iter().filter(|other| **other != reason);
    let named: u64 = others.map(|other| ledger.dropped(1, other)).sum();
    assert_eq!(
        ledger.dropped(1, reason) + named,
        800,
        "expected {reason}: {ledger}"
    );
}

#[test]
fn a_dead_shadow() {
    beside_a_good_shadow(Fault::Dead, |ledger| mostly(ledger, "connect_error"));
}

#[test]
fn a_shadow_that_never_answers() {
    beside_a_good_shadow(Fault::NeverAnswers, |ledger| mostly(ledger, "timeout"));
}

#[test]
fn a_shadow_that_resets() {
    beside_a_good_shadow(Fault::Resets, |ledger| mostly(ledger, "upstream_closed"));
}

#[test]
fn a_shadow_that_talks_garbage() {
    beside_a_good_shadow(Fault::Garbage, |ledger| mostly(ledger, "bad_response"));
}

#[test]
fn a_shadow_that_answers_half() {
    beside_a_good_shadow(Fault::HalfAnswer, |ledger| mostly(ledger, "upstream_closed"));
}

#[test]
fn a_shadow_that_never_accepts() {
    beside_a_good_shadow(Fault::NeverAccepts, |ledger| {
        assert_eq!(ledger.delivered(1), 0, "{ledger}");
    });
}

#[test]
fn a_shadow_that_answers_without_end() {
    beside_a_good_shadow(Fault::Huge, |ledger| {
        assert_eq!(ledger.delivered(1), 0, "{ledger}");
        assert!(ledger.dropped(1, "bad_response") > 0, "{ledger}");
    });
}

#[test]
fn a_slow_shadow_gets_what_it_can_take() {
    beside_a_good_shadow(Fault::Slow(Duration::from_millis(20)), |ledger| {
        assert!(ledger.delivered(1) > 0, "{ledger}");
    });
}

#[test]
fn production_under_wrk_has_no_error_with_sick_shadows_only() {
    let stage = stage!("root", "agent", "nginx", "wrk");
    let scene = Scene::on_lo(&stage);
    let faults = [Fault::Dead, Fault::NeverAnswers, Fault::Resets, Fault::Garbage];
    let servers = faults.map(|fault| FaultServer::start(&Netns::host(), Ipv4Addr::LOCALHOST.into(), fault));
    let urls: Vec<_> = servers
        .iter()
        .map(|server| format!("http://{}", server.address))
        .collect();
    let input = format!(":{}", scene.port);
    let mut arguments = vec!["--input-raw", &input, "--shutdown-timeout", "2s"];
    for url in &urls {
        arguments.extend(["--output-http", url]);
    }
    let agent = Agent::start(&stage, &scene.server, &arguments);
    let wrk = Wrk {
        threads: 1,
        connections: 20,
        seconds: 3,
    };
    assert_eq!(
        wrk.run(&scene.client, &format!("http://{}/page", scene.v4))
            .errors,
        0
    );
    let start = Instant::now();
    let finished = scene.finish(agent);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "ending took {:?}",
        start.elapsed()
    );
    for output in 0..4 {
        assert_eq!(finished.ledger.delivered(output), 0, "{}", finished.ledger);
    }
}

#[test]
fn a_shadow_that_comes_back_is_mirrored_to_again() {
    let stage = stage!("root", "agent", "nginx");
    let host = Netns::host();
    let (port, shadow_port) = (host.free_port(), host.free_port());
    let production = shadow_tests::Nginx::start(&stage, &host, "production", port);
    let output = format!("http://127.0.0.1:{shadow_port}");
    let input = format!(":{port}");
    let agent = Agent::start(
        &stage,
        &host,
        &[
            "--input-raw",
            &input,
            "--output-http",
            &output,
            "--output-http-breaker-open-for",
            "200ms",
        ],
    );
    let address = ([127, 0, 0, 1], port).into();
    assert_eq!(load::keep_alive(&host, address, 4, 25), 100);
    let down = agent.wait_for_ledger("all are dropped", |ledger| ledger.all_dropped(0) == 100);
    assert!(down.dropped(0, "connect_error") > 0, "{down}");
    let shadow = shadow_tests::Nginx::start(&stage, &host, "shadow", shadow_port);
    let mut more = 0;
    agent.wait_for_ledger("the shadow is found again", |ledger| {
        more += load::keep_alive(&host, address, 1, 1);
        ledger.delivered(0) > 0
    });
    drop(production.finish());
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!(ledger.seen(), 100 + more);
    assert_eq!(shadow.finish().len() as u64, ledger.delivered(0));
}

//! Load: many connections, many requests, and losses that the ledger explains.

use std::time::Duration;

use shadow_tests::{Wrk, load, stage};

use crate::scene::Scene;

#[test]
fn five_thousand_connections_at_once_are_mirrored() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    assert_eq!(load::at_once(&scene.client, scene.v4, 5000, 2), 10_000);
    let finished = scene.finish(agent);
    finished.assert_mirrored(10_000);
    assert_eq!(finished.ledger.connections("opened"), 5000);
}

#[test]
fn connections_to_the_shadow_are_kept_while_production_closes_its_own() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::across(&stage);
    // With a connection for each request these ports would be used up in a second: TIME_WAIT lasts sixty.
    scene.server.run(
        "sh",
        &["-c", "echo 32768 34767 > /proc/sys/net/ipv4/ip_local_port_range"],
    );
    let agent = scene.mirror(&[]);
    let requests = load::closing(&scene.client, scene.v4, 2000, Duration::from_secs(4));
    assert_eq!(requests, 8000);
    let finished = scene.finish(agent);
    finished.assert_mirrored(8000);
    assert_eq!(finished.production.connections(), 8000);
    assert!(
        finished.shadow.connections() < 1500,
        "{} connections",
        finished.shadow.connections()
    );
}

#[test]
fn connections_to_the_shadow_are_about_as_many_as_productions() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::across(&stage);
    let agent = scene.mirror(&[]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 50, 100), 5000);
    let finished = scene.finish(agent);
    finished.assert_mirrored(5000);
    assert!(
        finished.shadow.connections() <= 60,
        "{} connections",
        finished.shadow.connections()
    );
}

#[test]
fn wrk_flat_out_has_no_error_and_both_logs_agree() {
    let stage = stage!("root", "agent", "nginx", "wrk");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    let wrk = Wrk {
        threads: 2,
        connections: 50,
        seconds: 5,
    };
    let result = wrk.run(&scene.client, &format!("http://{}/page", scene.v4));
    assert_eq!(result.errors, 0);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(finished.shadow.len() as u64, ledger.delivered(0), "{ledger}");
    // wrk breaks off inside a request on each connection: whether production logged it is chance.
    let seen = ledger.seen() + ledger.capture("ring_full_payload_packets");
    let logged = finished.production.len() as u64;
    assert!(
        logged.abs_diff(seen) <= 50,
        "logged {logged}, seen or lost in the ring {seen}: {ledger}"
    );
}

#[test]
fn losses_in_a_tiny_ring_are_explained_to_the_last_request() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--input-raw-buffer-size", "4096", "--input-raw-shards", "1"]);
    // Each request is one packet, and all of a round come at once.
    assert_eq!(load::at_once(&scene.client, scene.v4, 2000, 5), 10_000);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    let lost = ledger.capture("ring_full_payload_packets");
    assert!(lost > 0, "the ring was large enough: {ledger}");
    assert_eq!(ledger.seen() + lost, 10_000, "{ledger}");
    assert_eq!(finished.shadow.len() as u64, ledger.delivered(0), "{ledger}");
    assert_eq!(finished.production.difference(&finished.shadow).extra(), 0);
}

#[test]
fn a_small_queue_drops_and_counts_rather_than_waits() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--output-http-workers", "1", "--output-http-queue-len", "10"]);
    assert_eq!(load::at_once(&scene.client, scene.v4, 1000, 2), 2000);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(ledger.seen(), 2000);
    assert!(ledger.dropped(0, "queue_full") > 0, "{ledger}");
    assert_eq!(finished.shadow.len() as u64, ledger.delivered(0));
    assert_eq!(finished.production.difference(&finished.shadow).extra(), 0);
}

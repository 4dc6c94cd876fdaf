//! Copies are never copied again.

use shadow_tests::client::Connection;
use shadow_tests::{Agent, load, stage};

use crate::scene::Scene;

#[test]
fn copies_to_a_captured_port_of_this_host_are_not_seen() {
    let stage = stage!("root", "agent", "nginx");
    for engine in ["tc", "cgroup"] {
        let scene = Scene::beside(&stage);
        let input = format!(":{},{}", scene.port, scene.shadow_port);
        let agent = scene.mirror_from(&input, &["--input-raw-engine", engine]);
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
        let finished = scene.finish(agent);
        finished.assert_mirrored(100);
        assert!(
            finished.ledger.capture("packets_own") > 0,
            "{engine}: {}",
            finished.ledger
        );
    }
}

#[test]
fn copies_into_another_namespace_of_this_host_are_not_seen() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::across(&stage);
    // The cgroup hook sees the shadow's namespace as well, and its port is captured.
    let input = format!(":{},{}", scene.port, scene.shadow_port);
    let agent = scene.mirror_from(&input, &["--input-raw-engine", "cgroup"]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    let finished = scene.finish(agent);
    finished.assert_mirrored(100);
    assert!(finished.ledger.capture("packets_own") > 0, "{}", finished.ledger);
}

#[test]
fn two_agents_that_mirror_to_each_other_stop_at_the_marker_header() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let there = scene.mirror(&[]);
    let input = format!(":{}", scene.shadow_port);
    let output = format!("http://127.0.0.1:{}", scene.port);
    let back = Agent::start(
        &stage,
        &scene.server,
        &["--input-raw", &input, "--output-http", &output],
    );
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    // One from the shadow's own client goes the other way, and no further.
    Connection::open(&scene.client, ([127, 0, 0, 1], scene.shadow_port).into()).get("/own", "own");
    let back_ledger = back.wait_for_ledger("the copies are seen", |ledger| {
        ledger.dropped(0, "loop_guard") == 100 && ledger.delivered(0) == 1
    });
    assert_eq!(back_ledger.seen(), 101);
    let production = scene.production.finish();
    let back_ledger = back.stop();
    let there_ledger = there.stop();
    let shadow = scene.shadow.finish();
    back_ledger.assert_closed();
    there_ledger.assert_closed();
    assert_eq!((production.len(), shadow.len()), (101, 101));
    production.assert_same_requests(&shadow);
    assert_eq!((back_ledger.seen(), back_ledger.delivered(0)), (101, 1));
    assert_eq!(
        (there_ledger.seen(), there_ledger.dropped(0, "loop_guard")),
        (101, 1)
    );
}

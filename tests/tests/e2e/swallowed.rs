//! Acknowledgments that never come: what is between two agents takes everything and lets nothing back.

use std::io;
use std::net::TcpListener;
use std::thread;

use shadow_tests::{Agent, load, stage};

use crate::scene::Scene;

#[test]
fn swallowed_acknowledgments_end_as_timeouts() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let middlebox = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = middlebox.local_addr().expect("its address").to_string();
    thread::spawn(move || {
        for mut connection in middlebox.incoming().flatten() {
            thread::spawn(move || io::copy(&mut connection, &mut io::sink()));
        }
    });
    let input = format!(":{}", scene.port);
    let agent = Agent::start(
        &stage,
        &scene.server,
        &[
            &[
                "--input-raw",
                &input,
                "--output-tcp",
                &address,
                "--output-tcp-ack",
            ][..],
            &["--output-tcp-workers", "3", "--output-tcp-timeout", "200ms"],
        ]
        .concat(),
    );
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    let ledger = agent.wait_for_ledger("all is given up", |ledger| {
        ledger.of(0, "in_flight") == 0 && ledger.seen() == 100
    });
    assert_eq!(
        (
            ledger.delivered(0),
            ledger.dropped(0, "timeout"),
            ledger.all_dropped(0)
        ),
        (0, 100, 100),
        "{ledger}"
    );
    assert!(
        agent
            .stderr()
            .contains("nothing was acknowledged on 3 connections in a row"),
        "{}",
        agent.stderr()
    );
    agent.stop().assert_closed();
}

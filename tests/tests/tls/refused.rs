//! TLS that cannot be read, or is not to be: counted, and said.

use nix::sys::signal::Signal;
use shadow_tests::stage;
use shadow_tests::tls::{SClient, Stack, Version};

use crate::scene::Scene;

#[test]
fn a_stack_that_cannot_be_read_is_counted() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Granian);
    let agent = scene.mirror(&["--input-raw-tls-wait", "100ms"]);
    let sent = scene.load(Version::Tls13).closing(2, 5);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(finished.production.len() as u64, sent);
    assert_eq!((ledger.seen(), finished.shadow.len()), (0, 0));
    // Its process has OpenSSL as well, which Python brings: whose handshake it is, is known when no secret comes.
    let unread = ledger.connections("tls_no_secret") + ledger.connections("tls_secret_lost");
    assert_eq!(unread, sent, "{ledger}");
}

#[test]
fn connections_open_before_the_agent_are_counted() {
    let stage = stage!("root", "agent", "nginx", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let mut open = SClient::open(&scene.client, scene.to, Version::Tls13, &[]);
    open.get("/before", "1");
    let agent = scene.mirror(&[]);
    open.get("/after", "2");
    open.close();
    let finished = scene.finish(agent);
    assert_eq!(finished.shadow.len(), 0, "{}", finished.ledger);
    assert_eq!(
        finished.ledger.connections("tls_no_secret"),
        1,
        "{}",
        finished.ledger
    );
}

#[test]
fn secrets_that_come_too_fast_are_lost_and_counted() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    // Room for one secret, where several handshakes are under way.
    let agent = scene.mirror(&["--input-raw-tls-secrets", "1", "--input-raw-tls-wait", "200ms"]);
    let sent = scene.load(Version::Tls13).closing(8, 20);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(finished.production.len() as u64, sent);
    assert_eq!(finished.production.difference(&finished.shadow).extra(), 0);
    let lost = ledger.connections("tls_no_secret") + ledger.connections("tls_secret_lost");
    assert_eq!(ledger.connections("tls") + lost, sent, "{ledger}");
    assert_eq!(ledger.delivered(0), ledger.connections("tls"), "{ledger}");
}

#[test]
fn losses_in_the_ring_of_secrets_are_explained_to_the_last_connection() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let agent = scene.mirror(&["--input-raw-tls-wait", "200ms"]);
    // While it stands still, its ring is filled: there is room for some 1,500 secrets.
    agent.signal(Signal::SIGSTOP);
    let sent = scene.load(Version::Tls13).closing(8, 250);
    agent.signal(Signal::SIGCONT);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    let lost = ledger.capture("secrets_ring_full");
    assert!(lost > 0, "the ring was large enough: {ledger}");
    assert_eq!(ledger.capture("secrets_taken") + lost, sent, "{ledger}");
    let unread = ledger.connections("tls_no_secret") + ledger.connections("tls_secret_lost");
    assert_eq!(ledger.connections("tls") + unread, sent, "{ledger}");
    assert_eq!(ledger.delivered(0), ledger.connections("tls"), "{ledger}");
    assert_eq!(finished.production.difference(&finished.shadow).extra(), 0);
}

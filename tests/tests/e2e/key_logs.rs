//! HTTPS opened by the key logs of those who speak it, while it is captured live: nobody's process is looked into.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use nix::sys::stat::Mode;
use shadow_tests::tls::https::Load;
use shadow_tests::tls::{Https, Stack, Version};
use shadow_tests::{AccessLog, Agent, Ledger, Netns, Nginx, Stage, stage};

/// Production speaks HTTPS, its clients log their secrets to `key_log`, and `load` is mirrored: what both logged, and the ledger.
fn mirrored(
    stage: &Stage,
    key_log: &Path,
    more: &[&str],
    load: impl Fn(&Load<'_>, &Agent) -> u64,
) -> (Ledger, AccessLog, AccessLog) {
    let host = Netns::host();
    let (port, shadow_port) = (host.free_port(), host.free_port());
    let production = Https::start(stage, &host, Stack::Nginx, port);
    let shadow = Nginx::start(stage, &host, "shadow", shadow_port);
    let input = format!(":{port}");
    let output = format!("http://127.0.0.1:{shadow_port}");
    let file = key_log.display().to_string();
    let common = [
        "--input-raw",
        &input,
        "--output-http",
        &output,
        "--input-raw-tls-keylog",
        &file,
    ];
    let agent = Agent::start(stage, &host, &[&common, more].concat());
    let mut sent = 0;
    for version in Version::ALL {
        let to = (Ipv4Addr::LOCALHOST, port).into();
        sent += load(
            &Load::new(stage, &host, to, version).logging_keys(key_log),
            &agent,
        );
    }
    agent.wait_for_ledger("all requests are delivered", |ledger| ledger.delivered(0) == sent);
    let ledger = agent.stop();
    ledger.assert_all_delivered(sent);
    (ledger, production.finish(), shadow.finish())
}

fn mixed(load: &Load<'_>, _: &Agent) -> u64 {
    load.mixed()
}

#[test]
fn a_key_log_written_meanwhile_opens_connections() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let key_log = stage.path("keys.log");
    let (ledger, production, shadow) = mirrored(&stage, &key_log, &[], mixed);
    production.assert_same_requests(&shadow);
    assert_eq!(ledger.connections("tls"), production.connections() as u64);
    assert_eq!(ledger.connections("encrypted"), 0);
    assert!(ledger.capture("secrets_key_log") > 0);
}

#[test]
fn a_fifo_is_a_key_log_and_answers_are_paired_behind_it() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let key_log = stage.path("keys.fifo");
    nix::unistd::mkfifo(&key_log, Mode::from_bits_truncate(0o600)).expect("a FIFO");
    let more = ["--input-raw-track-response"];
    let (ledger, production, shadow) = mirrored(&stage, &key_log, &more, mixed);
    production.assert_same_requests(&shadow);
    let answers = &ledger.0["connections"]["answers"];
    assert_eq!(
        answers["paired"].as_u64(),
        Some(production.len() as u64),
        "{answers}"
    );
}

#[test]
fn a_key_log_may_be_replaced_under_way() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let key_log = stage.path("keys.log");
    let old = stage.path("keys.log.1");
    let (_, production, shadow) = mirrored(&stage, &key_log, &[], |load, agent| {
        let before = load.keep_alive(2, 5);
        agent.wait_for_ledger("those are delivered", |ledger| {
            let version_before = if load.version == Version::Tls12 { 0 } else { 20 };
            ledger.delivered(0) == version_before + before
        });
        fs::rename(&key_log, &old).expect("the key log's old name");
        before + load.closing(2, 5)
    });
    production.assert_same_requests(&shadow);
}

#[test]
fn what_no_key_log_opens_is_counted() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let host = Netns::host();
    let port = host.free_port();
    let production = Https::start(&stage, &host, Stack::Nginx, port);
    let input = format!(":{port}");
    let empty = stage.path("keys.log").display().to_string();
    let wait = "--input-raw-tls-wait=300ms";
    let flags = [
        "--input-raw",
        &input,
        "--output-null",
        "--input-raw-tls-keylog",
        &empty,
        wait,
    ];
    let agent = Agent::start(&stage, &host, &flags);
    let load = Load::new(&stage, &host, (Ipv4Addr::LOCALHOST, port).into(), Version::Tls13);
    let sent = load.keep_alive(2, 5) + load.closing(1, 5);
    let ledger = agent.wait_for_ledger("all connections are given up", |ledger| {
        ledger.connections("tls_no_secret") == 7
    });
    assert_eq!((ledger.seen(), ledger.connections("tls")), (0, 0));
    let skipped = &ledger.0["connections"]["skipped_bytes"]["tls_no_secret"];
    assert!(skipped.as_u64() > Some(7 * 500), "{skipped}");
    agent.stop().assert_balanced();
    assert_eq!(production.finish().len() as u64, sent);
}

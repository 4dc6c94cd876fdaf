//! Clients and all that they may do within TLS: early data, resumption, new keys, small records, HTTP/2; and load.

use shadow_tests::tls::{SClient, Stack, Version, https};
use shadow_tests::{Wrk, stage};

use crate::scene::Scene;

#[test]
fn early_data_resumption_and_new_keys_are_mirrored() {
    let stage = stage!("root", "agent", "nginx", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let session = stage.path("session").display().to_string();
    let early = stage.path("early");
    let request = "GET /tls HTTP/1.1\r\nHost: production.test\r\nX-Id: early\r\n\r\n";
    std::fs::write(&early, request).expect("a request");
    let agent = scene.mirror(&[]);
    let open = |version, options: &[&str]| SClient::open(&scene.client, scene.to, version, options);

    let mut first = open(Version::Tls13, &["-sess_out", &session]);
    first.get("/first", "1");
    for round in 0..3 {
        first.update_keys();
        first.get("/updated", &format!("1-{round}"));
    }
    first.close();
    let early = early.display().to_string();
    let mut second = open(Version::Tls13, &["-sess_in", &session, "-early_data", &early]);
    second.is_answered_early();
    second.get("/behind-early-data", "2");
    second.close();
    let finished = scene.finish(agent);
    finished.assert_mirrored(6);
    assert_eq!(finished.ledger.connections("tls"), 2, "{}", finished.ledger);
}

#[test]
fn small_records_and_other_ciphers_are_mirrored() {
    let stage = stage!("root", "agent", "nginx", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let agent = scene.mirror(&[]);
    let mut sent = 0;
    for (version, options) in [
        (Version::Tls12, &["-maxfraglen", "512"][..]),
        (Version::Tls13, &["-maxfraglen", "512"]),
        (Version::Tls12, &["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]),
        (Version::Tls12, &["-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"]),
        (Version::Tls12, &["-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"]),
        (Version::Tls13, &["-ciphersuites", "TLS_AES_128_GCM_SHA256"]),
        (Version::Tls13, &["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"]),
    ] {
        let mut client = SClient::open(&scene.client, scene.to, version, options);
        // More than one of the smallest records, in one write.
        let long = format!("/{}", "long".repeat(400));
        client.get(&long, &format!("{sent}"));
        client.get("/page", &format!("{sent}-2"));
        client.close();
        sent += 2;
    }
    scene.finish(agent).assert_mirrored(sent);
}

#[test]
fn a_suite_that_is_not_supported_is_counted() {
    let stage = stage!("root", "agent", "nginx", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let agent = scene.mirror(&[]);
    let cbc = ["-cipher", "ECDHE-ECDSA-AES128-SHA256"];
    let mut client = SClient::open(&scene.client, scene.to, Version::Tls12, &cbc);
    client.get("/page", "1");
    client.close();
    let finished = scene.finish(agent);
    assert_eq!((finished.ledger.seen(), finished.shadow.len()), (0, 0));
    assert_eq!(
        finished.ledger.connections("tls_cipher"),
        1,
        "{}",
        finished.ledger
    );
}

#[test]
fn http2_within_tls_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Go);
    // The shadow is not asked whether it has HTTP/2: that would stand in its log.
    let agent = scene.mirror(&["--output-http-version", "1.1"]);
    let url = format!("https://{}/h2", scene.to);
    https::get(&scene.client, &url, &["--http2"]);
    let finished = scene.finish(agent);
    finished.assert_mirrored(1);
    assert_eq!(finished.ledger.connections("http2"), 1, "{}", finished.ledger);
}

#[test]
fn bodies_are_mirrored_byte_by_byte() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let body = stage.path("body");
    std::fs::write(&body, shadow_tests::client::noise(3 << 20, 7)).expect("a body");
    let data = format!("@{}", body.display());
    let agent = scene.mirror(&[]);
    for (version, max) in [("--tlsv1.2", "1.2"), ("--tlsv1.3", "1.3")] {
        let url = format!("https://{}/upload/{max}", scene.to);
        https::get(
            &scene.client,
            &url,
            &[version, "--tls-max", max, "--data-binary", &data],
        );
    }
    let finished = scene.finish(agent);
    assert!(finished.production.0.iter().all(|entry| entry.body.is_some()));
    finished.assert_mirrored(2);
}

#[test]
fn wrk_flat_out_over_https_has_no_error_and_both_logs_agree() {
    let stage = stage!("root", "agent", "nginx", "wrk", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let agent = scene.mirror(&[]);
    let wrk = Wrk {
        threads: 2,
        connections: 32,
        seconds: 3,
    };
    let result = wrk.run(&scene.client, &format!("https://{}/page", scene.to));
    assert_eq!(result.errors, 0);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(finished.shadow.len() as u64, ledger.delivered(0), "{ledger}");
    assert_eq!(finished.production.difference(&finished.shadow).extra(), 0);
    // wrk breaks off inside a request on each connection: whether production logged it is chance.
    let lost = ledger.capture("ring_full_payload_packets") + ledger.connections("tls_records_lost");
    let logged = finished.production.len() as u64;
    assert!(
        logged.abs_diff(ledger.seen() + lost) <= 32,
        "logged {logged}: {ledger}"
    );
}

//! Requests of HTTP/2 to nginx, mirrored to a shadow of HTTP/1.1: every one, and nothing else.

use shadow_tests::{Finished, H2Load, Report, stage};

use crate::scene::{Scene, Speaks};

#[test]
fn streams_are_mirrored_by_either_engine_on_lo_and_across_namespaces() {
    let stage = stage!("root", "agent", "nginx", "curl", "h2load");
    for engine in ["tc", "cgroup"] {
        for scene in [
            Scene::on_lo(&stage, Speaks::H2c, Speaks::Http1),
            Scene::across(&stage, Speaks::H2c, Speaks::Http1),
        ] {
            let agent = scene.mirror(&["--input-raw-engine", engine]);
            let sent = scene.mixed();
            scene.finish(agent).assert_mirrored(sent);
        }
    }
}

#[test]
fn streams_in_tls_are_mirrored() {
    let stage = stage!("root", "agent", "nginx", "curl", "h2load", "openssl");
    let scene = Scene::on_lo(&stage, Speaks::H2, Speaks::Http1);
    let agent = scene.mirror(&["--input-raw-tls", "auto"]);
    let sent = scene.mixed();
    scene.finish(agent).assert_mirrored(sent);
}

#[test]
fn a_shadow_that_takes_http_2_gets_it() {
    let stage = stage!("root", "agent", "nginx", "curl", "h2load");
    for shadow in [Speaks::H2c, Speaks::H2] {
        let scene = Scene::on_lo(&stage, Speaks::H2c, shadow);
        let agent = scene.mirror(&["--output-http-skip-verify"]);
        let sent = scene.mixed();
        let finished = scene.finish(agent);
        finished.assert_mirrored(sent);
        for entry in &finished.shadow.0 {
            assert_eq!(entry.protocol, "HTTP/2.0", "{entry:?}");
        }
        assert!(
            finished.shadow.connections() < 50,
            "{}",
            finished.shadow.connections()
        );
    }
}

#[test]
fn answers_of_streams_are_compared() {
    let stage = stage!("root", "agent", "nginx", "curl", "h2load");
    let scene = Scene::on_lo(&stage, Speaks::H2c, Speaks::Http1);
    let file = stage.path("report.json");
    let report = file.to_string_lossy();
    let agent = scene.mirror(&["--compare", "--report", &report]);
    let sent = scene.mixed();
    let finished = scene.finish_judged(agent);
    let ledger = &finished.ledger;
    assert_eq!((ledger.seen(), ledger.delivered(0)), (sent, sent), "{ledger}");
    let report = Report::read(&file);
    assert_eq!((report.compared(0), report.agreeing(0)), (sent, sent), "{report}");
}

#[test]
fn bodies_arrive_as_they_were_sent_with_and_without_a_length() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let scene = Scene::on_lo(&stage, Speaks::H2c, Speaks::Http1);
    let agent = scene.mirror(&[]);
    let body = stage.path("body");
    let bytes = [b"\0\r\n5\r\nbody\xff".as_slice(), &vec![7; 300_000]].concat();
    std::fs::write(&body, &bytes).expect("a body");
    let length = format!("content-length: {}", bytes.len());
    let mut sent = 0;
    for (id, length) in [("1", &*length), ("2", "content-length:")] {
        let data = format!("@{}", body.display());
        let answer = scene.client.run(
            "curl",
            &[
                "-q",
                "-sS",
                "--http2-prior-knowledge",
                "-H",
                length,
                "-H",
                &format!("X-Id: {id}"),
                "--data-binary",
                &data,
                &format!("{}/upload/{id}", scene.url),
            ],
        );
        assert_eq!(answer, "received");
        sent += 1;
    }
    let finished = scene.finish(agent);
    finished.assert_mirrored(sent);
    let size = |log: &shadow_tests::AccessLog| -> Vec<u64> {
        log.0.iter().filter_map(|entry| Some(entry.body?.0)).collect()
    };
    assert_eq!(size(&finished.production), [bytes.len() as u64; 2]);
}

#[test]
fn five_thousand_requests_a_second_lose_nothing() {
    let stage = stage!("root", "agent", "nginx", "curl", "h2load");
    let scene = Scene::on_lo(&stage, Speaks::H2c, Speaks::Http1);
    let agent = scene.mirror(&[]);
    let sent = scene.h2load(H2Load {
        connections: 8,
        streams: 100,
        requests: 40_000,
        rate: Some(5_000),
    });
    let finished: Finished = scene.finish(agent);
    finished.assert_mirrored(sent);
}

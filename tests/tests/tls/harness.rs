//! The servers and clients themselves: without an agent, so that a failure elsewhere is the agent's.

use std::net::Ipv4Addr;

use shadow_tests::tls::https::{self, Load};
use shadow_tests::tls::{Https, SClient, Stack, Version, trace};
use shadow_tests::{Netns, Wrk, stage};

#[test]
fn connections_are_kept_closed_and_resumed_as_asked() {
    let stage = stage!("root", "nginx", "curl", "openssl");
    let host = Netns::host();
    let port = host.free_port();
    let server = Https::start(&stage, &host, Stack::Nginx, port);
    for version in Version::ALL {
        let load = Load::new(&stage, &host, (Ipv4Addr::LOCALHOST, port).into(), version);
        assert_eq!(load.keep_alive(3, 10), 30);
        assert_eq!(load.closing(2, 10), 20);
        assert_eq!(load.resuming(1, 10), 10);
        let url = format!("https://localhost:{port}/tls");
        let max = if version == Version::Tls12 { "1.2" } else { "1.3" };
        let once = ["--tls-max", max, "-H", "Connection: close"];
        assert_eq!(https::get(&host, &url, &once), format!("{} . ", version.name()));
        let twice = [&once[..], &["--next", "-sS", "--insecure", &url], &once].concat();
        let name = version.name();
        assert_eq!(https::get(&host, &url, &twice), format!("{name} . {name} r "));
    }
    let log = server.finish();
    let connections = |kind: &str| log.filter(|entry| entry.uri.starts_with(kind)).connections();
    assert_eq!(
        ["/keep-alive", "/closing", "/resuming"].map(connections),
        [6, 40, 20]
    );
}

#[test]
fn openssl_resumes_sends_early_data_and_updates_keys() {
    let stage = stage!("root", "nginx", "openssl");
    let host = Netns::host();
    let port = host.free_port();
    let to = (Ipv4Addr::LOCALHOST, port).into();
    let server = Https::start(&stage, &host, Stack::Nginx, port);
    let session = stage.path("session").display().to_string();
    let early = stage.path("early");
    std::fs::write(
        &early,
        "GET /tls HTTP/1.1\r\nHost: production.test\r\nX-Id: early\r\n\r\n",
    )
    .expect("a request");

    let mut first = SClient::open(&host, to, Version::Tls13, &["-sess_out", &session]);
    assert!(first.get("/tls", "1").ends_with("TLSv1.3 . "));
    first.update_keys();
    assert!(first.get("/tls", "2").ends_with("TLSv1.3 . "));
    first.close();
    let early = early.display().to_string();
    let mut second = SClient::open(
        &host,
        to,
        Version::Tls13,
        &["-sess_in", &session, "-early_data", &early],
    );
    second.is_answered_early();
    second.close();
    let mut small = SClient::open(&host, to, Version::Tls12, &["-maxfraglen", "512"]);
    assert!(small.get("/page", "3").contains("200 OK"));
    small.close();
    assert_eq!(server.finish().len(), 4);
}

#[test]
fn wrk_speaks_https() {
    let stage = stage!("root", "nginx", "wrk", "openssl");
    let host = Netns::host();
    let port = host.free_port();
    let server = Https::start(&stage, &host, Stack::Nginx, port);
    let wrk = Wrk {
        threads: 1,
        connections: 8,
        seconds: 1,
    };
    let result = wrk.run(&host, &format!("https://127.0.0.1:{port}/page"));
    assert_eq!(result.errors, 0);
    assert!(server.finish().len() as u64 >= result.requests);
}

#[test]
fn a_trace_has_its_requests_and_loses_what_is_taken_out() {
    let stage = stage!("root", "nginx", "curl", "openssl", "tcpdump", "tshark", "editcap");
    let host = Netns::host();
    let port = host.free_port();
    let server = Https::start(&stage, &host, Stack::Nginx, port);
    let key_log = stage.path("keys.log");
    let recorder = trace::Recorder::start(&stage, port);
    for version in Version::ALL {
        let load = Load::new(&stage, &host, (Ipv4Addr::LOCALHOST, port).into(), version);
        assert_eq!(load.logging_keys(&key_log).closing(2, 10), 20);
    }
    let file = recorder.finish();
    assert_eq!(server.finish().len(), 40);
    assert_eq!(trace::requests(&file, &key_log, port).len(), 40);
    let empty = stage.path("no-keys.log");
    std::fs::write(&empty, "").expect("an empty file");
    let injected = trace::inject(&file, &key_log);
    assert_eq!(trace::requests(&injected, &empty, port).len(), 40);
    assert_eq!(trace::requests(&file, &empty, port).len(), 0);
    let lossy = trace::drop_segments(&file, port, 20, 1);
    assert!(lossy.dropped > 40 && lossy.harmed.len() > 20, "{}", lossy.dropped);
}

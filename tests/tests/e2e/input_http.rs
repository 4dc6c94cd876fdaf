//! Clients that send requests to the agent itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use shadow_tests::client::Connection;
use shadow_tests::{Agent, Netns, Nginx, NginxSetup, Stage, stage};

use crate::relay::{free_address, stop_after};

/// Starts an agent that mirrors what is sent to `address`.
fn served(stage: &Stage, address: &str, output: &str, more: &[&str]) -> Agent {
    let arguments = [&["--input-http", address, "--output-http", output], more].concat();
    let agent = Agent::spawn(stage, &Netns::host(), &arguments);
    agent.wait_for_line("listening for requests to mirror");
    agent
}

#[test]
fn input_http() {
    let stage = stage!("root", "agent", "nginx");
    let host = Netns::host();
    let (port, shadow_port) = (host.free_port(), host.free_port());
    let address = free_address();
    let shadow = Nginx::start(&stage, &host, "shadow", shadow_port);
    let url = format!("http://127.0.0.1:{shadow_port}");
    let agent = served(&stage, &address, &url, &["--http-original-host"]);
    // The example of docs/relay.md.
    let setup = NginxSetup {
        location: "mirror /copy;".to_owned(),
        server: format!(
            "location = /copy {{ internal; proxy_pass http://{address}$request_uri;
               proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $http_host; }}"
        ),
        ..NginxSetup::default()
    };
    let production = Nginx::start_with(&stage, &host, "production", &[port], &setup);
    let mut connection = Connection::open(&host, SocketAddr::from(([127, 0, 0, 1], port)));
    for number in 0..50 {
        assert_eq!(connection.get("/page", &number.to_string()).status, 200);
    }
    drop(connection);
    production.finish();
    let ledger = stop_after(agent, 50);
    ledger.assert_all_delivered(50);
    let shadow = shadow.finish();
    assert_eq!(shadow.len(), 50);
    assert!(
        shadow
            .0
            .iter()
            .all(|entry| entry.uri == "/page" && entry.host == "production.test"),
        "{:?}",
        shadow.0[0]
    );
}

#[test]
fn input_http_answers_what_became_of_a_request() {
    let stage = stage!("root", "agent", "nginx");
    let host = Netns::host();
    let shadow_port = host.free_port();
    let address = free_address();
    let shadow = Nginx::start(&stage, &host, "shadow", shadow_port);
    let url = format!("http://127.0.0.1:{shadow_port}");
    let agent = served(
        &stage,
        &address,
        &url,
        &["--max-body=100", "--input-http-timeout=1s"],
    );
    let answer = |request: &str| {
        let mut stream = TcpStream::connect(&address).expect("a connection");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let pipelined =
        answer("GET /a HTTP/1.1\r\nHost: a\r\n\r\nHEAD /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(pipelined.matches("200 OK").count(), 2, "{pipelined}");
    assert_eq!(
        pipelined.matches("\r\n\r\nOK").count(),
        1,
        "HEAD has no body: {pipelined}"
    );
    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", "413"),
    ] {
        let said = answer(request);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
    }
    let large = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    assert!(answer(&large).starts_with("HTTP/1.1 431 "));
    let mut stream = TcpStream::connect(&address).expect("a connection");
    let mut said = [0; 25];
    stream
        .write_all(
            b"POST /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: \
            100-continue\r\nContent-Length: 2\r\n\r\n",
        )
        .expect("a head");
    stream.read_exact(&mut said).expect("an interim answer");
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").expect("a body");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("an answer");
    assert!(rest.starts_with("HTTP/1.1 200 OK\r\n"), "{rest}");
    assert_eq!(
        answer("GET / HTTP/1.1\r\nHost: "),
        "",
        "what is too slow is closed"
    );
    let ledger = agent.wait_for_ledger("all is counted", |ledger| {
        ledger.delivered(0) == 3 && ledger.all_dropped(0) > 2
    });
    assert_eq!(ledger.dropped(0, "body_too_large"), 1, "{ledger}");
    assert_eq!(ledger.dropped(0, "head_too_large"), 1, "{ledger}");
    assert_eq!(ledger.dropped(0, "truncated"), 1, "{ledger}");
    agent.stop().assert_closed();
    assert_eq!(shadow.finish().len(), 3);
}

//! Every server that speaks HTTP/2 here, with prior knowledge and in TLS, asked by three clients and Go's own: each request is delivered to a
//! shadow of HTTP/1.1.

use shadow_tests::http2::{Server, Stack, ask_by_go};
use shadow_tests::tls::Certificate;
use shadow_tests::{Agent, Finished, Netns, Nginx, Stage, stage};

use crate::clients::Clients;

/// Production on `stack`, mirrored while clients ask for all they can.
fn mirrored(stage: &Stage, stack: Stack, certificate: Option<&Certificate>) {
    let host = Netns::host();
    let (port, shadow_port) = (host.free_port(), host.free_port());
    let production = Server::start(stage, &host, stack, port, certificate);
    let shadow = Nginx::start(stage, &host, "shadow", shadow_port);
    let (input, output) = (format!(":{port}"), format!("http://127.0.0.1:{shadow_port}"));
    let tls: &[&str] = match certificate {
        Some(_) => &["--input-raw-tls", "auto"],
        None => &[],
    };
    // Told what the shadow speaks, or it would be asked, which it logs.
    let to = ["--output-http", &output, "--output-http-version", "1.1"];
    let flags = [&["--input-raw", &input], &to[..]].concat();
    let agent = Agent::start(stage, &host, &[&flags, tls].concat());
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://127.0.0.1:{port}");
    let mut clients = Clients::new(stage, &host, url.clone());
    if matches!(stack, Stack::Apache | Stack::Haproxy) {
        clients = clients.without_bodies();
    }
    let mut sent = clients.curl() + clients.nghttp() + clients.h2load();
    if !matches!(stack, Stack::Apache | Stack::Haproxy) {
        sent += clients.padded();
    }
    if stack == Stack::Go {
        sent += ask_by_go(&host, &url);
    }
    let production = production.finish();
    let ledger = agent.stop();
    let shadow = shadow.finish();
    ledger.assert_closed();
    assert!(
        stack == Stack::Haproxy
            || production
                .0
                .iter()
                .all(|entry| entry.protocol.starts_with("HTTP/2")),
        "{production:?}"
    );
    let finished = Finished {
        production,
        shadow,
        ledger,
    };
    finished.assert_mirrored(sent);
}

/// With prior knowledge, and in TLS.
fn both(stage: &Stage, stack: Stack) {
    mirrored(stage, stack, None);
    mirrored(stage, stack, Some(&Certificate::new(stage)));
}

#[test]
fn apache_is_mirrored() {
    let stage = stage!(
        "root", "agent", "nginx", "apache2", "curl", "nghttp", "h2load", "openssl"
    );
    both(&stage, Stack::Apache);
}

#[test]
fn go_is_mirrored() {
    let stage = stage!(
        "root", "agent", "nginx", "python3", "pip3", "curl", "nghttp", "h2load", "openssl"
    );
    both(&stage, Stack::Go);
}

#[test]
fn haproxy_is_mirrored() {
    let stage = stage!(
        "root", "agent", "nginx", "haproxy", "curl", "nghttp", "h2load", "openssl"
    );
    both(&stage, Stack::Haproxy);
}

#[test]
fn node_is_mirrored() {
    let stage = stage!(
        "root", "agent", "nginx", "node", "curl", "nghttp", "h2load", "openssl"
    );
    both(&stage, Stack::Node);
}

#[test]
fn nghttpd_is_mirrored() {
    let stage = stage!(
        "root", "agent", "nginx", "nghttpd", "curl", "nghttp", "h2load", "openssl"
    );
    both(&stage, Stack::Nghttpd);
}

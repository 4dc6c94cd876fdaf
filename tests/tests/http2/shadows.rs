//! Shadows that speak HTTP/2, each a server that nobody here wrote: copies of HTTP/2 come as HTTP/2, and of each version as the
//! other where that is asked for.

use shadow_tests::http2::{Server, Stack};
use shadow_tests::tls::Certificate;
use shadow_tests::{AccessLog, Agent, Finished, Netns, Nginx, Stage, stage};

use crate::clients::Clients;

/// A kind of shadow, and how it is to be spoken to.
struct Shadow<'a> {
    stack: Stack,
    certificate: Option<&'a Certificate>,
    flags: &'a [&'a str],
}

/// A shadow with prior knowledge.
fn plain(stack: Stack) -> Shadow<'static> {
    Shadow {
        stack,
        certificate: None,
        flags: &[],
    }
}

/// Mirrors what clients ask of a production of HTTP/2 to a shadow. Gives the shadow's log.
fn copied(stage: &Stage, shadow: &Shadow<'_>) -> AccessLog {
    let host = Netns::host();
    let (port, shadow_port) = (host.free_port(), host.free_port());
    let production = Server::start(stage, &host, Stack::Node, port, None);
    let to = Server::start(stage, &host, shadow.stack, shadow_port, shadow.certificate);
    let scheme = if shadow.certificate.is_some() {
        "https"
    } else {
        "http"
    };
    let (input, output) = (format!(":{port}"), format!("{scheme}://127.0.0.1:{shadow_port}"));
    let flags = ["--input-raw", &input, "--output-http", &output];
    let agent = Agent::start(stage, &host, &[&flags, shadow.flags].concat());
    let mut clients = Clients::new(stage, &host, format!("http://127.0.0.1:{port}"));
    if shadow.stack == Stack::Apache {
        clients = clients.without_bodies();
    }
    let sent = clients.curl() + clients.nghttp() + clients.padded() + clients.h2load();
    let production = production.finish();
    let ledger = agent.stop();
    ledger.assert_closed();
    let finished = Finished {
        production,
        shadow: to.finish(),
        ledger,
    };
    finished.assert_mirrored(sent);
    finished.shadow
}

/// Whether all came by HTTP/2.
fn by_http2(log: &AccessLog) -> bool {
    log.0.iter().all(|entry| entry.protocol.starts_with("HTTP/2"))
}

#[test]
fn apache_gets_copies_by_http2_in_plain_text_and_in_tls() {
    let stage = stage!(
        "root", "agent", "node", "apache2", "curl", "nghttp", "h2load", "openssl"
    );
    assert!(by_http2(&copied(&stage, &plain(Stack::Apache))));
    let in_tls = Shadow {
        stack: Stack::Apache,
        certificate: Some(&Certificate::new(&stage)),
        flags: &["--output-http-skip-verify"],
    };
    assert!(by_http2(&copied(&stage, &in_tls)));
}

#[test]
fn go_gets_copies_by_http2_in_plain_text_and_in_tls() {
    let stage = stage!(
        "root", "agent", "node", "python3", "pip3", "curl", "nghttp", "h2load", "openssl"
    );
    assert!(by_http2(&copied(&stage, &plain(Stack::Go))));
    let in_tls = Shadow {
        stack: Stack::Go,
        certificate: Some(&Certificate::new(&stage)),
        flags: &["--output-http-skip-verify"],
    };
    assert!(by_http2(&copied(&stage, &in_tls)));
}

#[test]
fn haproxy_gets_copies_by_http2() {
    let stage = stage!(
        "root", "agent", "nginx", "node", "haproxy", "curl", "nghttp", "h2load"
    );
    // It takes nothing else; the log is that of the nginx behind it.
    copied(&stage, &plain(Stack::Haproxy));
}

#[test]
fn node_gets_copies_by_http2() {
    let stage = stage!("root", "agent", "node", "curl", "nghttp", "h2load");
    assert!(by_http2(&copied(&stage, &plain(Stack::Node))));
}

#[test]
fn nghttpd_gets_copies_by_http2() {
    let stage = stage!("root", "agent", "node", "nghttpd", "curl", "nghttp", "h2load");
    copied(&stage, &plain(Stack::Nghttpd));
}

#[test]
fn requests_of_http_1_go_to_a_shadow_of_http2() {
    let stage = stage!("root", "agent", "nginx", "node", "curl");
    let host = Netns::host();
    let (port, shadow_port) = (host.free_port(), host.free_port());
    let production = Nginx::start(&stage, &host, "production", port);
    let shadow = Server::start(&stage, &host, Stack::Node, shadow_port, None);
    let (input, output) = (format!(":{port}"), format!("http://127.0.0.1:{shadow_port}"));
    let flags = [
        "--input-raw",
        &input,
        "--output-http",
        &output,
        "--output-http-version",
        "2",
    ];
    let agent = Agent::start(&stage, &host, &flags);
    for (number, options) in [
        &[][..],
        &["--data", "a=b"],
        &["--data", "a=b", "-H", "Transfer-Encoding: chunked"],
    ]
    .iter()
    .enumerate()
    {
        let (id, url) = (
            format!("X-Id: {number}"),
            format!("http://127.0.0.1:{port}/page?{number}"),
        );
        host.run(
            "curl",
            &[&["-q", "-sS", "-o", "/dev/null", "-H", &id, &url], *options].concat(),
        );
    }
    let production = production.finish();
    let ledger = agent.stop();
    ledger.assert_closed();
    let finished = Finished {
        production,
        shadow: shadow.finish(),
        ledger,
    };
    finished.assert_mirrored(3);
    assert!(by_http2(&finished.shadow));
}

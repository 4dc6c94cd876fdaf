//! The harness itself: without an agent, so that a failure elsewhere is the agent's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use shadow_tests::client::{Connection, get, noise, with_body};
use shadow_tests::fault::{Fault, FaultServer};
use shadow_tests::{Netns, Nginx, Veth, Wrk, load, stage};

#[test]
fn nginx_is_reached_across_namespaces_by_both_families() {
    let stage = stage!("root", "nginx", "curl", "ip", "nsenter");
    let (server, client) = (Netns::new(), Netns::new());
    let veth = Veth::new(&server, &client);
    let nginx = Nginx::start(&stage, &server, "production", 8081);
    for ip in [IpAddr::from(veth.left.v4), IpAddr::from(veth.left.v6)] {
        assert_eq!(load::keep_alive(&client, SocketAddr::new(ip, 8081), 4, 25), 100);
    }
    let log = nginx.finish();
    assert_eq!(log.len(), 200);
    assert_eq!(log.connections(), 8);
    assert_eq!(
        log.filter(|entry| entry.client == veth.right.v4.to_string())
            .len(),
        100
    );
}

#[test]
fn bodies_are_compared_byte_by_byte() {
    let stage = stage!("root", "nginx");
    let host = Netns::host();
    let ports = [host.free_port(), host.free_port()];
    let production = Nginx::start(&stage, &host, "production", ports[0]);
    let shadow = Nginx::start(&stage, &host, "shadow", ports[1]);
    for (port, seed) in [(ports[0], 1), (ports[1], 2)] {
        let mut connection = Connection::open(&host, (Ipv4Addr::LOCALHOST, port).into());
        for (id, seed) in [("same", 7), ("other", seed)] {
            connection.send(with_body("POST", "/upload/x", id, &noise(100_000, seed)));
            assert_eq!(connection.response().status, 200);
        }
    }
    let difference = production.finish().difference(&shadow.finish());
    assert_eq!((difference.missing(), difference.extra()), (1, 1));
    assert!(
        difference.to_string().contains("id=other body=100000 bytes"),
        "{difference}"
    );
}

#[test]
fn any_method_is_answered_and_logged_as_it_came() {
    let stage = stage!("root", "nginx");
    let host = Netns::host();
    let port = host.free_port();
    let nginx = Nginx::start(&stage, &host, "production", port);
    let mut connection = Connection::open(&host, (Ipv4Addr::LOCALHOST, port).into());
    for method in ["GET", "POST", "DELETE", "PATCH"] {
        connection.send(with_body(method, "/any?a=b", "1", b"body"));
        assert_eq!(connection.response().status, 200);
    }
    connection.send([get("/first", "2"), get("/second", "3")].concat());
    assert_eq!(
        [connection.response().status, connection.response().status],
        [200, 200]
    );
    let log = nginx.finish();
    let seen: Vec<_> = log
        .0
        .iter()
        .map(|entry| (entry.method.as_str(), entry.uri.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("GET", "/any?a=b"),
            ("POST", "/any?a=b"),
            ("DELETE", "/any?a=b"),
            ("PATCH", "/any?a=b"),
            ("GET", "/first"),
            ("GET", "/second")
        ]
    );
}

#[test]
fn load_is_answered_to_the_last_request() {
    let stage = stage!("root", "nginx", "wrk", "curl");
    let host = Netns::host();
    let port = host.free_port();
    let nginx = Nginx::start(&stage, &host, "production", port);
    let address = (Ipv4Addr::LOCALHOST, port).into();
    assert_eq!(load::at_once(&host, address, 1000, 2), 2000);
    assert_eq!(load::closing(&host, address, 500, Duration::from_secs(1)), 500);
    assert_eq!(Nginx::counts(&host, address), (1500, 2500));
    let wrk = Wrk {
        threads: 1,
        connections: 8,
        seconds: 1,
    };
    let result = wrk.run(&host, &format!("http://{address}/page"));
    assert_eq!(result.errors, 0);
    let log = nginx.finish();
    assert_eq!(
        log.filter(|entry| entry.uri.starts_with("/closing"))
            .connections(),
        500
    );
    assert!(log.len() as u64 >= 2500 + result.requests);
}

#[test]
fn faulty_servers_have_their_faults() {
    let _stage = stage!("root");
    let host = Netns::host();
    let start = |fault| FaultServer::start(&host, Ipv4Addr::LOCALHOST.into(), fault);
    let dead = start(Fault::Dead);
    assert!(std::net::TcpStream::connect(dead.address).is_err());
    let slow = start(Fault::Slow(Duration::from_millis(1)));
    assert_eq!(Connection::open(&host, slow.address).get("/", "1").status, 200);
    assert_eq!(slow.connections(), 1);
    for (fault, answer) in [(Fault::Resets, 0), (Fault::HalfAnswer, 44)] {
        let server = start(fault);
        let mut connection = Connection::open(&host, server.address);
        connection.send(get("/", "1"));
        assert_eq!(connection.read_to_close(), answer, "{fault:?}");
    }
}

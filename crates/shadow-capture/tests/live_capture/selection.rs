//! Selection by inputs on real interfaces, also when those change.

use shadow_capture::{CaptureSettings, Engine, LiveCapture, LiveScope};
use shadow_common::Counter;

use crate::support::*;
use crate::{MIB, nothing_was_seen_twice, start, transfer_is_seen};

#[test]
fn an_address_a_name_and_a_pattern_select_what_they_say() {
    if !is_root("an_address_a_name_and_a_pattern") {
        return;
    }
    let (clients, servers) = (Namespace::new(), Namespace::new());
    servers.veth("veth-s", "10.77.2.1/24", &clients, "veth-c", "10.77.2.2/24");
    servers.ip("addr add 10.77.2.3/24 dev veth-s");
    let port = 21087;
    let cases = [
        (
            LiveScope::Addresses(vec!["10.77.2.1".parse().unwrap()]),
            [true, false, true],
        ),
        (
            LiveScope::Addresses(vec!["10.77.2.3".parse().unwrap()]),
            [false, true, false],
        ),
        (interfaces("veth-s"), [true, true, true]),
        (interfaces("veth*"), [true, true, true]),
        (interfaces("eth*"), [false, false, false]),
        (interfaces("lo"), [false, false, true]),
    ];
    for (scope, seen) in cases {
        let capture = start(&servers, vec![live(scope.clone(), port)], settings(Engine::Tc));
        // From outside to either address, and from the same host to the first.
        let ways = [
            (&clients, "10.77.2.1"),
            (&clients, "10.77.2.3"),
            (&servers, "10.77.2.1"),
        ];
        for ((from, address), seen) in ways.into_iter().zip(seen) {
            let before = capture.counters().read().unwrap().get(Counter::BytesCopied);
            let server = format!("{address}:{port}");
            let serving = serve(&servers, &server, b"ok".to_vec());
            ask(from, &server, body(1000));
            serving.join().unwrap();
            let after = capture.counters().read().unwrap().get(Counter::BytesCopied);
            assert_eq!(after - before, if seen { 1000 } else { 0 }, "{scope:?} {address}");
        }
    }
}

#[test]
fn a_server_in_a_container_is_seen_from_the_hosts_side_of_its_veth() {
    if !is_root("a_server_in_a_container") {
        return;
    }
    let (host, guest) = (Namespace::new(), Namespace::new());
    host.veth("veth-h", "10.77.3.1/24", &guest, "eth0", "10.77.3.2/24");
    let server = "10.77.3.2:21088";
    let scopes = [
        interfaces("veth*"),
        LiveScope::Addresses(vec!["10.77.3.2".parse().unwrap()]),
    ];
    for scope in scopes {
        for responses in [false, true] {
            let settings = CaptureSettings {
                responses,
                ..settings(Engine::Tc)
            };
            let capture = start(&host, vec![live(scope.clone(), 21088)], settings);
            transfer_is_seen(capture, &host, &guest, server, responses);
        }
    }
}

#[test]
fn a_bridge_is_watched_and_not_its_ports() {
    if !is_root("a_bridge_is_watched_and_not_its_ports") {
        return;
    }
    let (host, guest) = (Namespace::new(), Namespace::new());
    host.veth("veth-b", "10.77.99.1/24", &guest, "eth0", "10.77.4.2/24");
    host.ip("addr flush dev veth-b");
    host.ip("link add br0 type bridge");
    host.ip("link set veth-b master br0");
    host.ip("addr add 10.77.4.1/24 dev br0");
    host.ip("link set br0 up");
    let capture = start(&host, vec![live(LiveScope::Any, 21089)], settings(Engine::Tc));
    let capture = transfer_is_seen(capture, &guest, &host, "10.77.4.1:21089", false);
    nothing_was_seen_twice(&capture, &guest, MIB);
}

#[test]
fn interfaces_and_addresses_that_appear_later_are_followed() {
    if !is_root("interfaces_and_addresses_that_appear_later") {
        return;
    }
    let (clients, servers) = (Namespace::new(), Namespace::new());
    let inputs = vec![live(LiveScope::Any, 21090), live(interfaces("late*"), 21091)];
    let capture = start(&servers, inputs, settings(Engine::Tc));
    servers.veth("late0", "10.77.5.1/24", &clients, "peer0", "10.77.5.2/24");
    servers.ip("addr add 10.77.5.3/24 dev late0");
    for server in ["10.77.5.1:21090", "10.77.5.3:21090", "10.77.5.1:21091"] {
        eventually("a request on the new interface is seen", || {
            let before = capture.counters().read().unwrap().get(Counter::BytesCopied);
            let serving = serve(&servers, server, b"ok".to_vec());
            ask(&clients, server, body(1000));
            serving.join().unwrap();
            capture.counters().read().unwrap().get(Counter::BytesCopied) - before == 1000
        });
    }
    // What goes is let go of, and may come again.
    servers.ip("link del late0");
    servers.veth("late0", "10.77.5.1/24", &clients, "peer0", "10.77.5.2/24");
    eventually("a request on the interface that came back is seen", || {
        let before = capture.counters().read().unwrap().get(Counter::BytesCopied);
        let serving = serve(&servers, "10.77.5.1:21091", b"ok".to_vec());
        ask(&clients, "10.77.5.1:21091", body(1000));
        serving.join().unwrap();
        capture.counters().read().unwrap().get(Counter::BytesCopied) > before
    });
}

#[test]
fn what_is_watched_changes_while_it_runs() {
    if !is_root("what_is_watched_changes_while_it_runs") {
        return;
    }
    let host = Namespace::new();
    for engine in [Engine::Tc, Engine::Cgroup] {
        let mut capture = start(&host, vec![live(LiveScope::Any, 21092)], settings(engine));
        let seen = |capture: &LiveCapture, server: &str| {
            let before = capture.counters().read().unwrap().get(Counter::BytesCopied);
            let serving = serve(&host, server, b"ok".to_vec());
            ask(&host, server, body(1000));
            serving.join().unwrap();
            capture.counters().read().unwrap().get(Counter::BytesCopied) - before
        };
        assert_eq!(seen(&capture, "127.0.0.1:21092"), 1000);
        assert_eq!(seen(&capture, "127.0.0.1:21093"), 0);
        let capture = host
            .spawn(move || {
                capture.watch(&[live(LiveScope::Any, 21093)]).unwrap();
                capture
            })
            .join()
            .unwrap();
        assert_eq!(seen(&capture, "127.0.0.1:21092"), 0, "{engine:?}");
        assert_eq!(seen(&capture, "127.0.0.1:21093"), 1000, "{engine:?}");
    }
}

#[test]
fn the_agents_own_connections_are_invisible_to_it() {
    if !is_root("the_agents_own_connections_are_invisible") {
        return;
    }
    let (agent, shadow) = (Namespace::new(), Namespace::new());
    shadow.veth("veth-s", "10.77.6.1/24", &agent, "veth-a", "10.77.6.2/24");
    for (engine, observer) in [(Engine::Tc, &shadow), (Engine::Cgroup, &agent)] {
        let capture = start(observer, vec![live(LiveScope::Any, 21094)], settings(engine));
        let own = capture.own_connections();
        let serving = serve(&shadow, "10.77.6.1:21094", b"ok".to_vec());
        agent
            .spawn(move || {
                use std::io::{Read, Write};
                use std::os::fd::AsRawFd;
                // Whoever registers connections has no capabilities by then.
                caps::clear(None, caps::CapSet::Effective).unwrap();
                caps::clear(None, caps::CapSet::Permitted).unwrap();
                let socket = nix::sys::socket::socket(
                    nix::sys::socket::AddressFamily::Inet,
                    nix::sys::socket::SockType::Stream,
                    nix::sys::socket::SockFlag::SOCK_CLOEXEC,
                    None,
                )
                .unwrap();
                let local = nix::sys::socket::SockaddrIn::new(10, 77, 6, 2, 0);
                nix::sys::socket::bind(socket.as_raw_fd(), &local).unwrap();
                let mut stream = std::net::TcpStream::from(socket);
                let entry = own.register(stream.local_addr().unwrap()).unwrap();
                let remote = nix::sys::socket::SockaddrIn::new(10, 77, 6, 1, 21094);
                nix::sys::socket::connect(stream.as_raw_fd(), &remote).unwrap();
                stream.write_all(&body(1000)).unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).unwrap();
                assert_eq!(answer, b"ok");
                drop(stream);
                drop(entry);
            })
            .join()
            .unwrap();
        assert_eq!(serving.join().unwrap(), body(1000));
        let counts = capture.counters().read().unwrap();
        assert_eq!(counts.get(Counter::BytesCopied), 0, "{engine:?}");
        assert!(counts.get(Counter::PacketsOwn) >= 3, "{engine:?} {counts:?}");
        // A stranger on the same way is seen.
        let serving = serve(&shadow, "10.77.6.1:21094", b"ok".to_vec());
        ask(&agent, "10.77.6.1:21094", body(1000));
        serving.join().unwrap();
        assert_eq!(
            capture.counters().read().unwrap().get(Counter::BytesCopied),
            1000,
            "{engine:?}"
        );
    }
}

/// A request of 4 bytes from 10.77.11.2:40000 with this sequence number, in a frame to `hardware`.
fn frame(hardware: [u8; 6], server: [u8; 4], port: u16, sequence: u8) -> Vec<u8> {
    let mut frame = hardware.to_vec();
    frame.extend_from_slice(&[2, 2, 2, 2, 2, 2, 0x08, 0]);
    frame.extend_from_slice(&[0x45, 0, 0, 44, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 77, 11, 2]);
    frame.extend_from_slice(&server);
    frame.extend_from_slice(&[0x9c, 0x40]);
    frame.extend_from_slice(&port.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, sequence, 0, 0, 7, 0xd0, 0x50, 0x18, 0xff, 0xff]);
    frame.extend_from_slice(&[0, 0, 0, 0, b'G', b'E', b'T', b' ']);
    frame
}

/// Sends frames from the other end of the wire; the sequence numbers that are seen, up to `last`.
fn seen_of(capture: &mut LiveCapture, clients: &Namespace, frames: Vec<Vec<u8>>, last: u32) -> Vec<u32> {
    clients.run(move || {
        for frame in frames {
            send_frame("veth-c", &frame);
        }
    });
    let mut readers = capture.take_readers();
    let mut seen = Vec::new();
    eventually("the last frame is seen", || {
        readers[0].drain(9, |segment| seen.push(segment.sequence));
        seen.last() == Some(&last)
    });
    seen
}

/// The Ethernet address of the servers' end of the wire.
const SERVERS_CARD: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Clients on `veth-c`, servers on `veth-s`, which has [`SERVERS_CARD`] and 10.77.11.1.
fn wire() -> (Namespace, Namespace) {
    let (clients, servers) = (Namespace::new(), Namespace::new());
    servers.veth("veth-s", "10.77.11.1/24", &clients, "veth-c", "10.77.11.2/24");
    servers.ip("link set veth-s address 02:00:00:00:00:01");
    (clients, servers)
}

#[test]
fn a_forged_packet_to_loopback_from_the_wire_is_not_seen() {
    if !is_root("a_forged_packet_to_loopback") {
        return;
    }
    let (clients, servers) = wire();
    let scopes = [
        LiveScope::Any,
        LiveScope::Addresses(vec!["127.0.0.1".parse().unwrap(), "10.77.11.1".parse().unwrap()]),
    ];
    for scope in scopes {
        let mut capture = start(&servers, vec![live(scope, 21105)], settings(Engine::Tc));
        let frames = vec![
            frame(SERVERS_CARD, [127, 0, 0, 1], 21105, 1),
            frame(SERVERS_CARD, [10, 77, 11, 1], 21105, 2),
        ];
        assert_eq!(seen_of(&mut capture, &clients, frames, 2), [2]);
    }
}

#[test]
fn a_frame_to_another_host_is_seen_only_before_a_container() {
    if !is_root("a_frame_to_another_host") {
        return;
    }
    let (clients, servers) = wire();
    let (mine, others) = (SERVERS_CARD, [2, 0, 0, 0, 0, 9]);
    let address = LiveScope::Addresses(vec!["10.77.11.1".parse().unwrap()]);
    let cases = [
        (LiveScope::Any, vec![2]),
        (address, vec![2]),
        // Nothing says that the rest of the world is there, so it may be a container.
        (interfaces("veth-s"), vec![1, 2]),
    ];
    for (scope, seen) in cases {
        let mut capture = start(&servers, vec![live(scope, 21106)], settings(Engine::Tc));
        let frames = vec![
            frame(others, [10, 77, 11, 1], 21106, 1),
            frame(mine, [10, 77, 11, 1], 21106, 2),
        ];
        assert_eq!(seen_of(&mut capture, &clients, frames, 2), seen);
        let counts = capture.counters().read().unwrap();
        assert_eq!(counts.get(Counter::PacketsOtherHost), 2 - seen.len() as u64);
        assert!(counts.balanced(), "{counts:?}");
    }
}

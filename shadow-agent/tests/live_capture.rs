//! Live capture of real connections, in network namespaces that the tests make. Needs root.

mod support;

use std::net::SocketAddr;

use aya::programs::{SchedClassifier, TcAttachType};
use shadow_agent::capture::{CaptureError, LiveCapture};
use shadow_agent::settings::{CaptureSettings, Engine, LiveScope, RawInput};
use shadow_common::Counter;
use support::*;

const MIB: usize = 1 << 20;

/// Starts a capture in a namespace, on a thread of its own (it gives up its capabilities).
fn start(namespace: &Namespace, inputs: Vec<RawInput>, settings: CaptureSettings) -> LiveCapture {
    namespace
        .spawn(move || LiveCapture::start(&inputs, &settings))
        .join()
        .unwrap()
        .unwrap()
}

fn refused(namespace: &Namespace, inputs: Vec<RawInput>, settings: CaptureSettings) -> CaptureError {
    namespace
        .spawn(move || LiveCapture::start(&inputs, &settings).map(drop))
        .join()
        .unwrap()
        .unwrap_err()
}

/// A transfer of `question` and `answer` arrives byte-exact in the rings, the answer where it is asked for.
fn transfer_is_seen(
    mut capture: LiveCapture,
    clients: &Namespace,
    servers: &Namespace,
    server: &str,
    track_response: bool,
) -> LiveCapture {
    let (question, answer) = (body(MIB), body(MIB / 2));
    let serving = serve(servers, server, answer.clone());
    let (client, answered) = ask(clients, server, question.clone());
    assert!(answered == answer && serving.join().unwrap() == question);

    let mut readers = capture.take_readers();
    let streams = collect(&mut readers, |streams| {
        requests(streams, client, server).is_some_and(|stream| stream.whole().is_some())
            && (!track_response
                || responses(streams, client, server).is_some_and(|stream| stream.whole().is_some()))
    });
    assert!(requests(&streams, client, server).unwrap().whole().unwrap() == question);
    if track_response {
        assert!(responses(&streams, client, server).unwrap().whole().unwrap() == answer);
    }
    assert_eq!(
        streams.len(),
        1 + usize::from(track_response),
        "{:?}",
        streams.keys()
    );
    let counts = capture.counters().read().unwrap();
    assert!(counts.balanced(), "{counts:?}");
    assert_eq!(counts.get(Counter::RingFullPackets), 0);
    assert_eq!(counts.malformed_records, 0);
    let copied = if track_response {
        question.len() + answer.len()
    } else {
        question.len()
    };
    assert!(counts.get(Counter::BytesCopied) >= copied as u64);
    capture
}

/// That each byte was copied once only.
fn nothing_was_seen_twice(capture: &LiveCapture, bytes: usize) {
    let counts = capture.counters().read().unwrap();
    assert_eq!(counts.get(Counter::BytesCopied), bytes as u64);
}

#[test]
fn a_transfer_over_loopback_is_seen_once() {
    if !is_root("a_transfer_over_loopback_is_seen_once") {
        return;
    }
    let host = Namespace::new();
    let server = "127.0.0.1:21081";
    for track_response in [false, true] {
        let settings = CaptureSettings {
            track_response,
            ..settings(Engine::Tc)
        };
        let capture = start(&host, vec![live(LiveScope::Any, 21081)], settings);
        let capture = transfer_is_seen(capture, &host, &host, server, track_response);
        nothing_was_seen_twice(&capture, if track_response { MIB + MIB / 2 } else { MIB });
    }
}

#[test]
fn a_transfer_over_loopback_is_seen_once_at_sockets() {
    if !is_root("a_transfer_over_loopback_is_seen_once_at_sockets") {
        return;
    }
    let host = Namespace::new();
    for (server, port) in [("127.0.0.1:21082", 21082), ("[::1]:21083", 21083)] {
        for track_response in [false, true] {
            let settings = CaptureSettings {
                track_response,
                ..settings(Engine::Cgroup)
            };
            let capture = start(&host, vec![live(LiveScope::Any, port)], settings);
            let capture = transfer_is_seen(capture, &host, &host, server, track_response);
            nothing_was_seen_twice(&capture, if track_response { MIB + MIB / 2 } else { MIB });
        }
    }
}

#[test]
fn a_transfer_between_namespaces_is_seen_by_both_engines() {
    if !is_root("a_transfer_between_namespaces_is_seen_by_both_engines") {
        return;
    }
    let (clients, servers) = (Namespace::new(), Namespace::new());
    servers.veth("veth-s", "10.77.1.1/24", &clients, "veth-c", "10.77.1.2/24");
    servers.ip("addr add fd77::1/64 dev veth-s nodad");
    clients.ip("addr add fd77::2/64 dev veth-c nodad");
    for engine in [Engine::Tc, Engine::Cgroup] {
        for (server, port) in [("10.77.1.1:21084", 21084), ("[fd77::1]:21085", 21085)] {
            for track_response in [false, true] {
                let settings = CaptureSettings {
                    track_response,
                    ..settings(engine)
                };
                let capture = start(&servers, vec![live(LiveScope::Any, port)], settings);
                transfer_is_seen(capture, &clients, &servers, server, track_response);
            }
        }
    }
}

#[test]
fn several_rings_hold_a_transfer_each_connection_in_one() {
    if !is_root("several_rings_hold_a_transfer") {
        return;
    }
    let host = Namespace::new();
    let settings = CaptureSettings {
        shards: 4,
        ..settings(Engine::Tc)
    };
    let mut capture = start(&host, vec![live(LiveScope::Any, 21086)], settings);
    let server = "127.0.0.1:21086";
    let clients: Vec<SocketAddr> = (0..8)
        .map(|_| {
            let serving = serve(&host, server, b"ok".to_vec());
            let (client, _) = ask(&host, server, body(100_000));
            serving.join().unwrap();
            client
        })
        .collect();
    let streams = collect(&mut capture.take_readers(), |streams| {
        clients
            .iter()
            .all(|client| requests(streams, *client, server).is_some_and(|stream| stream.whole().is_some()))
    });
    assert!(
        streams
            .values()
            .all(|stream| stream.whole().unwrap() == body(100_000))
    );
}

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
        for track_response in [false, true] {
            let settings = CaptureSettings {
                track_response,
                ..settings(Engine::Tc)
            };
            let capture = start(&host, vec![live(scope.clone(), 21088)], settings);
            transfer_is_seen(capture, &host, &guest, server, track_response);
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
    nothing_was_seen_twice(&capture, MIB);
}

#[test]
fn packets_of_a_tun_device_have_no_ethernet_header() {
    if !is_root("packets_of_a_tun_device") {
        return;
    }
    let host = Namespace::new();
    // The packet that comes out of the device: 10.77.8.2:40000 asks 10.77.8.1:21100.
    let mut packet = vec![
        0x45, 0, 0, 44, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 77, 8, 2, 10, 77, 8, 1,
    ];
    packet.extend_from_slice(&[
        0x9c, 0x40, 0x52, 0x6c, 0, 0, 3, 0xe8, 0, 0, 7, 0xd0, 0x50, 0x18, 0xff, 0xff,
    ]);
    packet.extend_from_slice(&[0, 0, 0, 0, b'G', b'E', b'T', b' ']);
    let tun = host.run(|| tun("tun-s"));
    host.ip("addr add 10.77.8.1/24 dev tun-s");
    host.ip("link set tun-s up");
    let mut capture = start(&host, vec![live(LiveScope::Any, 21100)], settings(Engine::Tc));
    std::io::Write::write_all(&mut &tun, &packet).unwrap();
    let mut seen = Vec::new();
    eventually("the packet is seen", || {
        // Once only: the readers are taken at the first look.
        for reader in &mut capture.take_readers() {
            reader.drain(9, |segment| {
                seen.push((segment.sequence, segment.payload.to_vec()));
            });
        }
        !seen.is_empty()
    });
    assert_eq!(seen, [(1000, b"GET ".to_vec())]);
}

#[test]
fn a_ring_that_is_too_small_loses_packets_and_the_counters_say_which_bytes() {
    if !is_root("a_ring_that_is_too_small") {
        return;
    }
    let host = Namespace::new();
    let settings = CaptureSettings {
        ring_bytes: 64 << 10,
        ..settings(Engine::Tc)
    };
    let mut capture = start(&host, vec![live(LiveScope::Any, 21101)], settings);
    let server = "127.0.0.1:21101";
    let serving = serve(&host, server, b"ok".to_vec());
    ask(&host, server, body(MIB));
    serving.join().unwrap();
    // Nobody has read yet.
    let counts = capture.counters().read().unwrap();
    assert!(counts.balanced(), "{counts:?}");
    assert!(counts.get(Counter::RingFullPackets) > 0);
    assert_eq!(
        counts.get(Counter::BytesCopied) + counts.get(Counter::RingFullBytes),
        MIB as u64
    );
    let (mut records, mut bytes) = (0, 0);
    for reader in &mut capture.take_readers() {
        records += reader.drain(usize::MAX, |segment| bytes += segment.payload.len() as u64);
    }
    assert_eq!(records as u64, counts.get(Counter::Records));
    assert_eq!(bytes, counts.get(Counter::BytesCopied));
}

#[test]
fn packets_of_64_kib_and_more_are_cut_into_parts() {
    if !is_root("packets_of_64_kib_and_more") {
        return;
    }
    let (clients, servers) = (Namespace::new(), Namespace::new());
    servers.veth("veth-s", "10.77.9.1/24", &clients, "veth-c", "10.77.9.2/24");
    servers.ip("addr add fd79::1/64 dev veth-s nodad");
    clients.ip("addr add fd79::2/64 dev veth-c nodad");
    // BIG TCP for IPv6 (Linux 5.19). For IPv4, iproute2 cannot set it everywhere: packets end at 64 KiB there.
    for (namespace, device) in [(&servers, "veth-s"), (&clients, "veth-c")] {
        namespace.ip(&format!(
            "link set {device} gso_max_size 185000 gro_max_size 185000"
        ));
    }
    let ways = [("10.77.9.1:21102", 21102, 4), ("[fd79::1]:21103", 21103, 5)];
    for engine in [Engine::Tc, Engine::Cgroup] {
        for (server, port, parts) in ways {
            let mut capture = start(&servers, vec![live(LiveScope::Any, port)], settings(engine));
            let question = body(8 * MIB);
            let serving = serve(&servers, server, b"ok".to_vec());
            let (client, _) = ask(&clients, server, question.clone());
            assert!(serving.join().unwrap() == question);
            let streams = collect(&mut capture.take_readers(), |streams| {
                requests(streams, client, server).is_some_and(|stream| stream.whole().is_some())
            });
            let stream = requests(&streams, client, server).unwrap();
            assert!(stream.whole().unwrap() == question);
            let counts = capture.counters().read().unwrap();
            assert!(counts.balanced());
            assert_eq!(counts.get(Counter::LoadErrorPackets), 0);
            assert!(stream.continuations > 0);
            assert!(
                stream.most_parts >= parts,
                "no packet was so large: {} parts",
                stream.most_parts
            );
        }
    }
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
fn the_agents_own_connections_are_invisible_on_the_host_and_across_namespaces() {
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

#[test]
fn capabilities_are_given_up_and_everything_but_attaching_goes_on() {
    if !is_root("capabilities_are_given_up") {
        return;
    }
    let host = Namespace::new();
    host.spawn(|| {
        let inputs = [live(LiveScope::Any, 21095)];
        let mut capture = LiveCapture::start(&inputs, &settings(Engine::Tc)).unwrap();
        for set in [
            caps::CapSet::Effective,
            caps::CapSet::Permitted,
            caps::CapSet::Inheritable,
            caps::CapSet::Ambient,
            caps::CapSet::Bounding,
        ] {
            assert_eq!(
                caps::read(None, set).unwrap(),
                caps::CapsHashSet::new(),
                "{set:?}"
            );
        }
        let own = capture.own_connections();
        let entry = own.register("127.0.0.1:40000".parse().unwrap()).unwrap();
        drop(entry);
        assert!(capture.counters().read().unwrap().balanced());
        // Targets change without a capability; attaching is done by the thread that keeps some.
        capture.watch(&[live(interfaces("lo"), 21096)]).unwrap();
        let error = LiveCapture::start(&inputs, &settings(Engine::Tc))
            .map(drop)
            .unwrap_err();
        assert!(
            matches!(&error, CaptureError::MissingCapabilities { missing }
                if *missing == ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]),
            "{error}"
        );
    })
    .join()
    .unwrap();
}

fn programs_on(namespace: &Namespace, interface: &'static str) -> usize {
    namespace.run(move || {
        [TcAttachType::Ingress, TcAttachType::Egress]
            .into_iter()
            .map(|side| SchedClassifier::query_tcx(interface, side).unwrap().1.len())
            .sum()
    })
}

#[test]
fn nothing_stays_attached() {
    if !is_root("nothing_stays_attached") {
        return;
    }
    let (host, other) = (Namespace::new(), Namespace::new());
    host.veth("veth-n", "10.77.7.1/24", &other, "veth-o", "10.77.7.2/24");
    let settings = CaptureSettings {
        track_response: true,
        ..settings(Engine::Tc)
    };
    let capture = start(&host, vec![live(LiveScope::Any, 21097)], settings);
    assert_eq!((programs_on(&host, "lo"), programs_on(&host, "veth-n")), (1, 2));
    drop(capture);
    assert_eq!((programs_on(&host, "lo"), programs_on(&host, "veth-n")), (0, 0));
}

#[test]
fn kernels_without_tcx_are_attached_to_by_clsact_filters() {
    if !is_root("kernels_without_tcx") {
        return;
    }
    let host = Namespace::new();
    let filters = |host: &Namespace| {
        host.run(|| {
            let shown = std::process::Command::new("tc")
                .args(["filter", "show", "dev", "lo", "ingress"])
                .output()
                .unwrap();
            String::from_utf8_lossy(&shown.stdout)
                .matches("direct-action")
                .count()
        })
    };
    let start = |host: &Namespace| {
        host.spawn(|| {
            LiveCapture::start_with_clsact(&[live(LiveScope::Any, 21098)], &settings(Engine::Tc)).unwrap()
        })
        .join()
        .unwrap()
    };
    let capture = start(&host);
    assert_eq!(filters(&host), 1);
    let capture = transfer_is_seen(capture, &host, &host, "127.0.0.1:21098", false);
    // What an agent that was killed left behind is removed by the next one.
    std::mem::forget(capture);
    let capture = start(&host);
    assert_eq!(filters(&host), 1);
    let capture = transfer_is_seen(capture, &host, &host, "127.0.0.1:21098", false);
    nothing_was_seen_twice(&capture, MIB);
    drop(capture);
    assert_eq!(filters(&host), 0);
}

#[test]
fn a_reader_that_sleeps_is_woken_by_the_first_packet() {
    if !is_root("a_reader_that_sleeps") {
        return;
    }
    let host = Namespace::new();
    let mut capture = start(&host, vec![live(LiveScope::Any, 21099)], settings(Engine::Tc));
    let mut readers = capture.take_readers();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Much shorter than the time after which it looks at the ring by itself; once of several tries is proof.
    let prompt = std::time::Duration::from_millis(60);
    let best = (0..5)
        .map(|_| {
            runtime.block_on(async {
                let reader = &mut readers[0];
                // Asleep after this: nothing came for long.
                for _ in 0..12 {
                    reader.readable().await.unwrap();
                    reader.drain(1024, |_| {});
                }
                let sent = host.spawn(|| {
                    let at = std::time::Instant::now();
                    let _ = std::net::TcpStream::connect("127.0.0.1:21099");
                    at
                });
                while reader.drain(1024, |_| {}) == 0 {
                    reader.readable().await.unwrap();
                }
                sent.join().unwrap().elapsed()
            })
        })
        .min()
        .unwrap();
    assert!(best < prompt, "{best:?}");
}

#[test]
fn what_cannot_be_is_refused_with_the_way_out() {
    if !is_root("what_cannot_be_is_refused") {
        return;
    }
    let host = Namespace::new();
    let any = || vec![live(LiveScope::Any, 80)];
    let tc = || settings(Engine::Tc);

    let error = refused(&host, vec![live(interfaces("eth7"), 80)], tc()).to_string();
    assert!(
        error.contains("no interface is named eth7; there are: lo"),
        "{error}"
    );

    let error = refused(
        &host,
        vec![live(interfaces("eth*"), 80)],
        settings(Engine::Cgroup),
    )
    .to_string();
    assert!(
        error.contains("eth*") && error.contains("--input-raw-engine"),
        "{error}"
    );

    let ring = CaptureSettings {
        ring_bytes: 100_000,
        ..tc()
    };
    let error = refused(&host, any(), ring).to_string();
    assert!(error.contains("100000") && error.contains("131072"), "{error}");

    let shards = CaptureSettings { shards: 3, ..tc() };
    let error = refused(&host, any(), shards).to_string();
    assert!(error.contains("3 capture shards"), "{error}");

    let file = RawInput::File {
        path: "x.pcap".into(),
        ports: Vec::new(),
    };
    assert!(matches!(refused(&host, vec![file], tc()), CaptureError::NoInput));

    let ports = RawInput::Live {
        scope: LiveScope::Any,
        ports: (1..20_000).collect(),
    };
    let error = refused(&host, vec![ports], tc());
    assert!(matches!(error, CaptureError::TooManyTargets { .. }), "{error}");
}

#[test]
fn the_doctor_finds_that_this_host_can_capture() {
    if !is_root("the_doctor_finds") {
        return;
    }
    let report = shadow_agent::capture::probe::host(1 << 20);
    assert!(report.kernel_is_new_enough, "{report:?}");
    assert_eq!(report.missing_capabilities, Vec::<&str>::new());
    assert_eq!(report.ring_refused, None);
    assert!(report.interfaces.unwrap().iter().any(|one| one.name == "lo"));
    let refused = shadow_agent::capture::probe::host(12_345).ring_refused.unwrap();
    assert!(refused.contains("Invalid argument"), "{refused}");
}

/// A new tun device (`if_tun.h`): its file.
fn tun(name: &str) -> std::fs::File {
    const IFF_TUN: i16 = 1;
    const IFF_NO_PI: i16 = 0x1000;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .unwrap();
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = IFF_TUN | IFF_NO_PI;
    // SAFETY: TUNSETIFF takes a pointer to an ifreq, which outlives the call.
    let set = unsafe {
        libc::ioctl(
            std::os::fd::AsRawFd::as_raw_fd(&file),
            libc::TUNSETIFF,
            &raw mut request,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    file
}

/// Not an assertion: machines differ. Run it while `SHADOW_AGENT_TEST_PORT` of this host is under load, with
/// `kernel.bpf_stats_enabled` set.
#[test]
#[ignore = "prints durations"]
fn the_cost_in_traffic() {
    let port: u16 = std::env::var("SHADOW_AGENT_TEST_PORT").unwrap().parse().unwrap();
    let watched = std::env::var("SHADOW_AGENT_TEST_WATCH").map_or(port, |port| port.parse().unwrap());
    let mut capture = LiveCapture::start(&[live(LiveScope::Any, watched)], &settings(Engine::Tc)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut readers = capture.take_readers();
    let (mut records, mut bytes, mut waits) = (0, 0, 0);
    runtime.block_on(async {
        let end = tokio::time::Instant::now() + std::time::Duration::from_secs(8);
        while tokio::time::Instant::now() < end {
            while readers[0].drain(1024, |segment| bytes += segment.payload.len()) > 0 {
                records += 1;
            }
            readers[0].readable().await.unwrap();
            waits += 1;
        }
    });
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    println!(
        "{records} drains of {bytes} bytes, {waits} waits; user {} system {} maxrss {} KiB",
        usage.user_time(),
        usage.system_time(),
        usage.max_rss()
    );
    println!(
        "{}",
        serde_json::to_string(&capture.counters().read().unwrap()).unwrap()
    );
}

//! Whole transfers come out of the rings as they went over the wire.

use std::net::SocketAddr;

use shadow_capture::{CaptureSettings, Engine, LiveScope};
use shadow_common::Counter;

use crate::support::*;
use crate::{MIB, nothing_was_seen_twice, start, transfer_is_seen};

#[test]
fn a_transfer_over_loopback_is_seen_once() {
    if !is_root("a_transfer_over_loopback_is_seen_once") {
        return;
    }
    let host = Namespace::new();
    let server = "127.0.0.1:21081";
    for responses in [false, true] {
        let settings = CaptureSettings {
            responses,
            ..settings(Engine::Tc)
        };
        let capture = start(&host, vec![live(LiveScope::Any, 21081)], settings);
        let capture = transfer_is_seen(capture, &host, &host, server, responses);
        nothing_was_seen_twice(&capture, &host, if responses { MIB + MIB / 2 } else { MIB });
    }
}

#[test]
fn a_transfer_over_loopback_is_seen_once_at_sockets() {
    if !is_root("a_transfer_over_loopback_is_seen_once_at_sockets") {
        return;
    }
    let host = Namespace::new();
    for (server, port) in [("127.0.0.1:21082", 21082), ("[::1]:21083", 21083)] {
        for responses in [false, true] {
            let settings = CaptureSettings {
                responses,
                ..settings(Engine::Cgroup)
            };
            let capture = start(&host, vec![live(LiveScope::Any, port)], settings);
            let capture = transfer_is_seen(capture, &host, &host, server, responses);
            nothing_was_seen_twice(&capture, &host, if responses { MIB + MIB / 2 } else { MIB });
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
            for responses in [false, true] {
                let settings = CaptureSettings {
                    responses,
                    ..settings(engine)
                };
                let capture = start(&servers, vec![live(LiveScope::Any, port)], settings);
                transfer_is_seen(capture, &clients, &servers, server, responses);
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
        clients
            .iter()
            .all(|client| requests(&streams, *client, server).unwrap().whole().unwrap() == body(100_000))
    );
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
    let mut readers = capture.take_readers();
    let mut seen = Vec::new();
    eventually("the packet is seen", || {
        readers[0].drain(9, |segment| {
            seen.push((segment.sequence, segment.payload.to_vec()));
        }) > 0
    });
    assert_eq!(seen, [(1000, b"GET ".to_vec())]);
}

#[test]
fn a_vlan_tag_that_the_kernel_took_out_is_no_hindrance() {
    if !is_root("a_vlan_tag_that_the_kernel_has_taken_out") {
        return;
    }
    let (clients, servers) = (Namespace::new(), Namespace::new());
    servers.veth("veth-s", "10.77.10.1/24", &clients, "veth-c", "10.77.10.2/24");
    for (tags, sequence) in [(1, 0xa8), (2, 0xa9)] {
        let mut capture = start(
            &servers,
            vec![live(interfaces("veth-s"), 21104)],
            settings(Engine::Tc),
        );
        let mut frame = vec![2; 12];
        for _ in 0..tags {
            frame.extend_from_slice(&[0x81, 0, 0, 100]);
        }
        // 10.77.10.2:40000 asks 10.77.10.1:21104.
        frame.extend_from_slice(&[
            0x08, 0, 0x45, 0, 0, 44, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 77, 10, 2, 10, 77, 10, 1,
        ]);
        frame.extend_from_slice(&[
            0x9c, 0x40, 0x52, 0x70, 0, 0, 3, sequence, 0, 0, 7, 0xd0, 0x50, 0x18, 0xff, 0xff,
        ]);
        frame.extend_from_slice(&[0, 0, 0, 0, b'G', b'E', b'T', b' ']);
        clients.run(move || send_frame("veth-c", &frame));
        let mut readers = capture.take_readers();
        let mut seen = Vec::new();
        eventually("the packet is seen", || {
            readers[0].drain(9, |segment| {
                seen.push((segment.sequence, segment.payload.to_vec()));
            }) > 0
        });
        assert_eq!(seen, [(0x300 + u32::from(sequence), b"GET ".to_vec())]);
    }
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
fn a_ring_that_is_too_small_loses_packets_and_counts_the_bytes() {
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

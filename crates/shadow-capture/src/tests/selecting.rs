//! Which packets are taken: targets, directions, own connections, sampling, shards.

use std::collections::BTreeSet;

use shadow_common::{Counter, MatchOn, Side};
use shadow_tcp::{Direction, TcpFlags};

use super::kernel::{Kernel, settings};
use super::packets::*;
use crate::CaptureSettings;

const CLIENT: &str = "10.1.2.3:40000";
const SERVER: &str = "10.9.8.7:8081";

/// Where the test run says that its packets are seen: `lo`.
const LO: u32 = 1;

fn responses() -> CaptureSettings {
    CaptureSettings {
        responses: true,
        ..settings()
    }
}

#[test]
fn nothing_is_taken_or_counted_for_a_port_that_is_not_watched() {
    let Some(mut kernel) = Kernel::load("a_port_that_is_not_watched", &settings()) else {
        return;
    };
    kernel.watch("any", 80, 0).watch("any", 8082, 0);
    assert_eq!(
        kernel.see("shadow_l2_in", &request(CLIENT, SERVER, b"x").frame()),
        []
    );
    // A watched port on the client's side alone is no request.
    let backwards = request("10.9.8.7:8082", "10.1.2.3:40000", b"x").frame();
    assert_eq!(kernel.see("shadow_l2_in", &backwards), []);
    assert_eq!(kernel.nonzero(), [].into());
}

#[test]
fn every_port_can_be_watched() {
    let Some(mut kernel) = Kernel::load("every_port_can_be_watched", &settings()) else {
        return;
    };
    for port in [1_u16, 63, 64, 80, 8081, 32_768, 65_535] {
        kernel.watch_nothing();
        kernel.watch("any", port, 0);
        let seen = |kernel: &mut Kernel, port: u16| {
            let server = format!("10.9.8.7:{port}");
            kernel
                .see("shadow_l2_in", &request(CLIENT, &server, b"x").frame())
                .len()
        };
        assert_eq!(seen(&mut kernel, port), 1, "{port}");
        assert_eq!(seen(&mut kernel, port ^ 1), 0, "{port}");
    }
}

#[test]
fn a_target_is_address_port_and_interface_each_may_be_any() {
    let Some(mut kernel) = Kernel::load("a_target_is_an_address", &settings()) else {
        return;
    };
    let frame = request(CLIENT, SERVER, b"x").frame();
    let cases = [
        ("any", 0, true),
        ("10.9.8.7", 0, true),
        ("any", LO, true),
        ("10.9.8.7", LO, true),
        ("10.9.8.6", 0, false),
        ("10.1.2.3", 0, false),
        ("any", LO + 1, false),
        ("10.9.8.7", LO + 1, false),
        ("10.9.8.6", LO, false),
        ("::", 0, true),
        ("::a09:807", 0, false),
    ];
    for (address, ifindex, taken) in cases {
        kernel.watch_nothing();
        kernel.watch(address, 8081, ifindex);
        let seen = kernel.see("shadow_l2_in", &frame);
        assert_eq!(seen.len(), usize::from(taken), "{address} {ifindex}");
    }
}

#[test]
fn targets_change_while_the_programs_run() {
    let Some(mut kernel) = Kernel::load("targets_change_while_running", &settings()) else {
        return;
    };
    let frame = request(CLIENT, SERVER, b"x").frame();
    let seen = |kernel: &mut Kernel| kernel.see("shadow_l2_in", &frame).len();
    assert_eq!(seen(&mut kernel), 0);
    kernel.watch("10.9.8.7", 8081, 0);
    assert_eq!(seen(&mut kernel), 1);
    kernel.watch("10.9.8.6", 8081, 0);
    assert_eq!(seen(&mut kernel), 1);
    kernel.watch_nothing();
    assert_eq!(seen(&mut kernel), 0);
    kernel.watch("any", 8081, 0);
    assert_eq!(seen(&mut kernel), 1);
}

#[test]
fn each_side_takes_what_the_target_says() {
    let Some(mut kernel) = Kernel::load("each_side_takes_what_the_target_says", &responses()) else {
        return;
    };
    let request_frame = request(CLIENT, SERVER, b"x").frame();
    let response_frame = request(SERVER, CLIENT, b"y").frame();
    let ways = [
        (MatchOn::requests(Side::Ingress), "in", true),
        (MatchOn::requests(Side::Egress), "out", true),
        (MatchOn::responses(Side::Ingress), "in", false),
        (MatchOn::responses(Side::Egress), "out", false),
    ];
    for (on, taken_side, taken_request) in ways {
        kernel.watch_nothing();
        kernel.watch_on("any", 8081, 0, on);
        for hook in ["l2", "sock"] {
            for side in ["in", "out"] {
                for (frame, is_request) in [(&request_frame, true), (&response_frame, false)] {
                    let seen = kernel.see(&format!("shadow_{hook}_{side}"), frame);
                    let taken = side == taken_side && is_request == taken_request;
                    assert_eq!(
                        seen.len(),
                        usize::from(taken),
                        "{on:?} {hook} {side} {is_request}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_response_belongs_to_the_connection_of_its_request() {
    let Some(mut kernel) = Kernel::load("a_response_belongs", &responses()) else {
        return;
    };
    kernel.watch("any", 8081, 0);
    let asked = kernel.see("shadow_l2_in", &request(CLIENT, SERVER, b"x").frame());
    let answered = kernel.see("shadow_l2_out", &request(SERVER, CLIENT, b"y").frame());
    assert_eq!(asked[0].flow, answered[0].flow);
    assert_eq!(
        (asked[0].direction, answered[0].direction),
        (Direction::Request, Direction::Response)
    );
    assert_eq!(answered[0].payload, b"y");
}

#[test]
fn responses_are_left_alone_unless_they_are_asked_for() {
    let Some(mut kernel) = Kernel::load("responses_are_left_alone", &settings()) else {
        return;
    };
    kernel.watch("any", 8081, 0);
    assert_eq!(
        kernel.see("shadow_l2_out", &request(SERVER, CLIENT, b"y").frame()),
        []
    );
    assert_eq!(kernel.nonzero(), [].into());
}

#[test]
fn without_responses_a_servers_syn_ack_fin_and_rst_come_alone() {
    let Some(mut kernel) = Kernel::load("without_responses_a_servers_syn_ack", &settings()) else {
        return;
    };
    kernel.watch("10.9.8.7", 8081, 0);
    let cases = [
        // Flags, payload; the sequence number (the packet's is 1000) and whether something was left out before it.
        (0x12, &b""[..], Some((1000, false))),
        (0x12, b"early", Some((1000, false))),
        (0x11, b"", Some((1000, false))),
        (0x19, b"bye", Some((1003, true))),
        (0x14, b"", Some((1000, false))),
        (0x04, b"", Some((1000, false))),
        (0x14, b"why", Some((1000, false))),
        (0x10, b"", None),
        (0x18, b"answer", None),
        (0x02, b"", None),
    ];
    for program in [
        "shadow_l2_in",
        "shadow_l2_out",
        "shadow_sock_in",
        "shadow_sock_out",
    ] {
        for (flags, payload, expected) in cases {
            let mut packet = request(SERVER, CLIENT, payload);
            packet.flags = TcpFlags(flags);
            let seen = kernel.see(program, &packet.frame());
            let told = seen.first().map(|one| (one.sequence, one.continuation));
            assert_eq!(told, expected, "{program} {flags:x}");
            for one in seen {
                assert_eq!((one.direction, one.flags.0), (Direction::Response, flags));
                assert_eq!((one.acknowledgment, one.payload.len()), (2000, 0));
                assert_eq!(one.flow.server.socket_addr(), SERVER.parse().unwrap());
            }
            // Another server's are nothing to it.
            packet.source = "10.9.8.6:8081".parse().unwrap();
            assert_eq!(kernel.see(program, &packet.frame()), []);
        }
    }
    assert_eq!(
        kernel.nonzero(),
        [("packets_selected", 28), ("packets_copied", 28), ("records", 28)].into()
    );
}

#[test]
fn the_agents_own_connections_are_passed_over_both_ways() {
    let Some(mut kernel) = Kernel::load("the_agents_own_connections", &responses()) else {
        return;
    };
    kernel.watch("any", 8081, 0);
    let own = kernel.own.clone();
    let asked = request(CLIENT, SERVER, b"x").frame();
    let answered = request(SERVER, CLIENT, b"y").frame();
    let first = own.register(CLIENT.parse().unwrap()).unwrap();
    let second = own.register(CLIENT.parse().unwrap()).unwrap();
    assert_eq!(kernel.see("shadow_l2_in", &asked), []);
    assert_eq!(kernel.see("shadow_l2_out", &answered), []);
    // Another port, another address.
    assert_eq!(
        kernel
            .see("shadow_l2_in", &request("10.1.2.3:40001", SERVER, b"x").frame())
            .len(),
        1
    );
    assert_eq!(
        kernel
            .see("shadow_l2_in", &request("10.1.2.4:40000", SERVER, b"x").frame())
            .len(),
        1
    );
    // The port was given to a second connection before the first was dropped.
    drop(first);
    assert_eq!(kernel.see("shadow_l2_in", &asked), []);
    drop(second);
    assert_eq!(kernel.see("shadow_l2_in", &asked).len(), 1);
    assert_eq!(kernel.count(Counter::PacketsOwn), 3);
}

#[test]
fn a_frame_to_another_host_is_taken_only_where_a_target_says_so() {
    let Some(mut kernel) = Kernel::load("a_frame_to_another_host", &responses()) else {
        return;
    };
    let mut asked = request(CLIENT, SERVER, b"x").frame();
    let mut answered = request(SERVER, CLIENT, b"y").frame();
    asked[0] = 6;
    answered[0] = 6;
    kernel.watch("10.9.8.7", 8081, 0);
    assert_eq!(kernel.see("shadow_l2_in", &asked), []);
    assert_eq!(kernel.see("shadow_l2_in", &answered), []);
    assert_eq!(
        kernel.nonzero(),
        [("packets_selected", 2), ("packets_other_host", 2)].into()
    );
    // What is sent goes to other hosts; a socket gets only what was for this one.
    assert_eq!(kernel.see("shadow_l2_out", &asked).len(), 1);
    assert_eq!(kernel.see("shadow_sock_in", &asked).len(), 1);
    // One of several targets is enough.
    let requests = MatchOn::requests(Side::Ingress).and(MatchOn::REQUESTS_TO_OTHERS);
    let responses = MatchOn::responses(Side::Ingress).and(MatchOn::RESPONSES_TO_OTHERS);
    kernel.watch_on("any", 8081, LO, requests);
    assert_eq!(kernel.see("shadow_l2_in", &asked).len(), 1);
    assert_eq!(kernel.see("shadow_l2_in", &answered), []);
    kernel.watch_on("any", 8081, LO, responses);
    assert_eq!(kernel.see("shadow_l2_in", &asked), []);
    assert_eq!(kernel.see("shadow_l2_in", &answered).len(), 1);
}

#[test]
fn an_own_loopback_address_is_that_of_the_agents_namespace_alone() {
    let Some(mut kernel) = Kernel::load("an_own_loopback_address", &settings()) else {
        return;
    };
    kernel.watch("any", 8081, 0);
    let clients = ["127.0.0.1:40000", "[::1]:40000", CLIENT];
    let own = kernel.own.clone();
    let _entries = clients.map(|client| own.register(client.parse().unwrap()).unwrap());
    for client in clients {
        let server = if client.starts_with('[') {
            "[::1]:8081"
        } else {
            SERVER
        };
        let frame = request(client, server, b"x").frame();
        assert_eq!(kernel.see("shadow_sock_in", &frame), [], "{client}");
        // Run from another namespace, it is a packet of that one.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
                kernel.run("shadow_sock_in", &frame);
            });
        });
        // Other addresses are one host's, whatever namespace sees them.
        let seen = kernel.drain();
        assert_eq!(seen.len(), usize::from(client != CLIENT), "{client}");
    }
}

#[test]
fn an_own_ipv6_connection_may_be_given_as_mapped_ipv4() {
    let Some(mut kernel) = Kernel::load("an_own_ipv6_connection", &settings()) else {
        return;
    };
    kernel.watch("any", 8081, 0);
    let _own = kernel
        .own
        .register("[::ffff:10.1.2.3]:40000".parse().unwrap())
        .unwrap();
    assert_eq!(
        kernel.see("shadow_l2_in", &request(CLIENT, SERVER, b"x").frame()),
        []
    );
}

#[test]
fn an_own_connection_needs_a_bound_address() {
    let Some(kernel) = Kernel::load("an_own_connection_needs", &settings()) else {
        return;
    };
    for unbound in ["0.0.0.0:40000", "[::]:40000", "10.1.2.3:0"] {
        assert!(
            kernel.own.register(unbound.parse().unwrap()).is_err(),
            "{unbound}"
        );
    }
}

#[test]
fn sampling_takes_whole_connections_and_counts_the_rest() {
    let settings = CaptureSettings {
        sample_connections: Some(1 << 30),
        ..responses()
    };
    let Some(mut kernel) = Kernel::load("sampling_takes_whole_connections", &settings) else {
        return;
    };
    kernel.watch("any", 8081, 0);
    let mut taken = 0;
    for port in 20_000..21_000 {
        let client = format!("10.1.2.3:{port}");
        let mut syn = request(&client, SERVER, b"");
        syn.flags = TcpFlags::SYN;
        let seen = [
            kernel.see("shadow_l2_in", &syn.frame()).len(),
            kernel
                .see("shadow_l2_in", &request(&client, SERVER, b"x").frame())
                .len(),
            kernel
                .see("shadow_l2_out", &request(SERVER, &client, b"y").frame())
                .len(),
        ];
        assert!(seen == [0; 3] || seen == [1; 3], "{seen:?}");
        taken += seen[0] as u64;
    }
    assert!((180..320).contains(&taken), "a quarter of 1000, not {taken}");
    assert_eq!(kernel.count(Counter::ConnectionsSampledOut), 1000 - taken);
    assert_eq!(kernel.count(Counter::PacketsSampledOut), 2 * (1000 - taken));
}

#[test]
fn a_connection_keeps_to_one_ring_and_connections_spread_over_all() {
    let settings = CaptureSettings {
        shards: 4,
        ..responses()
    };
    let Some(mut kernel) = Kernel::load("a_connection_keeps_to_one_ring", &settings) else {
        return;
    };
    kernel.watch("any", 8081, 0);
    let mut used = BTreeSet::new();
    for port in 20_000..20_100 {
        let client = format!("10.1.2.3:{port}");
        kernel.run("shadow_l2_in", &request(&client, SERVER, b"x").frame());
        kernel.run("shadow_l2_out", &request(SERVER, &client, b"y").frame());
        let found: Vec<usize> = kernel
            .readers
            .iter_mut()
            .map(|ring| ring.drain(9, |_| {}))
            .collect();
        assert_eq!(found.iter().filter(|count| **count > 0).count(), 1, "{found:?}");
        used.insert(found.iter().position(|count| *count == 2).unwrap());
    }
    assert_eq!(used.len(), 4);
}

#[test]
fn sixteen_rings_can_be_used() {
    let settings = CaptureSettings {
        shards: 16,
        ring_bytes: 4096,
        ..settings()
    };
    let Some(mut kernel) = Kernel::load("sixteen_rings_can_be_used", &settings) else {
        return;
    };
    kernel.watch("any", 8081, 0);
    for port in 20_000..20_500 {
        let client = format!("10.1.2.3:{port}");
        assert_eq!(
            kernel
                .see("shadow_l2_in", &request(&client, SERVER, b"x").frame())
                .len(),
            1
        );
    }
}

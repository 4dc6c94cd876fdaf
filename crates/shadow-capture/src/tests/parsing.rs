//! From a frame to a segment: every branch of the parser.

use std::net::SocketAddr;

use shadow_common::Counter;
use shadow_tcp::{Direction, Endpoint, FlowKey, TcpFlags};

use super::kernel::{Kernel, Seen, settings};
use super::packets::*;

const CLIENT: &str = "10.1.2.3:40000";
const SERVER: &str = "10.9.8.7:8081";
const CLIENT6: &str = "[fd00::1]:40000";
const SERVER6: &str = "[fd00::2]:8081";
const BODY: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// The programs, watching port 8081 anywhere.
fn kernel(test: &str) -> Option<Kernel> {
    let mut kernel = Kernel::load(test, &settings())?;
    kernel.watch("any", 8081, 0);
    Some(kernel)
}

/// All that must come out of a request with [`BODY`].
fn whole(client: &str, server: &str) -> Vec<Seen> {
    let endpoint = |address: &str| Endpoint::from(address.parse::<SocketAddr>().unwrap());
    vec![Seen {
        flow: FlowKey {
            client: endpoint(client),
            server: endpoint(server),
            scope: 0,
        },
        direction: Direction::Request,
        sequence: 1000,
        acknowledgment: 2000,
        flags: PSH_ACK,
        continuation: false,
        payload: BODY.to_vec(),
    }]
}

#[test]
fn a_plain_ipv4_request_is_seen_on_both_sides_of_an_interface() {
    let Some(mut kernel) = kernel("a_plain_ipv4_request") else {
        return;
    };
    let frame = request(CLIENT, SERVER, BODY).frame();
    assert_eq!(kernel.see("shadow_l2_in", &frame), whole(CLIENT, SERVER));
    assert_eq!(kernel.see("shadow_l2_out", &frame), whole(CLIENT, SERVER));
    assert_eq!(kernel.count(Counter::PacketsCopied), 2);
    assert_eq!(kernel.count(Counter::BytesCopied), 2 * BODY.len() as u64);
    assert_eq!(kernel.count(Counter::Records), 2);
}

#[test]
fn ipv4_options_and_tcp_options_are_passed_over() {
    let Some(mut kernel) = kernel("ipv4_options") else {
        return;
    };
    for ip_options in [0, 4, 40] {
        for tcp_options in [0, 12, 40] {
            let mut packet = request(CLIENT, SERVER, BODY);
            packet.ip_options = vec![1; ip_options];
            packet.tcp_options = vec![1; tcp_options];
            let seen = kernel.see("shadow_l2_in", &packet.frame());
            assert_eq!(seen, whole(CLIENT, SERVER), "{ip_options} {tcp_options}");
        }
    }
}

#[test]
fn a_plain_ipv6_request_is_seen() {
    let Some(mut kernel) = kernel("a_plain_ipv6_request") else {
        return;
    };
    let frame = request(CLIENT6, SERVER6, BODY).frame();
    assert_eq!(kernel.see("shadow_l2_in", &frame), whole(CLIENT6, SERVER6));
}

#[test]
fn ipv6_extension_headers_are_followed_by_their_own_lengths() {
    let Some(mut kernel) = kernel("ipv6_extension_headers") else {
        return;
    };
    let chains: [Vec<(u8, Vec<u8>)>; 6] = [
        vec![(HOP_BY_HOP, vec![0, 0, 1, 4, 0, 0, 0, 0])],
        vec![(DESTINATION, {
            let mut h = vec![0; 24];
            h[1] = 2;
            h
        })],
        vec![(ROUTING, {
            let mut h = vec![0; 40];
            h[1] = 4;
            h
        })],
        // The length of an authentication header is in words of 4 bytes, less two.
        vec![(AUTHENTICATION, {
            let mut h = vec![0; 24];
            h[1] = 4;
            h
        })],
        // An atomic fragment: first and last (RFC 6946).
        vec![(FRAGMENT, vec![0, 0, 0, 0, 0, 0, 0, 9])],
        vec![
            (HOP_BY_HOP, vec![0; 8]),
            (DESTINATION, vec![0; 8]),
            (ROUTING, vec![0; 8]),
            (FRAGMENT, vec![0; 8]),
            (AUTHENTICATION, {
                let mut h = vec![0; 16];
                h[1] = 2;
                h
            }),
            (DESTINATION, vec![0; 8]),
            (135, vec![0; 8]),
            (139, vec![0; 8]),
        ],
    ];
    for chain in chains {
        let mut packet = request(CLIENT6, SERVER6, BODY);
        packet.extensions.clone_from(&chain);
        let seen = kernel.see("shadow_l2_in", &packet.frame());
        assert_eq!(seen, whole(CLIENT6, SERVER6), "{chain:?}");
    }
}

#[test]
fn an_ipv6_chain_beyond_the_bound_is_counted() {
    let Some(mut kernel) = kernel("an_ipv6_chain_beyond_the_bound") else {
        return;
    };
    let mut packet = request(CLIENT6, SERVER6, BODY);
    packet.extensions = vec![(DESTINATION, vec![0; 8]); 9];
    assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), []);
    assert_eq!(kernel.nonzero(), [("ipv6_chains_too_long", 1)].into());
}

#[test]
fn vlan_tags_in_the_packet_are_passed_over_up_to_two() {
    let Some(mut kernel) = kernel("vlan_tags") else {
        return;
    };
    for tags in [
        vec![ETH_P_8021Q],
        vec![ETH_P_8021AD],
        vec![ETH_P_8021AD, ETH_P_8021Q],
    ] {
        let mut packet = request(CLIENT, SERVER, BODY);
        packet.tags.clone_from(&tags);
        assert_eq!(
            kernel.see("shadow_l2_in", &packet.frame()),
            whole(CLIENT, SERVER),
            "{tags:x?}"
        );
        let mut packet = request(CLIENT6, SERVER6, BODY);
        packet.tags.clone_from(&tags);
        assert_eq!(
            kernel.see("shadow_l2_in", &packet.frame()),
            whole(CLIENT6, SERVER6),
            "{tags:x?}"
        );
    }
    let mut packet = request(CLIENT, SERVER, BODY);
    packet.tags = vec![ETH_P_8021Q; 3];
    assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), []);
}

#[test]
fn padding_behind_the_ip_packet_is_not_payload() {
    let Some(mut kernel) = kernel("padding") else {
        return;
    };
    for (client, server) in [(CLIENT, SERVER), (CLIENT6, SERVER6)] {
        let mut packet = request(client, server, BODY);
        packet.padding = 6;
        assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), whole(client, server));
    }
    // A bare acknowledgment padded to the least size of an Ethernet frame has no payload at all.
    let mut packet = request(CLIENT, SERVER, b"");
    packet.padding = 6;
    assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), []);
    assert_eq!(kernel.count(Counter::PacketsEmpty), 1);
}

#[test]
fn a_total_length_of_zero_means_the_whole_packet() {
    let Some(mut kernel) = kernel("a_total_length_of_zero") else {
        return;
    };
    let mut packet = request(CLIENT, SERVER, BODY);
    packet.length_error = -(20 + 20 + BODY.len().cast_signed());
    assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), whole(CLIENT, SERVER));
    let mut packet = request(CLIENT6, SERVER6, BODY);
    // With the jumbo payload option, as BIG TCP has it.
    packet.extensions = vec![(HOP_BY_HOP, vec![0, 0, 0xc2, 4, 0, 1, 0, 0])];
    packet.length_error = -(8 + 20 + BODY.len().cast_signed());
    assert_eq!(
        kernel.see("shadow_l2_in", &packet.frame()),
        whole(CLIENT6, SERVER6)
    );
}

#[test]
fn fragments_are_counted_by_kind_and_not_copied() {
    let Some(mut kernel) = kernel("fragments") else {
        return;
    };
    let mut first = request(CLIENT, SERVER, BODY);
    first.fragment = 0x2000;
    let mut later = request(CLIENT, SERVER, BODY);
    later.fragment = 0x20b9;
    let mut last = request(CLIENT, SERVER, BODY);
    last.fragment = 370;
    let mut dont_fragment = request(CLIENT, SERVER, BODY);
    dont_fragment.fragment = 0x4000;
    for packet in [first, later, last] {
        assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), []);
    }
    assert_eq!(
        kernel.nonzero(),
        [
            ("packets_selected", 1),
            ("fragments_first_v4", 1),
            ("fragments_later_v4", 2)
        ]
        .into()
    );
    assert_eq!(kernel.see("shadow_l2_in", &dont_fragment.frame()).len(), 1);
}

#[test]
fn ipv6_fragments_are_counted_by_kind_and_not_copied() {
    let Some(mut kernel) = kernel("ipv6_fragments") else {
        return;
    };
    for place in [1_u16, 185 << 3 | 1, 370 << 3] {
        let mut packet = request(CLIENT6, SERVER6, BODY);
        let place = place.to_be_bytes();
        packet.extensions = vec![(FRAGMENT, vec![0, 0, place[0], place[1], 0, 0, 0, 9])];
        assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), []);
    }
    assert_eq!(
        kernel.nonzero(),
        [
            ("packets_selected", 1),
            ("fragments_first_v6", 1),
            ("fragments_later_v6", 2)
        ]
        .into()
    );
}

#[test]
fn fragments_of_other_ports_and_protocols_are_nothing_to_us() {
    let Some(mut kernel) = kernel("fragments_of_other_ports") else {
        return;
    };
    let mut other_port = request(CLIENT, "10.9.8.7:53", BODY);
    other_port.fragment = 0x2000;
    let mut other_protocol = request(CLIENT, SERVER, BODY);
    other_protocol.protocol = UDP;
    other_protocol.fragment = 100;
    let mut other_protocol_v6 = request(CLIENT6, SERVER6, BODY);
    other_protocol_v6.protocol = UDP;
    other_protocol_v6.extensions = vec![(FRAGMENT, vec![0, 0, 1, 0, 0, 0, 0, 9])];
    for packet in [other_port, other_protocol, other_protocol_v6] {
        assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), []);
    }
    assert_eq!(kernel.nonzero(), [].into());
}

#[test]
fn what_is_not_tcp_is_nothing_to_us() {
    let Some(mut kernel) = kernel("what_is_not_tcp") else {
        return;
    };
    let mut udp = request(CLIENT, SERVER, BODY);
    udp.protocol = UDP;
    let mut udp6 = request(CLIENT6, SERVER6, BODY);
    udp6.protocol = UDP;
    let mut udp6_behind_options = udp6.clone();
    udp6_behind_options.extensions = vec![(DESTINATION, vec![0; 8])];
    let mut no_next_header = request(CLIENT6, SERVER6, BODY);
    no_next_header.protocol = 59;
    for packet in [udp, udp6, udp6_behind_options, no_next_header] {
        assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), []);
    }
    let mut arp = vec![2; 60];
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(kernel.see("shadow_l2_in", &arp), []);
    // An Ethernet type that says IPv4 before something else.
    let mut lie = request(CLIENT, SERVER, BODY).frame();
    lie[14] = 0x65;
    assert_eq!(kernel.see("shadow_l2_in", &lie), []);
    assert_eq!(kernel.nonzero(), [].into());
}

#[test]
fn a_packet_that_ends_inside_its_headers_is_counted() {
    let Some(mut kernel) = kernel("a_packet_that_ends_inside_its_headers") else {
        return;
    };
    // The test run itself refuses short IP packets, but does not look behind a VLAN tag.
    let tagged = |mut packet: Packet| {
        packet.tags = vec![ETH_P_8021Q];
        packet.frame()
    };
    let v4 = tagged(request(CLIENT, SERVER, b""));
    let v6 = tagged(request(CLIENT6, SERVER6, b""));
    // Inside the tag, the IP header and the TCP header.
    let cuts = [
        &v4[..15],
        &v4[..18 + 19],
        &v4[..18 + 20 + 19],
        &v6[..18 + 39],
        &v6[..18 + 40 + 19],
    ];
    for (at, frame) in cuts.into_iter().enumerate() {
        assert_eq!(kernel.see("shadow_l2_in", frame), [], "{at}");
        assert_eq!(
            kernel.nonzero(),
            [("truncated_headers", at as u64 + 1)].into(),
            "{at}"
        );
    }
    // Inside an extension header.
    let mut extended = request(CLIENT6, SERVER6, b"");
    extended.extensions = vec![(DESTINATION, vec![0; 8])];
    assert_eq!(kernel.see("shadow_l2_in", &tagged(extended)[..18 + 40 + 3]), []);
    // A header length that is less than the least.
    let mut short = v4.clone();
    short[18] = 0x44;
    assert_eq!(kernel.see("shadow_l2_in", &short), []);
    assert_eq!(kernel.nonzero(), [("truncated_headers", 7)].into());
}

#[test]
fn lengths_that_contradict_each_other_are_counted() {
    let Some(mut kernel) = kernel("lengths_that_contradict_each_other") else {
        return;
    };
    // The IP packet says that it is longer than what is there.
    let mut longer = request(CLIENT, SERVER, BODY);
    longer.length_error = 1;
    let mut longer6 = request(CLIENT6, SERVER6, BODY);
    longer6.length_error = 1;
    // The IP packet ends inside the TCP header.
    let mut shorter = request(CLIENT, SERVER, BODY);
    shorter.length_error = -(BODY.len().cast_signed() + 1);
    for packet in [longer, longer6, shorter] {
        assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), []);
    }
    // The TCP header says that it is shorter than the least, or longer than the packet.
    for data_offset in [0x40, 0xf0] {
        let mut frame = request(CLIENT, SERVER, BODY).frame();
        frame[14 + 20 + 12] = data_offset;
        assert_eq!(kernel.see("shadow_l2_in", &frame), []);
    }
    assert_eq!(
        kernel.nonzero(),
        [("packets_selected", 5), ("bad_lengths", 5)].into()
    );
}

#[test]
fn packets_of_devices_without_an_ethernet_header_are_seen() {
    let Some(mut kernel) = kernel("packets_of_devices_without_an_ethernet_header") else {
        return;
    };
    // The test run takes bytes 12 and 13 for the Ethernet type: here they are in the source address.
    let client = "8.0.2.3:40000";
    let packet = request(client, SERVER, BODY).ip();
    assert_eq!(kernel.see("shadow_l3_in", &packet), whole(client, SERVER));
    assert_eq!(kernel.see("shadow_l3_out", &packet), whole(client, SERVER));
    let client = "[fd00:0:86dd::1]:40000";
    let packet = request(client, SERVER6, BODY).ip();
    assert_eq!(kernel.see("shadow_l3_in", &packet), whole(client, SERVER6));
}

#[test]
fn packets_at_sockets_are_seen_with_their_namespace() {
    let Some(mut kernel) = kernel("packets_at_sockets") else {
        return;
    };
    let frame = request(CLIENT, SERVER, BODY).frame();
    let mut seen = kernel.see("shadow_sock_in", &frame);
    // The cookie of the namespace is whatever the kernel gives; it tells nothing here.
    for one in &mut seen {
        one.flow.scope = 0;
    }
    assert_eq!(seen, whole(CLIENT, SERVER));
    let frame = request(CLIENT6, SERVER6, BODY).frame();
    assert_eq!(kernel.see("shadow_sock_out", &frame).len(), 1);
}

#[test]
fn an_acknowledgment_without_payload_is_counted_and_not_copied() {
    let Some(mut kernel) = kernel("an_acknowledgment_without_payload") else {
        return;
    };
    let mut packet = request(CLIENT, SERVER, b"");
    packet.flags = TcpFlags::ACK;
    assert_eq!(kernel.see("shadow_l2_in", &packet.frame()), []);
    assert_eq!(
        kernel.nonzero(),
        [("packets_selected", 1), ("packets_empty", 1)].into()
    );
}

#[test]
fn syn_fin_and_rst_are_copied_without_payload() {
    let Some(mut kernel) = kernel("syn_fin_and_rst") else {
        return;
    };
    for flags in [TcpFlags::SYN, TcpFlags::FIN | TcpFlags::ACK, TcpFlags::RST] {
        let mut packet = request(CLIENT, SERVER, b"");
        packet.flags = flags;
        let seen = kernel.see("shadow_l2_in", &packet.frame());
        assert_eq!((seen[0].flags, seen[0].payload.len()), (flags, 0));
    }
    assert_eq!(kernel.count(Counter::Records), 3);
}

//! Whole files as bytes: both formats, both byte orders, and which end is the server.

use std::net::SocketAddr;

use shadow_tcp::{Direction, TcpFlags};

use super::pcap_test_files::{Writer, error, packet, payloads, read, request};
use super::*;

#[test]
fn pcap_in_both_byte_orders_and_both_units() {
    for big_endian in [false, true] {
        for (magic, nanoseconds) in [(0xa1b2_c3d4, 2_000_005_000), (0xa1b2_3c4d, 2_000_000_005)] {
            let mut file = Writer::pcap(big_endian, magic, 101);
            file.record(2, 5, &request(b"GET"), 43);
            assert_eq!(read(&file.bytes).0, [(nanoseconds, "GET".to_owned())]);
        }
    }
}

#[test]
fn every_field_of_a_segment() {
    let mut file = Writer::pcap(false, 0xa1b2_c3d4, 101);
    file.record(0, 1, &request(b"GET"), 43);
    let mut reader = PcapReader::new(&file.bytes[..], &[80], false).unwrap();
    let segment = reader.next_segment().unwrap().unwrap();
    assert_eq!(
        segment.flow.client.socket_addr(),
        SocketAddr::from(([10, 0, 0, 1], 4000))
    );
    assert_eq!(
        segment.flow.server.socket_addr(),
        SocketAddr::from(([10, 0, 0, 1], 80))
    );
    assert_eq!(segment.direction, Direction::Request);
    assert_eq!((segment.sequence, segment.acknowledgment), (1, 9));
    assert_eq!(segment.flags, TcpFlags(0x18));
    assert_eq!((segment.payload, segment.time.0), (&b"GET"[..], 1000));
    assert!(!segment.continuation);
    assert_eq!(reader.offset(), file.bytes.len() as u64);
}

#[test]
fn frame_check_bits_beside_the_link_type_are_ignored() {
    let mut file = Writer::pcap(false, 0xa1b2_c3d4, 0x4400_0065);
    file.record(0, 0, &request(b"GET"), 43);
    assert_eq!(payloads(&file.bytes), ["GET"]);
}

#[test]
fn pcapng_in_both_byte_orders() {
    for big_endian in [false, true] {
        let mut file = Writer::pcapng(big_endian);
        file.interface(101, 0, &[]);
        file.enhanced(0, 0x1_0000_0000, &request(b"GET"), 43);
        assert_eq!(read(&file.bytes).0, [(4_294_967_296_000, "GET".to_owned())]);
    }
}

#[test]
fn pcapng_sections_have_their_own_byte_order_and_interfaces() {
    let mut file = Writer::pcapng(false);
    file.interface(101, 0, &[]).enhanced(0, 1, &request(b"one"), 43);
    file.big_endian = true;
    file.section()
        .interface(228, 0, &[])
        .enhanced(0, 2, &request(b"two"), 43);
    assert_eq!(payloads(&file.bytes), ["one", "two"]);
    file.section().enhanced(0, 3, &request(b"three"), 45);
    assert!(error(&file.bytes).ends_with("a packet of an interface that is not described"));
}

#[test]
fn pcapng_times_in_other_units_and_with_an_offset() {
    let time = |option: &[u8], ticks| {
        let mut file = Writer::pcapng(true);
        file.interface(101, 0, option)
            .enhanced(0, ticks, &request(b""), 40);
        read(&file.bytes).0[0].0
    };
    assert_eq!(time(&[], 7), 7_000);
    assert_eq!(time(&[0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0], 7), 7);
    assert_eq!(time(&[0, 9, 0, 1, 3, 0, 0, 0], 7), 7_000_000);
    assert_eq!(time(&[0, 9, 0, 1, 12, 0, 0, 0], 7_999), 7);
    assert_eq!(time(&[0, 9, 0, 1, 0x81, 0, 0, 0], 3), 1_500_000_000);
    assert_eq!(time(&[0, 9, 0, 1, 0x7f, 0, 0, 0], u64::MAX), 0);
    assert_eq!(time(&[0, 9, 0, 1, 0, 0, 0, 0], u64::MAX), u64::MAX);
    // A comment first, then ten seconds.
    let offset = [0, 1, 0, 2, b'h', b'i', 0, 0, 0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 0, 10];
    assert_eq!(time(&offset, 7), 10_000_007_000);
    assert_eq!(
        time(&[0, 14, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 7),
        0
    );
}

#[test]
fn simple_and_obsolete_packet_blocks() {
    let mut file = Writer::pcapng(false);
    file.interface(101, 42, &[]);
    file.simple(&request(b"GET")[..42], 43);
    let mut obsolete = Writer {
        big_endian: false,
        bytes: Vec::new(),
    };
    obsolete
        .u16(0)
        .u16(3)
        .u32(0)
        .u32(5)
        .u32(44)
        .u32(44)
        .raw(&request(b"POST"));
    file.block(2, &obsolete.bytes);
    file.simple(&request(b"PU"), 42);
    let (segments, counters) = read(&file.bytes);
    assert_eq!(
        segments,
        [
            (0, "GE".to_owned()),
            (5000, "POST".to_owned()),
            (5000, "PU".to_owned())
        ]
    );
    assert_eq!(counters.unwrap().cut_bytes, 1);
}

#[test]
fn unknown_blocks_are_passed_over_however_long() {
    let mut file = Writer::pcapng(false);
    file.block(0xbad, &[])
        .interface(101, 0, &[])
        .block(10, &vec![7; 3 << 20]);
    file.enhanced(0, 0, &request(b"GET"), 43);
    assert_eq!(payloads(&file.bytes), ["GET"]);
}

#[test]
fn packets_of_an_unsupported_interface_are_counted() {
    let mut file = Writer::pcapng(false);
    file.interface(189, 0, &[]).interface(101, 0, &[]);
    file.enhanced(0, 0, b"usb", 3)
        .enhanced(1, 0, &request(b"GET"), 43);
    let (segments, counters) = read(&file.bytes);
    assert_eq!(segments.len(), 1);
    assert_eq!(counters.unwrap().unsupported_link, 1);
}

#[test]
fn every_packet_ends_in_one_counter() {
    let mut file = Writer::pcap(false, 0xa1b2_c3d4, 101);
    let mut fragment = request(b"x");
    fragment[6] = 0x20;
    let mut udp = request(b"x");
    udp[9] = 17;
    let mut malformed = request(b"x");
    malformed[32] = 0;
    for frame in [
        &request(b"GET")[..],
        &packet(80, 4000, 1, 0x18, b"answer"),
        &packet(5000, 6000, 1, 0x18, b"other"),
        &[0x10; 40],
        &udp,
        &fragment,
        &malformed,
        &request(b"x")[..30],
        b"",
    ] {
        file.record(0, 0, frame, frame.len());
    }
    let (segments, counters) = read(&file.bytes);
    assert_eq!(segments.len(), 1);
    assert_eq!(
        counters.unwrap(),
        FileCounters {
            packets: 9,
            selected: 1,
            unwatched: 1,
            not_selected: 1,
            not_ip: 1,
            not_tcp: 1,
            fragments: 1,
            malformed: 1,
            headers_cut: 2,
            ..FileCounters::default()
        }
    );
}

#[test]
fn a_servers_syn_ack_fin_and_rst_come_without_their_payload() {
    let mut file = Writer::pcap(false, 0xa1b2_c3d4, 101);
    for (sequence, flags, payload) in [
        (7, 0x12, &b""[..]),
        (8, 0x18, b"answer"),
        (14, 0x19, b"more"),
        (19, 0x14, b"why"),
    ] {
        let frame = packet(80, 4000, sequence, flags, payload);
        file.record(0, 0, &frame, frame.len());
    }
    let mut reader = PcapReader::new(&file.bytes[..], &[80], false).unwrap();
    let mut seen = Vec::new();
    while let Some(segment) = reader.next_segment().unwrap() {
        assert_eq!(
            (segment.direction, segment.payload),
            (Direction::Response, &b""[..])
        );
        seen.push((segment.sequence, segment.flags.0, segment.continuation));
    }
    assert_eq!(seen, [(7, 0x12, false), (18, 0x19, true), (19, 0x14, false)]);
    assert_eq!((reader.counters().selected, reader.counters().unwatched), (3, 1));
    assert!(reader.counters().balanced());
}

#[test]
fn responses_are_handed_on_when_watched() {
    let mut file = Writer::pcap(false, 0xa1b2_c3d4, 101);
    file.record(0, 0, &packet(80, 4000, 7, 0x18, b"answer"), 46);
    let mut reader = PcapReader::new(&file.bytes[..], &[80], true).unwrap();
    let segment = reader.next_segment().unwrap().unwrap();
    assert_eq!(
        (segment.direction, segment.flow.server.port),
        (Direction::Response, 80)
    );
    assert_eq!(segment.payload, b"answer");
}

#[test]
fn fin_comes_behind_the_bytes_that_the_snap_length_cut_off() {
    let mut file = Writer::pcap(false, 0xa1b2_c3d4, 101);
    file.record(0, 0, &packet(4000, 80, 100, 0x19, b"GET / HTTP")[..43], 50);
    file.record(0, 0, &packet(4000, 80, 200, 0x18, b"x"), 41);
    let mut reader = PcapReader::new(&file.bytes[..], &[80], false).unwrap();
    let mut seen = Vec::new();
    while let Some(segment) = reader.next_segment().unwrap() {
        seen.push((segment.sequence, segment.flags.0, segment.payload.to_vec()));
    }
    assert_eq!(
        seen,
        [
            (100, 0x18, b"GET".to_vec()),
            (110, 0x19, Vec::new()),
            (200, 0x18, b"x".to_vec())
        ]
    );
    assert_eq!(
        (reader.counters().cut_packets, reader.counters().cut_bytes),
        (1, 7)
    );
}

/// The server's port that each packet is taken to go to or come from, and whether it is a request.
fn oriented(ports: &[u16], packets: &[Vec<u8>]) -> Vec<(u16, bool)> {
    let mut file = Writer::pcap(false, 0xa1b2_c3d4, 101);
    for packet in packets {
        file.record(0, 0, packet, packet.len());
    }
    let mut reader = PcapReader::new(&file.bytes[..], ports, true).unwrap();
    let mut found = Vec::new();
    while let Some(segment) = reader.next_segment().unwrap() {
        found.push((segment.flow.server.port, segment.direction == Direction::Request));
    }
    found
}

#[test]
fn the_server_is_the_end_whose_port_is_listed() {
    let packets = [packet(80, 9000, 1, 0x18, b"x"), packet(9000, 80, 1, 0x18, b"x")];
    assert_eq!(oriented(&[9000, 9001], &packets), [(9000, true), (9000, false)]);
}

#[test]
fn without_ports_the_server_is_who_the_syn_went_to() {
    let packets = [packet(80, 9000, 1, 0x02, b""), packet(9000, 80, 1, 0x18, b"x")];
    assert_eq!(oriented(&[], &packets), [(9000, true), (9000, false)]);
    let packets = [packet(9000, 80, 1, 0x12, b""), packet(80, 9000, 1, 0x18, b"x")];
    assert_eq!(oriented(&[], &packets), [(9000, false), (9000, true)]);
    assert_eq!(oriented(&[80, 9000], &packets), [(9000, false), (9000, true)]);
}

#[test]
fn without_ports_and_syn_the_lower_port_is_the_server() {
    let packets = [
        packet(9000, 80, 1, 0x18, b"x"),
        packet(80, 9000, 1, 0x18, b"x"),
        packet(80, 9000, 1, 0x02, b""),
        packet(80, 9000, 2, 0x18, b"x"),
    ];
    assert_eq!(
        oriented(&[], &packets),
        [(80, true), (80, false), (9000, true), (9000, true)]
    );
}

#[test]
fn with_equal_ports_the_server_is_who_received_the_first_packet() {
    let mut answer = packet(80, 80, 1, 0x18, b"x");
    answer[15] = 2;
    let mut question = packet(80, 80, 1, 0x18, b"x");
    question[19] = 2;
    let one_way = [question.clone(), answer.clone()];
    assert_eq!(oriented(&[], &one_way), [(80, true), (80, false)]);
    let other_way = [answer, question];
    assert_eq!(oriented(&[], &other_way), [(80, true), (80, false)]);
}

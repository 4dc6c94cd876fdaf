//! Files as bytes: both formats, both byte orders, and every way they can be wrong.

use std::net::SocketAddr;

use super::*;

/// A raw IPv4 packet of 40 bytes and its payload, from and to 10.0.0.1.
fn packet(source: u16, destination: u16, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![
        0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        9, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0,
    ];
    packet[2..4].copy_from_slice(&(40 + payload.len() as u16).to_be_bytes());
    packet[20..22].copy_from_slice(&source.to_be_bytes());
    packet[22..24].copy_from_slice(&destination.to_be_bytes());
    packet[24..28].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn request(payload: &[u8]) -> Vec<u8> {
    packet(4000, 80, 1, 0x18, payload)
}

/// A file, written in either byte order.
struct Writer {
    big_endian: bool,
    bytes: Vec<u8>,
}

impl Writer {
    fn u16(&mut self, number: u16) -> &mut Self {
        self.bytes.extend(if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        });
        self
    }
    fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes.extend(if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        });
        self
    }
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The header of a pcap file.
    fn pcap(big_endian: bool, magic: u32, link: u32) -> Self {
        let mut writer = Self {
            big_endian,
            bytes: Vec::new(),
        };
        writer
            .u32(magic)
            .u16(2)
            .u16(4)
            .u32(0)
            .u32(0)
            .u32(65_535)
            .u32(link);
        writer
    }

    /// A packet of a pcap file.
    fn record(&mut self, seconds: u32, fraction: u32, captured: &[u8], original_len: usize) -> &mut Self {
        self.u32(seconds)
            .u32(fraction)
            .u32(captured.len() as u32)
            .u32(original_len as u32)
            .raw(captured)
    }

    /// The first section header of a pcapng file.
    fn pcapng(big_endian: bool) -> Self {
        let mut writer = Self {
            big_endian,
            bytes: Vec::new(),
        };
        writer.section();
        writer
    }

    fn section(&mut self) -> &mut Self {
        let mut body = Self {
            big_endian: self.big_endian,
            bytes: Vec::new(),
        };
        body.u32(0x1a2b_3c4d).u16(1).u16(0).raw(&[0xff; 8]);
        self.block(0x0a0d_0d0a, &body.bytes)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let padding = body.len().next_multiple_of(4) - body.len();
        let total = (12 + body.len() + padding) as u32;
        self.u32(kind)
            .u32(total)
            .raw(body)
            .raw(&[0; 3][..padding])
            .u32(total)
    }

    fn interface(&mut self, link: u16, snap_len: u32, options: &[u8]) -> &mut Self {
        let mut body = Self {
            big_endian: self.big_endian,
            bytes: Vec::new(),
        };
        body.u16(link).u16(0).u32(snap_len).raw(options);
        self.block(1, &body.bytes)
    }

    fn enhanced(&mut self, interface: u32, ticks: u64, captured: &[u8], original_len: usize) -> &mut Self {
        let mut body = Self {
            big_endian: self.big_endian,
            bytes: Vec::new(),
        };
        body.u32(interface).u32((ticks >> 32) as u32).u32(ticks as u32);
        body.u32(captured.len() as u32)
            .u32(original_len as u32)
            .raw(captured);
        self.block(6, &body.bytes)
    }

    fn simple(&mut self, captured: &[u8], original_len: usize) -> &mut Self {
        let mut body = Self {
            big_endian: self.big_endian,
            bytes: Vec::new(),
        };
        body.u32(original_len as u32).raw(captured);
        self.block(3, &body.bytes)
    }
}

/// Time and payload of every segment, and the counts; or the error and what came before it.
fn read(bytes: &[u8]) -> (Vec<(u64, String)>, Result<FileCounters, String>) {
    let mut segments = Vec::new();
    let mut reader = match PcapReader::new(bytes, &[80], false) {
        Ok(reader) => reader,
        Err(error) => return (segments, Err(error.to_string())),
    };
    loop {
        match reader.next_segment() {
            Ok(Some(segment)) => {
                let text = String::from_utf8_lossy(segment.payload).into_owned();
                segments.push((segment.time.0, text));
            }
            Ok(None) => return (segments, Ok(reader.counters())),
            Err(error) => return (segments, Err(error.to_string())),
        }
    }
}

fn payloads(bytes: &[u8]) -> Vec<String> {
    read(bytes).0.into_iter().map(|(_, payload)| payload).collect()
}

fn error(bytes: &[u8]) -> String {
    read(bytes).1.unwrap_err()
}

fn in_one_of_the_counters(counters: &FileCounters) -> bool {
    counters.packets
        == counters.selected
            + counters.not_selected
            + counters.unwatched
            + counters.not_ip
            + counters.not_tcp
            + counters.fragments
            + counters.headers_cut
            + counters.malformed
            + counters.unsupported_link
}

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
fn packets_of_an_unsupported_interface_are_counted_and_the_others_read() {
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
fn without_ports_and_syn_the_server_is_the_lower_port_until_a_syn_comes() {
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

#[test]
fn what_is_not_a_capture_file_is_named() {
    assert_eq!(
        error(b""),
        "not a whole capture file: it ends after 0 bytes, inside its header"
    );
    assert_eq!(
        error(b"GET / HTTP/1.1"),
        "not a pcap or pcapng file: it begins with 47 45 54 20"
    );
    assert_eq!(
        error(&[0x1f, 0x8b, 8, 0, 0]),
        "not a pcap or pcapng file: it begins with 1f 8b 08 00 (compressed by gzip: unpack it first)"
    );
    assert_eq!(
        error(&Writer::pcap(false, 0xa1b2_c3d4, 189).bytes),
        "link type 189 is not supported; capture on an Ethernet, IP, loopback or Linux \"any\" interface"
    );
    let mut version = Writer::pcap(false, 0xa1b2_c3d4, 1).bytes;
    version[4] = 3;
    assert_eq!(
        error(&version),
        "corrupt capture file at byte 4: unknown version of the format"
    );
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let error = PcapFile::open(Path::new("/nonexistent/x.pcap"), &[], false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot open /nonexistent/x.pcap: No such file or directory (os error 2)"
    );
}

#[test]
fn what_comes_before_a_corrupt_place_is_read() {
    let mut file = Writer::pcap(false, 0xa1b2_c3d4, 101);
    file.record(0, 0, &request(b"GET"), 43);
    file.u32(0).u32(0).u32(0x7fff_ffff).u32(0);
    assert_eq!(payloads(&file.bytes), ["GET"]);
    assert_eq!(
        error(&file.bytes),
        "corrupt capture file at byte 83: a packet longer than 1 MiB"
    );
}

#[test]
fn corrupt_blocks_are_named_with_their_place() {
    let base = || {
        let mut file = Writer::pcapng(false);
        file.interface(101, 0, &[]);
        file
    };
    let with = |edit: &dyn Fn(&mut Writer)| {
        let mut file = base();
        edit(&mut file);
        let message = error(&file.bytes);
        message
            .strip_prefix("corrupt capture file at byte 48: ")
            .unwrap_or(&message)
            .to_owned()
    };
    let impossible = "a block with an impossible length";
    for length in [0, 4, 11, 13, 0xffff_ffff] {
        assert_eq!(
            with(&|file| _ = file.u32(6).u32(length).raw(&[0; 40])),
            impossible
        );
    }
    assert_eq!(
        with(&|file| _ = file.u32(6).u32(0x7fff_fffc)),
        "a block longer than 1 MiB"
    );
    let differ = "a block whose two lengths differ";
    assert_eq!(with(&|file| _ = file.u32(1).u32(20).raw(&[0; 8]).u32(24)), differ);
    assert_eq!(
        with(&|file| _ = file.u32(99).u32(20).raw(&[0; 8]).u32(24)),
        differ
    );
    assert_eq!(
        with(&|file| _ = file.block(1, &[0; 4])),
        "an interface without link type"
    );
    let long_option = [101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 5, 0];
    assert_eq!(
        with(&|file| _ = file.block(1, &long_option)),
        "an option that is longer than its block"
    );
    assert_eq!(
        with(&|file| _ = file.block(6, &[0; 16])),
        "a packet without its header"
    );
    assert_eq!(
        with(&|file| _ = file.enhanced(1, 0, b"", 0)),
        "a packet of an interface that is not described"
    );
    let mut long = [0; 20];
    long[12] = 1;
    assert_eq!(
        with(&|file| _ = file.block(6, &long)),
        "a packet that is longer than its block"
    );
    assert_eq!(
        with(&|file| _ = file.block(0x0a0d_0d0a, &[0; 16])),
        "a section without byte order"
    );
}

#[test]
fn a_file_cut_at_any_byte_gives_every_whole_packet() {
    let mut pcap = Writer::pcap(false, 0xa1b2_c3d4, 101);
    let mut pcap_ends = vec![pcap.bytes.len()];
    let mut pcapng = Writer::pcapng(true);
    pcapng
        .interface(101, 0, &[0, 9, 0, 1, 9, 0, 0, 0])
        .block(99, &[0; 8]);
    let mut pcapng_ends = vec![28];
    for payload in [&b"GET"[..], b"", b"PATCH"] {
        pcap.record(0, 0, &request(payload), 40 + payload.len());
        pcap_ends.push(pcap.bytes.len());
        pcapng.enhanced(0, 0, &request(payload), 40 + payload.len());
        pcapng_ends.push(pcapng.bytes.len());
    }
    for (file, ends) in [(pcap.bytes, pcap_ends), (pcapng.bytes, pcapng_ends)] {
        for len in 0..=file.len() {
            let (segments, counters) = read(&file[..len]);
            let whole = ends.iter().filter(|end| **end <= len).count();
            if whole == 0 {
                assert!(
                    counters.unwrap_err().starts_with("not a whole capture file"),
                    "{len}"
                );
                continue;
            }
            let counters = counters.unwrap();
            assert_eq!(segments.len(), whole - 1, "{len}");
            assert_eq!(counters.packets, whole as u64 - 1, "{len}");
            assert!(counters.torn_bytes <= (len - ends[whole - 1]) as u64, "{len}");
            if whole > 1 || len < 29 {
                assert_eq!(counters.torn_bytes, (len - ends[whole - 1]) as u64, "{len}");
            }
        }
    }
}

#[test]
fn a_reader_that_fails_is_told_from_the_end_of_the_file() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let header = Writer::pcap(false, 0xa1b2_c3d4, 101).bytes;
    let mut reader = PcapReader::new(header.chain(Failing), &[], false).unwrap();
    assert_eq!(
        reader.next_segment().unwrap_err().to_string(),
        "cannot read the capture file at byte 24: disk on fire"
    );
}

proptest::proptest! {
    #[test]
    fn hostile_files_never_panic_and_every_packet_is_counted(
        start in 0_usize..4,
        edits in proptest::collection::vec((0_usize..400, proptest::num::u8::ANY), 0..12),
        tail in proptest::collection::vec(proptest::num::u8::ANY, 0..100),
    ) {
        let mut file = match start {
            0 => Writer::pcap(false, 0xa1b2_c3d4, 101),
            1 => Writer::pcap(true, 0xa1b2_3c4d, 101),
            _ => Writer::pcapng(start == 2),
        };
        if start < 2 {
            for payload in [&b"GET"[..], b"", b"POST"] {
                file.record(1, 2, &request(payload), 40 + payload.len());
            }
        } else {
            file.interface(101, 0, &[0, 9, 0, 1, 9, 0, 0, 0]).block(99, &[1; 20]);
            file.enhanced(0, 5, &request(b"GET"), 43).simple(&request(b"POST"), 44);
        }
        file.raw(&tail);
        let len = file.bytes.len();
        for (at, byte) in edits {
            file.bytes[at % len] = byte;
        }
        if let Ok(mut reader) = PcapReader::new(&file.bytes[..], &[], true) {
            while let Ok(Some(_)) = reader.next_segment() {}
            proptest::prop_assert!(in_one_of_the_counters(&reader.counters()));
        }
    }
}

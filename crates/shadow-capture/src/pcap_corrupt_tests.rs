//! Files that are wrong: cut, corrupt, hostile, or no capture files at all.

use std::io;

use super::pcap_test_files::{Writer, error, payloads, read, request};
use super::*;

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
fn what_is_not_a_capture_file_is_named() {
    assert_eq!(
        error(b""),
        "incomplete capture file: it ends after 0 bytes, inside its header"
    );
    assert_eq!(
        error(b"GET / HTTP/1.1"),
        "not a pcap or pcapng file: it begins with 47 45 54 20"
    );
    assert_eq!(
        error(b"\xfd7zXZ"),
        "not a pcap or pcapng file: it begins with fd 37 7a 58 (compressed by xz: unpack it first)"
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
                    counters.unwrap_err().starts_with("incomplete capture file"),
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

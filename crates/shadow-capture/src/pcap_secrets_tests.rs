//! Secrets of TLS in pcapng files: decryption secrets blocks (draft-ietf-opsawg-pcapng section 4.7).

use shadow_tls::{SecretStore, StoreLimits};

use super::PcapReader;
use super::pcap_test_files::{Writer, payloads, request};

const TLSK: u32 = 0x544c_534b;

/// The body of a block with these secrets.
fn secrets(big_endian: bool, kind: u32, length: usize, data: &[u8]) -> Vec<u8> {
    let mut body = Writer {
        big_endian,
        bytes: Vec::new(),
    };
    body.u32(kind).u32(length as u32).raw(data);
    body.bytes
}

/// A file with this block in front of a packet.
fn file(big_endian: bool, block: &[u8]) -> Vec<u8> {
    let mut file = Writer::pcapng(big_endian);
    let packet = request(b"GET / HTTP/1.1");
    file.block(0x0a, block)
        .interface(101, 0, &[])
        .enhanced(0, 1, &packet, packet.len());
    file.bytes
}

/// Packets of a file, and secrets in it.
fn read(file: &[u8]) -> (usize, u64) {
    let store = SecretStore::new(StoreLimits::default());
    let mut reader = PcapReader::new(file, &[80], false).unwrap().with_secrets(&store);
    let mut packets = 0;
    while let Ok(Some(_)) = reader.next_segment() {
        packets += 1;
    }
    (packets, store.counts().inserted)
}

/// Lines of a key log, the last without a line feed.
fn key_log(lines: usize) -> String {
    let random = |line: usize| format!("{line:064x}");
    let lines: Vec<String> = (0..lines)
        .map(|line| format!("CLIENT_RANDOM {} {}", random(line), "ab".repeat(48)))
        .collect();
    lines.join("\n")
}

#[test]
fn secrets_are_read_in_either_byte_order_however_long() {
    for big_endian in [true, false] {
        // Longer than anything that is held.
        for lines in [1, 3, 7000] {
            let log = key_log(lines);
            let block = secrets(big_endian, TLSK, log.len(), log.as_bytes());
            assert_eq!(read(&file(big_endian, &block)), (1, lines as u64));
        }
    }
}

#[test]
fn other_secrets_and_those_that_nobody_wants_are_passed_over() {
    let log = key_log(2);
    let of_wireguard = secrets(false, 0x5747_4b4c, log.len(), log.as_bytes());
    assert_eq!(read(&file(false, &of_wireguard)), (1, 0));
    let block = secrets(false, TLSK, log.len(), log.as_bytes());
    let bytes = file(false, &block);
    let mut reader = PcapReader::new(&bytes[..], &[80], false).unwrap();
    assert!(reader.next_segment().unwrap().is_some());
}

#[test]
fn a_file_that_ends_in_its_secrets_gives_the_whole_lines() {
    let log = key_log(7000);
    let block = secrets(false, TLSK, log.len(), log.as_bytes());
    let bytes = file(false, &block);
    let (packets, inserted) = read(&bytes[..bytes.len() / 2]);
    assert_eq!(packets, 0);
    assert!((3000..3600).contains(&inserted), "{inserted}");
}

#[test]
fn a_block_that_its_lengths_do_not_fit_is_an_error() {
    let store = SecretStore::new(StoreLimits::default());
    for (block, expected) in [
        (
            secrets(false, TLSK, 9, b"12345678"),
            "secrets that are longer than their block",
        ),
        (
            TLSK.to_le_bytes().to_vec(),
            "secrets without their kind and length",
        ),
    ] {
        let bytes = file(false, &block);
        let mut reader = PcapReader::new(&bytes[..], &[80], false)
            .unwrap()
            .with_secrets(&store);
        let error = reader.next_segment().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // Nobody wants them: nothing of them is looked at.
    assert_eq!(
        payloads(&file(false, &secrets(false, TLSK, 9, b"12345678"))).len(),
        1
    );
}

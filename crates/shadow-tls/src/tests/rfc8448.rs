//! The traces of RFC 8448: a simple handshake (section 3), resumption with early data (4), `HelloRetryRequest` (5). Only the
//! Early and the Handshake Secret are given, with the hashes of what is on the wire.

use ring::digest::{SHA256, digest};
use shadow_tcp::Direction::{self, Request, Response};

use super::listener::{Listener, Told};
use crate::{Handshake, Hash, Label, Secret, SecretBytes};

/// Lines of a section of the vectors: what stands before, and bytes.
fn section(number: &str) -> Vec<(&'static str, Vec<u8>)> {
    let lines = include_str!("rfc8448.txt").lines();
    let words = lines.map(|line| line.split(' ').collect::<Vec<_>>());
    let of_section = words.filter(|words| words.len() == 3 && words[0] == number);
    of_section.map(|words| (words[1], unhex(words[2]))).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    let byte =
        |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16).expect("hexadecimal");
    pairs.map(byte).collect()
}

fn wire(section: &[(&'static str, Vec<u8>)]) -> Vec<(Direction, Vec<u8>)> {
    let sent = section.iter().filter_map(|(what, bytes)| {
        let direction = match *what {
            "c" => Request,
            "s" => Response,
            _ => return None,
        };
        Some((direction, bytes.clone()))
    });
    sent.collect()
}

fn secret(section: &[(&'static str, Vec<u8>)], label: Label, transcript: &[u8]) -> Secret {
    let name = format!("{label:?}");
    let (_, bytes) = section.iter().find(|(what, _)| *what == name).expect("given");
    Secret {
        label,
        of: Handshake::Transcript(Hash::new(digest(&SHA256, transcript).as_ref()).expect("32 bytes")),
        bytes: SecretBytes::new(bytes).expect("32 bytes"),
    }
}

/// Opens a trace, its segments cut into pieces of `size`.
fn opened(wire: &[(Direction, Vec<u8>)], secrets: &[Secret], size: usize) -> Told {
    let mut listener = Listener::default();
    listener.insert(secrets);
    for (direction, bytes) in wire {
        bytes
            .chunks(size)
            .for_each(|piece| listener.data(*direction, piece));
    }
    listener.close()
}

/// Fifty bytes, which both peers send in most sections.
fn fifty() -> Vec<u8> {
    (0..50).collect()
}

fn assert_clean(told: &Told) {
    assert_eq!((told.unreadable, told.gaps, told.lost), (None, [0, 0], [0, 0]));
    assert_eq!(told.finished, [true, true]);
}

#[test]
fn the_simple_handshake_opens_from_the_handshake_secret() {
    let section = section("3");
    let wire = wire(&section);
    let hellos = [&wire[0].1[5..], &wire[1].1[5..]].concat();
    let secrets = [secret(&section, Label::HandshakeSecret, &hellos)];
    for size in [1, 64, 2000] {
        let told = opened(&wire, &secrets, size);
        assert_eq!(told.inside, [fifty(), fifty()]);
        assert_clean(&told);
    }
}

#[test]
fn early_data_opens_from_the_early_secret_or_its_traffic_secret() {
    let section = section("4");
    let wire = wire(&section);
    let client_hello = &wire[0].1[5..];
    let hellos = [client_hello, &wire[2].1[5..]].concat();
    for label in [Label::EarlySecret, Label::ClientEarlyTraffic] {
        let secrets = [
            secret(&section, label, client_hello),
            secret(&section, Label::HandshakeSecret, &hellos),
        ];
        let told = opened(&wire, &secrets, 100);
        assert_eq!(told.inside, [[b"ABCDEF".to_vec(), fifty()].concat(), fifty()]);
        assert_clean(&told);
    }
}

#[test]
fn early_data_without_its_secret_is_counted_and_the_rest_opens() {
    let section = section("4");
    let wire = wire(&section);
    let hellos = [&wire[0].1[5..], &wire[2].1[5..]].concat();
    let mut listener = Listener::default();
    listener.insert(&[secret(&section, Label::HandshakeSecret, &hellos)]);
    for (direction, bytes) in &wire {
        listener.data(*direction, bytes);
    }
    // An answer does not go before what came first.
    assert_eq!(listener.told.inside, [b"", b""]);
    listener.retry(shadow_core::time::Timestamp(10_000_000_000));
    let told = listener.close();
    assert_eq!(told.inside, [fifty(), fifty()]);
    assert_eq!((told.unreadable, told.finished), (None, [true, true]));
    // The early data, and the message that ends it.
    assert_eq!((told.gaps[0] > 0, told.lost), (true, [2, 0]));
}

#[test]
fn a_retried_handshake_opens_by_the_synthetic_transcript() {
    let section = section("5");
    let wire = wire(&section);
    let first = digest(&SHA256, &wire[0].1[5..]);
    let messages: Vec<&[u8]> = wire[1..4].iter().map(|(_, bytes)| &bytes[5..]).collect();
    let transcript = [&[254, 0, 0, 32], first.as_ref(), &messages.concat()].concat();
    let told = opened(
        &wire,
        &[secret(&section, Label::HandshakeSecret, &transcript)],
        100,
    );
    assert_eq!(told.inside, [b"", b""]);
    assert_clean(&told);
}

#[test]
fn an_answer_to_early_data_is_told_behind_it() {
    let section = section("4");
    let wire = wire(&section);
    let client_hello = &wire[0].1[5..];
    let hellos = [client_hello, &wire[2].1[5..]].concat();
    let secrets = [
        secret(&section, Label::EarlySecret, client_hello),
        secret(&section, Label::HandshakeSecret, &hellos),
    ];
    // The server's flight and its data in one segment.
    let of_server = [2, 3, 6].map(|index| wire[index].1.clone()).concat();
    for is_late in [false, true] {
        let mut listener = Listener::default();
        if !is_late {
            listener.insert(&secrets);
        }
        listener.data(Request, &wire[0].1);
        listener.data(Request, &wire[1].1);
        listener.data(Response, &of_server);
        if is_late {
            listener.insert(&secrets);
            listener.retry(shadow_core::time::Timestamp(2));
        }
        let told = listener.close();
        assert_eq!(told.inside, [b"ABCDEF".to_vec(), fifty()]);
        assert_eq!(told.turns, [Request, Response]);
        assert_eq!((told.unreadable, told.lost), (None, [0, 0]));
    }
}

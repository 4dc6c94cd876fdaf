//! Connections of both versions, with all suites, whole: everything that was inside is told, once, in order.

use std::sync::Arc;

use rustls::crypto::ring::cipher_suite;
use rustls::{HandshakeKind, SupportedCipherSuite};
use shadow_tcp::Direction::{Request, Response};

use super::listener::{Listener, Told};
use super::peers::{Peers, Recording, Setup};

const SUITES: [SupportedCipherSuite; 3] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];
const SUITES_12: [SupportedCipherSuite; 3] = [
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// Requests and answers of some sizes.
fn talk(peers: &mut Peers) {
    for size in [1, 300, 1000, 16_384, 40_000] {
        peers.send(Request, &vec![b'a' + (size % 26) as u8; size]);
        peers.send(Response, &vec![b'A' + (size % 26) as u8; size / 2 + 1]);
    }
}

fn recorded(setup: &Setup) -> Recording {
    let mut peers = Peers::connect(setup);
    talk(&mut peers);
    peers.close()
}

/// Two connections, the second one resumed, with `early` as its early data.
fn resumed(setup: &Setup, early: &[u8]) -> [Recording; 2] {
    let configs = setup.build();
    let mut first = Peers::new(&configs);
    talk(&mut first);
    let first = first.close();
    let mut second = Peers::new(&configs);
    if !early.is_empty() {
        second.send_early(early);
    }
    talk(&mut second);
    assert_eq!(second.client.handshake_kind(), Some(HandshakeKind::Resumed));
    [first, second.close()]
}

/// Each flight as a chunk, with the secrets there from the start.
fn opened(recording: &Recording) -> Told {
    let mut listener = Listener::default();
    listener.insert(&recording.secrets);
    for (direction, bytes) in &recording.wire {
        listener.data(*direction, bytes);
    }
    listener.close()
}

/// The same in chunks of `size` at most.
fn opened_in_pieces(recording: &Recording, size: usize) -> Told {
    let mut listener = Listener::default();
    listener.insert(&recording.secrets);
    for (direction, bytes) in &recording.wire {
        for piece in bytes.chunks(size) {
            listener.data(*direction, piece);
        }
    }
    listener.close()
}

/// Everything was told, and nothing is missing.
pub fn assert_whole(told: &Told, recording: &Recording) {
    assert_eq!(told.unreadable, None);
    let lengths = |inside: &[Vec<u8>; 2]| [inside[0].len(), inside[1].len()];
    assert_eq!(lengths(&told.inside), lengths(&recording.inside));
    assert!(told.inside == recording.inside);
    assert_eq!((told.gaps, told.lost), ([0, 0], [0, 0]));
}

#[test]
fn all_suites_of_both_versions_are_opened() {
    let of_13 = SUITES.map(|suite| (suite, Setup::tls13()));
    let of_12 = SUITES_12.map(|suite| (suite, Setup::tls12()));
    for (suite, setup) in of_13.into_iter().chain(of_12) {
        let suite = Some(suite);
        let recording = recorded(&Setup { suite, ..setup });
        let told = opened(&recording);
        assert_whole(&told, &recording);
        assert_eq!(told.finished, [true, true]);
    }
}

#[test]
fn segments_may_be_cut_anywhere() {
    for setup in [Setup::tls13(), Setup::tls12()] {
        let recording = recorded(&setup);
        for size in [1, 2, 5, 7, 100, 1448, 17_000] {
            assert_whole(&opened_in_pieces(&recording, size), &recording);
        }
    }
}

#[test]
fn small_records_are_opened() {
    for setup in [Setup::tls13(), Setup::tls12()] {
        let max_fragment = Some(64);
        let recording = recorded(&Setup {
            max_fragment,
            ..setup
        });
        for size in [13, 1448] {
            let told = opened_in_pieces(&recording, size);
            assert_whole(&told, &recording);
            assert!(told.records[0].iter().all(|record| record.len() <= 64));
        }
    }
}

#[test]
fn the_chosen_protocol_is_told_once() {
    for setup in [Setup::tls13(), Setup::tls12()] {
        let alpn: &[&[u8]] = &[b"h2", b"http/1.1"];
        let recording = recorded(&Setup { alpn, ..setup });
        assert_eq!(opened(&recording).alpn, [b"h2"]);
    }
    assert!(opened(&recorded(&Setup::tls13())).alpn.is_empty());
}

#[test]
fn a_resumed_connection_is_opened() {
    for setup in [Setup::tls13(), Setup::tls12()] {
        for recording in resumed(&setup, b"") {
            assert_whole(&opened(&recording), &recording);
        }
    }
}

#[test]
fn early_data_that_the_server_takes_is_opened() {
    let setup = Setup {
        early_data: true,
        ..Setup::tls13()
    };
    let [_, recording] = resumed(&setup, &[b'e'; 5000]);
    for size in [1, 100, 20_000] {
        let told = opened_in_pieces(&recording, size);
        assert_whole(&told, &recording);
        assert!(told.inside[0].starts_with(b"eeee"));
    }
}

/// A connection whose early data the server passes over, since it asks for another hello or takes none at all.
fn refused(retry: bool) -> Recording {
    let setup = Setup {
        early_data: true,
        ..Setup::tls13()
    };
    let (client, server, log) = setup.build();
    let mut first = Peers::new(&(Arc::clone(&client), Arc::clone(&server), Arc::clone(&log)));
    talk(&mut first);
    first.close();
    let (_, other, _) = Setup {
        retry,
        ..Setup::tls13()
    }
    .build();
    let mut other = (*other).clone();
    other.session_storage = Arc::clone(&server.session_storage);
    other.key_log = Arc::clone(&server.key_log);
    let mut second = Peers::new(&(client, Arc::new(other), log));
    second.send_early(b"early");
    second.exchange();
    assert!(!second.client.is_early_data_accepted());
    second.recording.inside[0].clear();
    talk(&mut second);
    second.close()
}

#[test]
fn early_data_that_the_server_refuses_is_passed_over() {
    for retry in [false, true] {
        let recording = refused(retry);
        assert_whole(&opened(&recording), &recording);
        assert_whole(&opened_in_pieces(&recording, 3), &recording);
    }
}

#[test]
fn a_second_client_hello_is_followed() {
    let setup = Setup {
        retry: true,
        ..Setup::tls13()
    };
    let recording = recorded(&setup);
    assert_whole(&opened(&recording), &recording);
}

#[test]
fn keys_that_are_updated_are_followed() {
    let mut peers = Peers::connect(&Setup::tls13());
    talk(&mut peers);
    for _ in 0..3 {
        peers.client.refresh_traffic_keys().expect("TLS 1.3");
        talk(&mut peers);
        peers.server.refresh_traffic_keys().expect("TLS 1.3");
        talk(&mut peers);
    }
    let recording = peers.close();
    assert_whole(&opened(&recording), &recording);
}

//! Connections that no peer of the tests has: records are sealed here, with what the handshake led to.

use shadow_tcp::Direction::{Request, Response};

use super::listener::{Listener, Told};
use crate::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, RecordKey};
use crate::schedule;
use crate::suite::Suite;
use crate::{Handshake, Label, Secret, SecretBytes, Unreadable};

const CLIENT: [u8; 32] = [0xC1; 32];
const SERVER: [u8; 32] = [0x5E; 32];
const AES_128_13: u16 = 0x1301;
/// `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
const AES_128_12: u16 = 0xc02f;

fn plain(kind: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(body.len()).expect("a record").to_be_bytes();
    [&[kind, 3, 3, high, low], body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("a message").to_be_bytes();
    [&[kind], &len[1..], body].concat()
}

fn client_hello() -> Vec<u8> {
    plain(
        HANDSHAKE,
        &message(1, &[&[3, 3], &CLIENT[..], &[0, 0, 2, 0x13, 0x01, 1, 0]].concat()),
    )
}

/// `version` as the last extension says it, or none.
fn server_hello(suite: u16, legacy: u16, version: Option<u16>) -> Vec<u8> {
    let extensions = version.map_or(Vec::new(), |version| {
        [&[0, 6, 0, 43, 0, 2], &version.to_be_bytes()[..]].concat()
    });
    let body = [
        &legacy.to_be_bytes(),
        &SERVER[..],
        &[0],
        &suite.to_be_bytes(),
        &[0],
        &extensions,
    ]
    .concat();
    plain(HANDSHAKE, &message(2, &body))
}

fn secret(label: Label, byte: u8, len: usize) -> Secret {
    Secret {
        label,
        of: Handshake::ClientRandom(CLIENT),
        bytes: SecretBytes::new(&vec![byte; len]).expect("short enough"),
    }
}

/// A listener behind the hellos, and the client's key of TLS 1.2.
fn tls12() -> (Listener, RecordKey) {
    let mut listener = Listener::default();
    let master = secret(Label::Master, 7, 48);
    listener.insert(std::slice::from_ref(&master));
    listener.data(Request, &client_hello());
    listener.data(Response, &server_hello(AES_128_12, 0x0303, None));
    listener.data(Request, &plain(HANDSHAKE, &message(16, &[1; 33])));
    listener.data(Request, &plain(CHANGE_CIPHER_SPEC, &[1]));
    let suite = Suite::of_tls12(AES_128_12).expect("it is opened");
    let [key, _] = schedule::tls12_keys(suite, &master.bytes, &CLIENT, &SERVER).expect("keys");
    listener.data(Request, &key.seal(HANDSHAKE, &message(20, &[9; 12]), 0, 0));
    (listener, key)
}

/// A listener of TLS 1.3 behind the client's `Finished`, and the client's secret.
fn tls13() -> (Listener, SecretBytes) {
    let mut listener = Listener::default();
    let secrets = [
        secret(Label::ClientHandshakeTraffic, 1, 32),
        secret(Label::ClientTraffic0, 2, 32),
    ];
    listener.insert(&secrets);
    listener.data(Request, &client_hello());
    listener.data(Response, &server_hello(AES_128_13, 0x0303, Some(0x0304)));
    let [handshake, application] = secrets.map(|secret| secret.bytes);
    let finished = key13(&handshake).seal(HANDSHAKE, &message(20, &[9; 32]), 0, 0);
    listener.data(Request, &finished);
    (listener, application)
}

fn key13(secret: &SecretBytes) -> RecordKey {
    schedule::traffic_key(Suite::of_tls13(AES_128_13).expect("it is opened"), secret).expect("a key")
}

#[test]
fn a_suite_or_version_that_is_not_opened_is_told() {
    let hellos = [
        // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA, TLS_AES_128_CCM_SHA256.
        server_hello(0xc027, 0x0303, None),
        server_hello(0x002f, 0x0303, None),
        server_hello(0x1304, 0x0303, Some(0x0304)),
        // TLS 1.1, and one that is not known.
        server_hello(0x002f, 0x0302, None),
        server_hello(AES_128_13, 0x0303, Some(0x7f1c)),
    ];
    for hello in hellos {
        let mut listener = Listener::default();
        listener.data(Request, &client_hello());
        listener.data(Response, &hello);
        assert_eq!(listener.close().unreadable, Some(Unreadable::Cipher));
    }
}

#[test]
fn a_second_handshake_inside_the_first_is_refused() {
    let (mut listener, key) = tls12();
    listener.data(Request, &key.seal(APPLICATION_DATA, b"before", 1, 1));
    listener.data(Request, &key.seal(HANDSHAKE, &client_hello()[5..], 2, 2));
    listener.data(Request, &key.seal(APPLICATION_DATA, b"behind", 3, 3));
    let told = listener.close();
    assert_eq!(told.inside[0], b"before");
    assert_eq!(told.unreadable, Some(Unreadable::Renegotiated));
}

#[test]
fn a_fatal_alert_ends_a_direction_and_a_warning_does_not() {
    let (mut listener, key) = tls12();
    // no_renegotiation, then internal_error.
    listener.data(Request, &key.seal(ALERT, &[1, 100], 1, 1));
    listener.data(Request, &key.seal(APPLICATION_DATA, b"data", 2, 2));
    listener.data(Request, &key.seal(ALERT, &[2, 80], 3, 3));
    listener.data(Request, &key.seal(APPLICATION_DATA, b"behind", 4, 4));
    let told = listener.close();
    assert_eq!(
        (told.inside[0].as_slice(), told.finished),
        (&b"data"[..], [true, false])
    );

    let (mut listener, secret) = tls13();
    let key = key13(&secret);
    // user_canceled, then an alert that only claims to be a warning.
    listener.data(Request, &key.seal(ALERT, &[1, 90], 0, 0));
    listener.data(Request, &key.seal(APPLICATION_DATA, b"data", 1, 0));
    listener.data(Request, &key.seal(ALERT, &[1, 80], 2, 0));
    let told = listener.close();
    assert_eq!(
        (told.inside[0].as_slice(), told.finished),
        (&b"data"[..], [true, false])
    );
}

#[test]
fn an_alert_in_the_clear_ends_a_handshake_that_failed() {
    let mut listener = Listener::default();
    listener.data(Request, &client_hello());
    listener.data(Response, &plain(ALERT, &[2, 40]));
    listener.data(Request, &plain(ALERT, &[1, 0]));
    let told = listener.close();
    assert_eq!((told.unreadable, told.finished), (None, [true, true]));
}

#[test]
fn an_alert_in_the_clear_ends_no_connection_under_way() {
    let (mut listener, secret) = tls13();
    let key = key13(&secret);
    listener.data(Request, &key.seal(APPLICATION_DATA, b"one", 0, 0));
    listener.data(Request, &plain(ALERT, &[1, 0]));
    listener.data(Request, &key.seal(APPLICATION_DATA, b"two", 1, 0));
    let told = listener.close();
    assert_eq!(
        (told.inside[0].as_slice(), told.finished),
        (&b"onetwo"[..], [false, false])
    );
}

/// Opens 40 records with explicit nonces from `nonce`, of which some are lost in one hole.
fn opened_by_nonce(nonce: impl Fn(u64) -> u64) -> Told {
    let (mut listener, key) = tls12();
    let record = |sequence: u64| key.seal(APPLICATION_DATA, &[sequence as u8; 20], sequence, nonce(sequence));
    listener.data(Request, &record(1));
    let lost: usize = (2..38).map(|sequence| record(sequence).len()).sum();
    listener.gap(Request, lost);
    listener.data(Request, &record(38));
    listener.data(Request, &record(39));
    listener.close()
}

#[test]
fn an_explicit_nonce_may_begin_anywhere() {
    let random = 0xfeed_0123_4567_fff0;
    let ways: [&dyn Fn(u64) -> u64; 4] = [
        &|sequence| sequence,
        &|sequence| sequence.wrapping_add(random),
        &|sequence| sequence ^ random,
        // Without any order.
        &|sequence| sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    ];
    for nonce in ways {
        let told = opened_by_nonce(nonce);
        assert_eq!(told.records[0], [[1; 20], [38; 20], [39; 20]]);
        assert_eq!((told.lost, told.gaps), ([36, 0], [1, 0]));
    }
}

#[test]
fn a_key_update_may_be_among_what_is_lost() {
    let (mut listener, secret) = tls13();
    let suite = Suite::of_tls13(AES_128_13).expect("it is opened");
    let next = schedule::next_secret(suite.hash, &secret).expect("a secret");
    let (first, second) = (key13(&secret), key13(&next));
    listener.data(Request, &first.seal(APPLICATION_DATA, b"one", 0, 0));
    listener.gap(Request, first.seal(HANDSHAKE, &message(24, &[0]), 1, 0).len());
    listener.data(Request, &second.seal(APPLICATION_DATA, b"two", 0, 0));
    listener.data(Request, &second.seal(APPLICATION_DATA, b"three", 1, 0));
    let told = listener.close();
    assert_eq!(told.inside[0], b"onetwothree");
    assert_eq!((told.gaps[0], told.unreadable), (1, None));
}

#[test]
fn padding_is_taken_off() {
    let (mut listener, secret) = tls13();
    let mut padded = b"data".to_vec();
    padded.push(APPLICATION_DATA);
    padded.extend([0; 100]);
    // The content type at the end is one more zero.
    listener.data(Request, &key13(&secret).seal(0, &padded, 0, 0));
    listener.data(Request, &key13(&secret).seal(0, &[0; 30], 1, 0));
    let told = listener.close();
    assert_eq!(told.records[0], [b"data"]);
    assert_eq!(told.lost, [1, 0]);
}

#[test]
fn what_looks_like_records_costs_no_more_than_its_credit() {
    let (mut listener, secret) = tls13();
    let key = key13(&secret);
    listener.data(Request, &key.seal(APPLICATION_DATA, b"one", 0, 0));
    listener.gap(Request, 1 << 20);
    // Each five bytes begin a record, of a length that is soon whole.
    let forged: Vec<u8> = [23, 3, 3, 0, 250].into_iter().cycle().take(200_000).collect();
    for piece in forged.chunks(1448) {
        listener.data(Request, piece);
    }
    let told = listener.close();
    assert_eq!((told.inside[0].as_slice(), told.lost), (&b"one"[..], [1, 0]));
}

#[test]
fn a_stalled_record_is_let_go_and_the_next_one_opens() {
    let (mut listener, secret) = tls13();
    let key = key13(&secret);
    let record = |sequence| key.seal(APPLICATION_DATA, &[b'a' + sequence as u8; 50], sequence, 0);
    listener.data(Request, &record(0)[..30]);
    assert!(listener.session.as_ref().expect("open").holds());
    listener.stalled();
    assert_eq!(listener.budget.used(), 0);
    assert!(!listener.session.as_ref().expect("open").holds());
    listener.data(Request, &record(0)[30..]);
    listener.data(Request, &record(1));
    let told = listener.close();
    assert_eq!(told.records[0], [[b'b'; 50]]);
    assert_eq!((told.lost, told.gaps, told.unreadable), ([1, 0], [1, 0], None));
}

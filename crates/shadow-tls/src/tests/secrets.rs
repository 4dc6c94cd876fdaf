//! Secrets that come late, without saying whose they are, in part, or not at all.

use std::time::Duration;

use shadow_core::time::Timestamp;
use shadow_tcp::Direction::{Request, Response};

use super::connections::assert_whole;
use super::listener::Listener;
use super::peers::{Peers, Recording, Setup};
use crate::{Handshake, Label, Secret, SecretBytes, Session, SessionLimits, Unreadable};

fn recorded(setup: &Setup) -> Recording {
    let mut peers = Peers::connect(setup);
    peers.send(Request, &vec![b'a'; 20_000]);
    peers.send(Response, &[b'b'; 3000]);
    peers.close()
}

fn both_versions() -> [Recording; 2] {
    [recorded(&Setup::tls13()), recorded(&Setup::tls12())]
}

/// A listener that has all of the wire and no secret.
fn waiting(recording: &Recording, limits: SessionLimits) -> Listener {
    let mut listener = Listener::new(Session::new(limits));
    for (direction, bytes) in &recording.wire {
        for piece in bytes.chunks(1448) {
            listener.data(*direction, piece);
        }
    }
    listener
}

fn is_waiting(listener: &Listener) -> bool {
    let session = listener.session.as_ref().expect("open");
    assert_eq!(session.waits(), session.holds());
    session.waits()
}

fn unknown(secret: &Secret) -> Secret {
    Secret {
        of: Handshake::Unknown,
        ..secret.clone()
    }
}

#[test]
fn records_wait_for_their_secret() {
    for recording in both_versions() {
        let mut listener = waiting(&recording, SessionLimits::default());
        assert!(is_waiting(&listener));
        assert!(listener.budget.used() > 20_000);
        listener.insert(&recording.secrets);
        listener.retry(Timestamp(2_000_000_000));
        assert!(!is_waiting(&listener));
        assert_whole(&listener.close(), &recording);
    }
}

#[test]
fn what_waited_is_told_in_the_order_in_which_it_came() {
    for setup in [Setup::tls13(), Setup::tls12()] {
        let mut peers = Peers::connect(&setup);
        for _ in 0..3 {
            peers.send(Request, b"GET / HTTP/1.1\r\n\r\n");
            peers.send(Response, b"HTTP/1.1 204\r\n\r\n");
        }
        let recording = peers.close();
        for missing in recording.secrets.iter().map(|secret| secret.label) {
            let mut listener = Listener::default();
            let others = recording.secrets.iter().filter(|secret| secret.label != missing);
            listener.insert(&others.cloned().collect::<Vec<_>>());
            for (direction, bytes) in &recording.wire {
                listener.data(*direction, bytes);
            }
            listener.finished(Request);
            listener.finished(Response);
            listener.insert(&recording.secrets);
            listener.retry(Timestamp(2));
            assert!(!is_waiting(&listener));
            let told = listener.close();
            assert_eq!(told.turns, [Request, Response].repeat(3), "{missing:?}");
            assert_eq!(told.finished, [true, true]);
        }
    }
}

#[test]
fn secrets_may_come_one_by_one_in_any_order() {
    for recording in both_versions() {
        for first in 0..recording.secrets.len() {
            let mut secrets = recording.secrets.clone();
            secrets.rotate_left(first);
            let mut listener = waiting(&recording, SessionLimits::default());
            for (secret, time) in secrets.iter().zip(2..) {
                listener.insert(std::slice::from_ref(secret));
                listener.retry(Timestamp(time));
            }
            assert_whole(&listener.close(), &recording);
        }
    }
}

#[test]
fn a_secret_of_an_unknown_handshake_is_found_by_trial() {
    for recording in both_versions() {
        let mut decoys: Vec<Secret> = recording.secrets.iter().map(unknown).collect();
        for secret in &mut decoys {
            let wrong: Vec<u8> = secret.bytes.expose().iter().map(|byte| !byte).collect();
            secret.bytes = SecretBytes::new(&wrong).expect("as long");
        }
        let mut listener = waiting(&recording, SessionLimits::default());
        for _ in 0..100 {
            listener.insert(&decoys);
        }
        listener.retry(Timestamp(2));
        assert!(is_waiting(&listener));
        for secret in &recording.secrets {
            listener.insert(&[unknown(secret)]);
        }
        listener.retry(Timestamp(3));
        let store = listener.store.clone();
        assert_whole(&listener.close(), &recording);
        let used = recording
            .secrets
            .iter()
            .filter(|secret| store.find(secret.label, secret.of).is_some());
        assert_eq!(used.count(), recording.secrets.len());
    }
}

#[test]
fn no_more_secrets_are_tried_than_the_limit_says() {
    let recording = recorded(&Setup::tls13());
    let limits = SessionLimits {
        max_trials: 10,
        ..SessionLimits::default()
    };
    let mut listener = waiting(&recording, limits);
    for _ in 0..10 {
        let wrong = SecretBytes::new(&[9; 48]).expect("48 bytes");
        for label in [Label::ServerHandshakeTraffic, Label::ClientHandshakeTraffic] {
            let bytes = wrong.clone();
            listener.insert(&[Secret {
                label,
                of: Handshake::Unknown,
                bytes,
            }]);
        }
    }
    for secret in &recording.secrets {
        listener.insert(&[unknown(secret)]);
    }
    listener.retry(Timestamp(2));
    assert!(is_waiting(&listener));
    assert_eq!(listener.close().inside, [b"", b""]);
}

#[test]
fn secrets_from_before_a_connection_cost_it_no_trial() {
    for recording in both_versions() {
        let limits = SessionLimits {
            max_trials: 4,
            ..SessionLimits::default()
        };
        let mut listener = Listener::new(Session::new(limits));
        // Of handshakes that nobody captured, 101 ms before this one.
        listener.now = Timestamp(1_000_000_000);
        for secret in recording.secrets.iter().cycle().take(100) {
            let bytes = SecretBytes::new(&[9; 48]).expect("48 bytes");
            listener.insert(&[Secret {
                bytes,
                ..unknown(secret)
            }]);
        }
        listener.now = Timestamp(1_101_000_000);
        for secret in &recording.secrets {
            listener.insert(&[unknown(secret)]);
        }
        for (direction, bytes) in &recording.wire {
            listener.data(*direction, bytes);
        }
        assert_whole(&listener.close(), &recording);
    }
}

#[test]
fn application_secrets_alone_open_the_application_data() {
    let recording = recorded(&Setup::tls13());
    let mut listener = waiting(&recording, SessionLimits::default());
    for secret in &recording.secrets {
        if matches!(secret.label, Label::ClientTraffic0 | Label::ServerTraffic0) {
            listener.insert(std::slice::from_ref(secret));
        }
    }
    listener.retry(Timestamp(2));
    assert_whole(&listener.close(), &recording);
}

#[test]
fn a_connection_whose_secret_does_not_come_is_given_up() {
    for recording in both_versions() {
        for (expected, why) in [(false, Unreadable::NoSecret), (true, Unreadable::SecretLost)] {
            let limits = SessionLimits {
                expected,
                max_wait: Duration::from_secs(1),
                ..SessionLimits::default()
            };
            let mut listener = waiting(&recording, limits);
            listener.retry(Timestamp(1_000_000_001));
            assert_eq!(listener.told.unreadable, None);
            listener.retry(Timestamp(1_000_000_002));
            assert_eq!(listener.told.unreadable, Some(why));
            assert_eq!(listener.budget.used(), 0);
            assert!(!is_waiting(&listener));
            // Too late.
            listener.insert(&recording.secrets);
            listener.retry(Timestamp(1_000_000_003));
            assert_eq!(listener.close().inside, [b"", b""]);
        }
    }
}

#[test]
fn a_secret_that_lacks_another_is_lost() {
    let recording = recorded(&Setup::tls13());
    for missing in [Label::ClientTraffic0, Label::ServerHandshakeTraffic] {
        let mut listener = waiting(&recording, SessionLimits::default());
        for secret in &recording.secrets {
            let is_missing = secret.label == missing
                || missing == Label::ServerHandshakeTraffic && secret.label == Label::ServerTraffic0;
            if !is_missing {
                listener.insert(std::slice::from_ref(secret));
            }
        }
        listener.retry(Timestamp(10_000_000_000));
        assert_eq!(listener.close().unreadable, Some(Unreadable::SecretLost));
    }
}

#[test]
fn what_waits_at_the_end_is_counted() {
    for recording in both_versions() {
        let told = waiting(&recording, SessionLimits::default()).close();
        assert_eq!(told.unreadable, Some(Unreadable::NoSecret));
    }
}

#[test]
fn no_more_bytes_wait_than_the_limit_says() {
    for recording in both_versions() {
        let limits = SessionLimits {
            max_waiting: 10_000,
            expected: true,
            ..SessionLimits::default()
        };
        let listener = waiting(&recording, limits);
        assert_eq!(listener.told.unreadable, Some(Unreadable::SecretLost));
        assert_eq!(listener.budget.used(), 0);
    }
}

#[test]
fn an_upload_of_a_fast_network_waits_for_its_secret() {
    let upload = vec![b'u'; 12 << 20];
    for setup in [Setup::tls12(), Setup::tls13()] {
        let mut peers = Peers::connect(&setup);
        for piece in upload.chunks(32 << 10) {
            peers.send(Request, piece);
        }
        let recording = peers.close();
        let mut listener = waiting(&recording, SessionLimits::default());
        assert_eq!(listener.told.unreadable, None);
        listener.insert(&recording.secrets);
        listener.retry(Timestamp(20_000_000));
        assert!(listener.close().inside[0] == upload);
    }
}

#[test]
fn a_connection_without_room_to_wait_is_given_up() {
    for recording in both_versions() {
        let mut listener = Listener::default();
        listener.budget = shadow_core::budget::MemoryBudget::new(20_000);
        for (direction, bytes) in &recording.wire {
            listener.data(*direction, bytes);
        }
        assert_eq!(listener.told.unreadable, Some(Unreadable::Memory));
        assert_eq!(listener.budget.used(), 0);
    }
}

#[test]
fn a_stalled_connection_that_waits_is_given_up() {
    let recording = recorded(&Setup::tls13());
    let mut listener = waiting(&recording, SessionLimits::default());
    listener.stalled();
    assert_eq!(listener.told.unreadable, Some(Unreadable::NoSecret));
    assert_eq!(listener.budget.used(), 0);
}

#[test]
fn answers_that_are_not_wanted_are_neither_opened_nor_kept() {
    for recording in both_versions() {
        let limits = SessionLimits {
            answers: false,
            ..SessionLimits::default()
        };
        let mut listener = Listener::new(Session::new(limits));
        listener.insert(&recording.secrets);
        for (direction, bytes) in &recording.wire {
            for piece in bytes.chunks(100) {
                listener.data(*direction, piece);
            }
        }
        listener.finished(Response);
        let told = listener.close();
        assert_eq!(told.inside, [recording.inside[0].clone(), Vec::new()]);
        assert_eq!((told.unreadable, told.finished), (None, [true, true]));
        assert_eq!((told.gaps, told.lost), ([0, 0], [0, 0]));
    }
}

#[test]
fn answers_that_are_not_wanted_need_no_secret() {
    let recording = recorded(&Setup::tls13());
    let limits = SessionLimits {
        answers: false,
        ..SessionLimits::default()
    };
    let mut listener = waiting(&recording, limits);
    let of_client = recording
        .secrets
        .iter()
        .filter(|secret| secret.label == Label::ClientTraffic0);
    listener.insert(&of_client.cloned().collect::<Vec<_>>());
    listener.retry(Timestamp(2));
    assert!(!is_waiting(&listener));
    assert_eq!(listener.close().inside, [recording.inside[0].clone(), Vec::new()]);
}

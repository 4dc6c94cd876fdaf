//! The thread that brings secrets from the ring to who keeps them, and wipes them on the way. It has no capability.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shadow_common::{HookKind, SecretLabel, SecretRecord};
use shadow_core::time::Timestamp;
use shadow_tls::{Handshake, Hash, Label, Secret, SecretBytes};
use tracing::warn;
use zeroize::Zeroize;

use crate::ring::Ring;

/// How long it leaves the ring alone when something was in it. A thread that wakes for each secret costs a server more than
/// the probe does; those who wait for one look every two milliseconds, and the ring has room for 1,500.
const PAUSE: Duration = Duration::from_millis(3);

/// Takes a secret, and when it was derived.
pub type Keep = Box<dyn FnMut(Secret, Timestamp) + Send>;

/// Where secrets go, and processes that are not known.
pub struct Reader {
    pub ring: Ring,
    pub keep: Keep,
    /// Numbers of processes that are not selected and have called a probed function.
    pub strangers: SyncSender<u32>,
    /// Wakes who looks at those.
    pub bell: UnixStream,
}

impl Reader {
    /// Reads until the other end of `ears` is closed.
    pub fn run(mut self, ears: &UnixStream) {
        loop {
            let pause = self.drain();
            let mut descriptors = [
                PollFd::new(ears.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.ring.as_fd(), PollFlags::POLLIN),
            ];
            let polled = if pause {
                poll(
                    &mut descriptors[..1],
                    PAUSE.try_into().unwrap_or(PollTimeout::MAX),
                )
            } else {
                poll(&mut descriptors, PollTimeout::NONE)
            };
            match polled {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return warn!(%error, "TLS secrets are not read any more"),
            }
            if descriptors[0].any() == Some(true) {
                return;
            }
        }
    }

    /// Takes what is there; whether anything was.
    fn drain(&mut self) -> bool {
        let mut any = false;
        while let Some(record) = self.ring.next(SecretRecord::read) {
            any = true;
            let Some(mut record) = record else { continue };
            self.take(&record);
            record.secret.zeroize();
        }
        self.ring.wipe();
        any
    }

    fn take(&mut self, record: &SecretRecord) {
        if SecretLabel::of(record.label) == Some(SecretLabel::Stranger) {
            // Full: all are looked at within a second anyway.
            if self.strangers.try_send(record.process).is_ok() {
                let _ = std::io::Write::write(&mut &self.bell, &[1]);
            }
        } else if let Some(secret) = secret(record) {
            (self.keep)(secret, Timestamp(record.time));
        }
    }
}

/// The secret of a record; `None` for one that says what no program of ours writes.
fn secret(record: &SecretRecord) -> Option<Secret> {
    let label = match SecretLabel::of(record.label)? {
        SecretLabel::Stranger => return None,
        SecretLabel::ClientEarlyTraffic => Label::ClientEarlyTraffic,
        SecretLabel::ClientHandshakeTraffic => Label::ClientHandshakeTraffic,
        SecretLabel::ServerHandshakeTraffic => Label::ServerHandshakeTraffic,
        SecretLabel::ClientTraffic0 => Label::ClientTraffic0,
        SecretLabel::ServerTraffic0 => Label::ServerTraffic0,
        SecretLabel::Master => Label::Master,
        SecretLabel::HandshakeSecret => Label::HandshakeSecret,
        SecretLabel::EarlySecret => Label::EarlySecret,
    };
    let of = match (HookKind::of(record.kind)?, label) {
        (HookKind::KeyLogHelper, _) => Handshake::Unknown,
        (_, Label::HandshakeSecret | Label::EarlySecret) => {
            Handshake::Transcript(Hash::new(record.context())?)
        }
        _ => Handshake::ClientRandom(record.context().try_into().ok()?),
    };
    let bytes = SecretBytes::new(record.secret())?;
    Some(Secret { label, of, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: HookKind, label: SecretLabel, context: usize) -> SecretRecord {
        let mut record = SecretRecord::EMPTY;
        record.kind = kind as u32;
        record.label = label as u32;
        record.secret_length = 48;
        record.secret = [7; 64];
        record.context_length = context as u32;
        record.context = [9; 64];
        record
    }

    fn of(kind: HookKind, label: SecretLabel, context: usize) -> Option<(Label, Handshake)> {
        let secret = secret(&record(kind, label, context))?;
        assert_eq!(secret.bytes.expose(), [7; 48]);
        Some((secret.label, secret.of))
    }

    #[test]
    fn each_kind_of_function_says_whose_handshake_in_its_way() {
        let random = Handshake::ClientRandom([9; 32]);
        assert_eq!(
            of(HookKind::OpenSslKdf, SecretLabel::HandshakeSecret, 48),
            Some((
                Label::HandshakeSecret,
                Handshake::Transcript(Hash::new(&[9; 48]).unwrap())
            ))
        );
        assert_eq!(
            of(HookKind::OpenSslKdf, SecretLabel::Master, 32),
            Some((Label::Master, random))
        );
        assert_eq!(
            of(HookKind::GoKeyLog, SecretLabel::ServerTraffic0, 32),
            Some((Label::ServerTraffic0, random))
        );
        assert_eq!(
            of(HookKind::KeyLogHelper, SecretLabel::ClientTraffic0, 0),
            Some((Label::ClientTraffic0, Handshake::Unknown))
        );
    }

    #[test]
    fn a_record_that_no_program_writes_gives_no_secret() {
        assert_eq!(of(HookKind::OpenSslKdf, SecretLabel::HandshakeSecret, 20), None);
        assert_eq!(of(HookKind::GoKeyLog, SecretLabel::Master, 48), None);
        assert_eq!(of(HookKind::OpenSslKdf, SecretLabel::Stranger, 32), None);
    }
}

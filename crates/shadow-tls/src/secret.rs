//! Secrets of a handshake, and what tells whose handshake they are of. They are zeroised when dropped and never printed.

use std::fmt;

use zeroize::Zeroize;

/// Most bytes of a secret: that of a cipher suite with SHA-512. TLS 1.3 has 32 or 48, TLS 1.2's master secret 48.
pub const MAX_SECRET: usize = 64;

/// Most bytes of a transcript hash: SHA-384's, the longest of any cipher suite that is opened.
pub const MAX_HASH: usize = 48;

/// Which secret of a handshake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// `CLIENT_EARLY_TRAFFIC_SECRET` of a key log: TLS 1.3's `c e traffic`.
    ClientEarlyTraffic,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`: `c hs traffic`.
    ClientHandshakeTraffic,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`: `s hs traffic`.
    ServerHandshakeTraffic,
    /// `CLIENT_TRAFFIC_SECRET_0`: `c ap traffic`.
    ClientTraffic0,
    /// `SERVER_TRAFFIC_SECRET_0`: `s ap traffic`.
    ServerTraffic0,
    /// `CLIENT_RANDOM`: the master secret of TLS 1.2.
    Master,
    /// TLS 1.3's Early Secret, which `c e traffic` is derived from (RFC 8446 section 7.1). No key log has it.
    EarlySecret,
    /// TLS 1.3's Handshake Secret, which `s hs traffic` is derived from: everything but early data follows from it. No key
    /// log has it.
    HandshakeSecret,
}

/// A transcript hash (RFC 8446 section 4.4.1), of 32 or 48 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash {
    bytes: [u8; MAX_HASH],
    len: u8,
}

impl Hash {
    /// The hash with these bytes; `None` unless there are 32 or 48.
    pub fn new(hash: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_HASH];
        matches!(hash.len(), 32 | 48).then(|| bytes[..hash.len()].copy_from_slice(hash))?;
        Some(Self {
            bytes,
            len: hash.len() as u8,
        })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(")?;
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Whose handshake a secret is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Handshake {
    /// That whose `ClientHello` has this random.
    ClientRandom([u8; 32]),
    /// That whose transcript has this hash: of `ClientHello` with [`Label::EarlySecret`] and
    /// [`Label::ClientEarlyTraffic`], of `ClientHello` to `ServerHello` with [`Label::HandshakeSecret`] and those of
    /// handshake traffic, of `ClientHello` to the server's `Finished` with those of application traffic.
    Transcript(Hash),
    /// Not known: only opening a record tells.
    Unknown,
}

/// The bytes of a secret: zeroised when dropped, and never printed. They stay where they are when it is moved, so that no
/// copy is left behind by what grows around it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes {
    bytes: Box<[u8; MAX_SECRET]>,
    len: u8,
}

impl SecretBytes {
    /// A secret with these bytes; `None` when there are none, or more than [`MAX_SECRET`].
    pub fn new(secret: &[u8]) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        let mut bytes = Box::new([0; MAX_SECRET]);
        bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(Self {
            bytes,
            len: secret.len() as u8,
        })
    }

    /// A secret of `len` bytes (at most [`MAX_SECRET`]) that `fill` writes. `None` when it fails.
    pub(crate) fn filled<E>(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Option<Self> {
        let mut secret = Self {
            bytes: Box::new([0; MAX_SECRET]),
            len: u8::try_from(len).ok()?,
        };
        fill(secret.bytes.get_mut(..len)?).ok()?;
        Some(secret)
    }

    /// The bytes. Whoever copies them zeroises the copy.
    pub fn expose(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(secret of {} bytes)", self.len)
    }
}

/// A secret that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Which of a handshake's secrets it is.
    pub label: Label,
    /// Whose handshake.
    pub of: Handshake,
    /// The secret.
    pub bytes: SecretBytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret {
            label: Label::Master,
            of: Handshake::Unknown,
            bytes: SecretBytes::new(&[0xAB; 48]).expect("48 bytes"),
        };
        assert_eq!(
            format!("{secret:?}"),
            "Secret { label: Master, of: Unknown, bytes: (secret of 48 bytes) }"
        );
    }

    #[test]
    fn a_secret_has_one_to_sixty_four_bytes() {
        assert_eq!(SecretBytes::new(&[]), None);
        assert_eq!(SecretBytes::new(&[1; 64]).expect("64 bytes").expose(), [1; 64]);
        assert_eq!(SecretBytes::new(&[1; 65]), None);
    }

    #[test]
    fn a_transcript_hash_has_32_or_48_bytes() {
        assert_eq!(Hash::new(&[7; 32]).expect("32 bytes").bytes(), [7; 32]);
        assert_eq!(Hash::new(&[7; 48]).expect("48 bytes").bytes(), [7; 48]);
        assert_eq!(Hash::new(&[7; 20]), None);
        assert_eq!(Hash::new(&[7; 64]), None);
    }
}

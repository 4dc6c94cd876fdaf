//! Records of the probe at TLS libraries, one in its ring for each secret, and its counters.
//!
//! A probe stands where a handshake derives its secrets (user space, `uprobe`). It reads what the function was given, and
//! copies the secret with what tells whose handshake it is of. Nothing else of a process is read.

/// Most bytes of a secret and of its context: the longest hash of a TLS cipher suite has 48, and 64 leave room for one
/// of SHA-512.
pub const SECRET_BYTES: usize = 64;

/// Bytes of [`SecretRecord`].
pub const SECRET_RECORD_BYTES: usize = size_of::<SecretRecord>();

/// Processes whose secrets may be taken at the same time: the entries of the map of selected processes.
pub const MAX_SECRET_PROCESSES: u32 = 16 * 1024;

/// Number of [`SecretCounter`]s.
pub const SECRET_COUNTERS: usize = SecretCounter::Incomplete as usize + 1;

/// Which function a probe stands at, and so where its arguments are. Each has a kernel program of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum HookKind {
    /// `EVP_KDF_derive(ctx, out, length, const OSSL_PARAM *)` of OpenSSL 3 and later.
    OpenSslKdf = 1,
    /// The internal function that writes lines of the NSS key log, `(ssl, label, secret, length)`: OpenSSL 1.1.1,
    /// `BoringSSL`, `GnuTLS`.
    KeyLogHelper = 2,
    /// Go's `crypto/tls.(*Config).writeKeyLog(label string, clientRandom, secret []byte)`.
    GoKeyLog = 3,
    /// `HKDF_expand(out, length, digest, prk, prk_length, info, info_length)` of AWS-LC.
    AwsLcHkdf = 4,
    /// The PRF of TLS 1.2 in AWS-LC, `CRYPTO_tls1_prf(digest, out, length, secret, secret_length, label, label_length, seed,
    /// seed_length, ...)`; what it calls for each hash, `tls1_P_hash`, has all but the first three in the same places.
    AwsLcPrf = 5,
}

impl HookKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::OpenSslKdf,
        Self::KeyLogHelper,
        Self::GoKeyLog,
        Self::AwsLcHkdf,
        Self::AwsLcPrf,
    ];

    /// The kind with this number in a record.
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::OpenSslKdf),
            2 => Some(Self::KeyLogHelper),
            3 => Some(Self::GoKeyLog),
            4 => Some(Self::AwsLcHkdf),
            5 => Some(Self::AwsLcPrf),
            _ => None,
        }
    }

    /// How the secrets are had, in words for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenSslKdf | Self::AwsLcHkdf | Self::AwsLcPrf => "key derivation",
            Self::KeyLogHelper | Self::GoKeyLog => "key log function",
        }
    }
}

/// Which secret a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum SecretLabel {
    /// None: a process that is not selected called the function for the first time. Neither secret nor context is set.
    Stranger = 0,
    /// `CLIENT_EARLY_TRAFFIC_SECRET` (RFC 8446 section 7.1: `c e traffic`).
    ClientEarlyTraffic = 1,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`.
    ClientHandshakeTraffic = 2,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`.
    ServerHandshakeTraffic = 3,
    /// `CLIENT_TRAFFIC_SECRET_0`.
    ClientTraffic0 = 4,
    /// `SERVER_TRAFFIC_SECRET_0`.
    ServerTraffic0 = 5,
    /// `CLIENT_RANDOM`: the master secret of TLS 1.2.
    Master = 6,
    /// The Handshake Secret of TLS 1.3, which `s hs traffic` is derived from; the context is the transcript hash of
    /// `ClientHello` to `ServerHello`.
    HandshakeSecret = 7,
    /// The Early Secret of TLS 1.3, which `c e traffic` is derived from; the context is the hash of `ClientHello`.
    EarlySecret = 8,
}

impl SecretLabel {
    /// The label with this number in a record.
    pub const fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Stranger,
            1 => Self::ClientEarlyTraffic,
            2 => Self::ClientHandshakeTraffic,
            3 => Self::ServerHandshakeTraffic,
            4 => Self::ClientTraffic0,
            5 => Self::ServerTraffic0,
            6 => Self::Master,
            7 => Self::HandshakeSecret,
            8 => Self::EarlySecret,
            _ => return None,
        })
    }
}

/// One secret. Numbers are in host byte order. No `Debug`: it must not be printed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SecretRecord {
    /// When it was derived: nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// The process, as the initial PID namespace numbers it.
    pub process: u32,
    /// The [`HookKind`].
    pub kind: u32,
    /// The [`SecretLabel`].
    pub label: u32,
    /// Bytes of `secret` that are meant, at most [`SECRET_BYTES`].
    pub secret_length: u32,
    /// Bytes of `context` that are meant, likewise; 0 where the function is not told whose handshake it is.
    pub context_length: u32,
    /// Zero.
    pub reserved: u32,
    /// The secret.
    pub secret: [u8; SECRET_BYTES],
    /// The transcript hash with [`SecretLabel::HandshakeSecret`] and [`SecretLabel::EarlySecret`], else the client's
    /// random (32 bytes).
    pub context: [u8; SECRET_BYTES],
}

impl SecretRecord {
    /// Nothing, with which a record begins: no byte of the ring's memory is left as it was.
    pub const EMPTY: Self = Self {
        time: 0,
        process: 0,
        kind: 0,
        label: 0,
        secret_length: 0,
        context_length: 0,
        reserved: 0,
        secret: [0; SECRET_BYTES],
        context: [0; SECRET_BYTES],
    };

    /// Reads a record as it stands in the ring. `None` when it is shorter, or says that it has more than fits.
    pub fn read(record: &[u8]) -> Option<Self> {
        let (head, rest) = record.split_at_checked(32)?;
        let (secret, rest) = rest.split_first_chunk::<SECRET_BYTES>()?;
        let context = rest.first_chunk::<SECRET_BYTES>()?;
        let word = |at: usize| {
            let bytes = head.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        let read = Self {
            time: u64::from_ne_bytes(*head.first_chunk::<8>()?),
            process: word(8)?,
            kind: word(12)?,
            label: word(16)?,
            secret_length: word(20)?,
            context_length: word(24)?,
            reserved: word(28)?,
            secret: *secret,
            context: *context,
        };
        let fits = |length: u32| length as usize <= SECRET_BYTES;
        (fits(read.secret_length) && fits(read.context_length)).then_some(read)
    }

    /// The bytes of the secret.
    pub fn secret(&self) -> &[u8] {
        self.secret.get(..self.secret_length as usize).unwrap_or_default()
    }

    /// The bytes of the context.
    pub fn context(&self) -> &[u8] {
        self.context
            .get(..self.context_length as usize)
            .unwrap_or_default()
    }
}

/// Fates of the calls that a probe saw; each ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SecretCounter {
    /// A secret was put in the ring.
    Taken,
    /// The process is not selected.
    OtherProcess,
    /// The derived value is no secret that opens records (an IV, an exporter's, `finished`).
    OtherLabel,
    /// The ring was full: a secret is lost.
    RingFull,
    /// The arguments, or what they point to, could not be read: a secret may be lost.
    Unreadable,
    /// The secret or its context is longer than [`SECRET_BYTES`]: it is lost.
    TooLong,
    /// The secret, or what tells whose handshake it is of, is not among the arguments: it is lost.
    Incomplete,
}

impl SecretCounter {
    /// All counters, in the order of their values.
    pub const ALL: [Self; SECRET_COUNTERS] = [
        Self::Taken,
        Self::OtherProcess,
        Self::OtherLabel,
        Self::RingFull,
        Self::Unreadable,
        Self::TooLong,
        Self::Incomplete,
    ];

    /// The name in the ledger and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taken => "secrets_taken",
            Self::OtherProcess => "secrets_other_process",
            Self::OtherLabel => "secrets_other_label",
            Self::RingFull => "secrets_ring_full",
            Self::Unreadable => "secrets_unreadable",
            Self::TooLong => "secrets_too_long",
            Self::Incomplete => "secrets_incomplete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> [u8; SECRET_RECORD_BYTES] {
        let mut record = [0; SECRET_RECORD_BYTES];
        record[0..8].copy_from_slice(&7_u64.to_ne_bytes());
        for (at, word) in [(8, 4711), (12, 1), (16, 7), (20, 48), (24, 32)] {
            record[at..at + 4].copy_from_slice(&u32::to_ne_bytes(word));
        }
        record[32..80].fill(0xAA);
        record[96..128].fill(0xBB);
        record
    }

    #[test]
    fn a_secret_reads_back_as_it_was_laid_out() {
        assert_eq!(SECRET_RECORD_BYTES, 160);
        let read = SecretRecord::read(&record()).unwrap();
        assert_eq!((read.time, read.process), (7, 4711));
        assert_eq!(HookKind::of(read.kind), Some(HookKind::OpenSslKdf));
        assert_eq!(SecretLabel::of(read.label), Some(SecretLabel::HandshakeSecret));
        assert_eq!(read.secret(), [0xAA; 48]);
        assert_eq!(read.context(), [0xBB; 32]);
    }

    #[test]
    fn a_secret_longer_than_its_room_is_refused() {
        let mut long = record();
        long[20..24].copy_from_slice(&65_u32.to_ne_bytes());
        assert!(SecretRecord::read(&long).is_none());
        assert!(SecretRecord::read(&record()[..SECRET_RECORD_BYTES - 1]).is_none());
    }

    #[test]
    fn kinds_labels_and_counters_are_complete_and_in_order() {
        for kind in HookKind::ALL {
            assert_eq!(HookKind::of(kind as u32), Some(kind));
        }
        for number in 0..=8 {
            assert_eq!(SecretLabel::of(number).map(|label| label as u32), Some(number));
        }
        assert!(SecretLabel::of(9).is_none() && HookKind::of(0).is_none());
        for (index, counter) in SecretCounter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, index);
        }
    }
}

//! Events of opening a connection, and reasons why one cannot be opened.

use shadow_tcp::{Chunk, Direction, GapCause};

/// Content of one connection's TLS.
#[derive(Clone, Copy, Debug)]
pub enum TlsEvent<'a> {
    /// Plaintext of one record, in order; never empty. [`Chunk::sequence`] is such that the sequence number behind its last
    /// byte is the one behind the record on the wire; the acknowledgment and the time are those of the segment that
    /// completed the record; each begins a segment.
    Data(Direction, Chunk<'a>),
    /// Plaintext is missing for good: so many bytes, or [`u64::MAX`] when that is not known, as it never is in TLS 1.3: how
    /// much of a record is padding is known to who opens it.
    Gap(Direction, u64, GapCause),
    /// The direction has ended: by `close_notify`, a fatal alert, or FIN behind its last record.
    Finished(Direction),
    /// The application protocol that the server chose (RFC 7301), as it is registered (`h2`). Told once, before data of
    /// the server.
    Alpn(&'a [u8]),
    /// Nothing more comes of either direction. Told once, last but for [`TlsEvent::RecordLost`].
    Unreadable(Unreadable),
    /// So many records could not be opened though the secrets are known: they, or a part of them, were not captured, or
    /// not as they were sent. Each stands behind a [`TlsEvent::Gap`].
    RecordLost(Direction, u64),
}

/// Why a connection cannot be opened, or not any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// No secret of it can be expected: it was open before its handshake could be seen, or nothing came in time of
    /// whoever serves it.
    NoSecret,
    /// The handshake was seen and a secret was to be expected, but it did not come in time, or within the bytes that may
    /// wait for it.
    SecretLost,
    /// A part of the handshake was not captured, and without it the secrets that are there open nothing.
    HandshakeLost,
    /// A cipher suite or version that is not opened: CBC, CCM, TLS before 1.2.
    Cipher,
    /// No TLS, or such as its receiver refuses too.
    Malformed,
    /// TLS 1.2 began a second handshake inside the first.
    Renegotiated,
    /// The memory budget had no room for what its handshake or its secrets were waited for with.
    Memory,
}

impl Unreadable {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NoSecret,
        Self::SecretLost,
        Self::HandshakeLost,
        Self::Cipher,
        Self::Malformed,
        Self::Renegotiated,
        Self::Memory,
    ];

    /// The name in the ledger and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSecret => "tls_no_secret",
            Self::SecretLost => "tls_secret_lost",
            Self::HandshakeLost => "tls_handshake_lost",
            Self::Cipher => "tls_cipher",
            Self::Malformed => "tls_malformed",
            Self::Renegotiated => "tls_renegotiated",
            Self::Memory => "tls_memory",
        }
    }
}

//! HTTPS in production's place: a certificate, servers of many TLS stacks, and clients that speak it.
//!
//! Every [`Stack`] answers any request and logs it as the tests' nginx does, so that its log is an [`AccessLog`] that the
//! shadow's is compared with. What is not Debian's is pinned and installed once for a machine, as
//! [`applications`](crate::applications) are; Go's server is built from `tests/fixtures/tls/go`. Clients: [`https`] (curl) and
//! [`SClient`] (openssl); [`Wrk`](crate::Wrk) takes an `https` URL as it is. What went over the wire becomes a file with its
//! secrets by [`trace`].

mod certificate;
pub mod https;
mod s_client;
mod server;
mod stack;
pub mod trace;

pub use certificate::Certificate;
pub use s_client::SClient;
pub use server::Https;
pub use stack::Stack;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    /// As nginx and openssl's clients print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

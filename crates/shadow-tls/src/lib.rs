//! TLS without IO: ordered bytes of both directions and the secrets of a handshake in, plaintext and gaps out.
#![forbid(unsafe_code)]

mod event;
mod key_log;
mod limits;
mod secret;
mod session;
mod store;

pub use event::{TlsEvent, Unreadable};
pub use key_log::{KeyLog, KeyLogCounts};
pub use limits::{SessionLimits, StoreLimits};
pub use secret::{Handshake, Hash, Label, MAX_SECRET, Secret, SecretBytes};
pub use session::Session;
pub use store::{SecretStore, StoreCounts};

//! TLS without IO: ordered bytes of both directions and the secrets of a handshake in, plaintext and gaps out.
//!
//! It reads along; it is no peer, and checks no certificate. What it is given is hostile: each length is checked, what is
//! kept is charged to the [`MemoryBudget`](shadow_core::budget::MemoryBudget) and bounded besides, and a record is plaintext
//! only when its tag says so.
//!
//! A chunk's way: [`Session`] hands it to its direction (`lane`), which cuts it into records wherever segments were cut and
//! finds the place again behind lost bytes. Hellos (`hello`, out of `messages`) say how records are protected (`handshake`,
//! `tls13`); protected ones (`sealed`) are opened under the key of their stage (`opener`, `record`) that follows from a
//! secret ([`SecretStore`]) by the `schedule`. Records that come before their secret wait (`pending`).
#![forbid(unsafe_code)]

mod event;
mod handshake;
mod hello;
mod key_log;
mod lane;
mod limits;
mod messages;
mod opener;
mod pending;
mod record;
mod schedule;
mod sealed;
mod secret;
mod session;
mod store;
mod suite;
#[cfg(test)]
mod tests;
mod tls13;
mod work;

pub use event::{TlsEvent, Unreadable};
pub use key_log::{KeyLog, KeyLogCounts};
pub use limits::{SessionLimits, StoreLimits};
pub use secret::{Handshake, Hash, Label, MAX_SECRET, Secret, SecretBytes};
pub use session::Session;
pub use store::{SecretStore, StoreCounts};

//! Where messages come from that were not captured on a connection: recordings, other agents, or nothing but a clock.
//!
//! A source runs on a shard's thread, as a ring or a capture file does: it says which message is next and when, and
//! the shard takes it as if it had been captured ([`crate::mirror::Shard::take`]).

mod dummy;
mod file;
pub mod http;
mod settings;
pub mod silence;
mod tcp;
mod tls;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::Value;

use self::dummy::Dummy;
use self::file::FileSource;
pub use self::file::dry_run;
use self::http::HttpInput;
pub use self::settings::{
    FileInputSettings, HttpInputSettings, MessageInput, Pace, ServerTls, TcpInputSettings,
};
use self::tcp::TcpInput;
use crate::mirror::Message;

/// The next message, or `None` when there will be no more.
pub type Next<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Option<Message>>> + 'a>>;

/// A source of messages. Made on one thread and used on another, inside a tokio `LocalRuntime`.
pub trait MessageSource: Send {
    /// Waits for the next message. To be asked again means that the one before was taken: it is counted, and offered to
    /// its outputs. The future may be dropped at the end of the run only.
    fn next(&mut self) -> Next<'_>;

    /// Whether it may be held up until outputs have room, so that nothing need be dropped for a full queue.
    fn can_wait(&self) -> bool {
        false
    }

    /// Nothing more is asked for. What it holds open is closed; who waits for an answer gets it.
    fn end(&mut self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// How far it is, where it knows; asked once, before the first message.
    fn progress(&self) -> Option<Arc<Progress>> {
        None
    }

    /// Counts besides requests, for the ledger; null for none.
    fn report(&self) -> Value {
        Value::Null
    }
}

/// How far a source is that has an end.
#[derive(Debug, Default)]
pub struct Progress {
    /// All there is, in bytes of its files.
    pub total: u64,
    /// Bytes read of it.
    pub read: AtomicU64,
}

impl Progress {
    /// The part that is done, from 0 to 1.
    pub fn done(&self) -> f64 {
        let read = self.read.load(Relaxed).min(self.total);
        read as f64 / self.total.max(1) as f64
    }
}

/// An input that is open.
pub enum Opened {
    /// It has whole messages.
    Messages(Box<dyn MessageSource>),
    /// It has the bytes of clients, who want to be answered.
    Http(HttpInput),
}

/// Opens an input. What can be known to be wrong is an error here.
///
/// # Errors
///
/// Where a file cannot be opened or is no recording, a port cannot be listened at, or a certificate cannot be read.
pub fn open(input: &MessageInput) -> anyhow::Result<Opened> {
    Ok(match input {
        MessageInput::Dummy => Opened::Messages(Box::new(Dummy::default())),
        MessageInput::File(settings) => Opened::Messages(Box::new(FileSource::open(settings)?)),
        MessageInput::Tcp(settings) => Opened::Messages(Box::new(TcpInput::open(settings)?)),
        MessageInput::Http(settings) => Opened::Http(HttpInput::open(settings)?),
    })
}

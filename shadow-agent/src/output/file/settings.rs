//! Options of `--output-file`.

use std::time::Duration;

use crate::recording::{Compression, Expected, Format};

/// One `--output-file` with the flags that apply to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutputSettings {
    /// As typed, for messages and the ledger.
    pub name: String,
    /// The same made absolute, since the working directory may change.
    pub template: String,
    /// How records are written.
    pub format: Format,
    /// How files are compressed.
    pub compression: Compression,
    /// Whether the file is appended to rather than numbered.
    pub append: bool,
    /// Bytes of a chunk after which the next begins.
    pub size_limit: u64,
    /// Messages of a chunk after which the next begins; 0: any number.
    pub queue_limit: u64,
    /// Bytes that are written in all, before compression.
    pub max_size: u64,
    /// How long what is to be compressed may wait for more.
    pub flush_interval: Duration,
    /// Bytes that may wait for the writer.
    pub queue_bytes: usize,
    /// Which responses are put together with their requests, where the format has exchanges.
    pub expected: Expected,
}

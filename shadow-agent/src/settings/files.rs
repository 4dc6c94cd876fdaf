//! Recordings: what is written and what is replayed.

use std::path::PathBuf;
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

/// One `--input-file` with the flags that apply to it.
#[derive(Clone, Debug, PartialEq)]
pub struct FileInputSettings {
    /// The pattern as typed.
    pub pattern: String,
    /// The files it stands for, in the order of their chunks; at least one.
    pub files: Vec<PathBuf>,
    /// When each record is due.
    pub pace: Pace,
    /// Whether it begins again at its end.
    pub repeat: bool,
    /// Records of one file that are put in the order of their times.
    pub read_depth: usize,
    /// Longest wait from one record to the next.
    pub max_wait: Option<Duration>,
    /// Bytes that one record may have.
    pub max_record: usize,
}

/// When a recording's messages are due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// At the times they were recorded, so many times as fast.
    Speed(f64),
    /// So many requests a second.
    Rate(f64),
    /// As fast as the outputs take them.
    Max,
}

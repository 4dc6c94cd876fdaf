//! The flags of recordings that are written.

use std::time::Duration;

use clap::Args;

use crate::cli::value::{positive_duration, positive_size, size};

/// Recordings, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output files (each --output-file)")]
pub struct OutputFile {
    /// Write requests to files, with responses where they are captured; may be repeated
    ///
    /// The end of the name says how: .har as HTTP Archive, .jsonl or .ndjson as a JSON object a line, all else as
    /// GoReplay's records; .gz or .zst behind it compresses. Files are numbered: requests.gor becomes requests_0.gor,
    /// requests_1.gor and so on, behind those that are there. In the name stand for themselves: %Y %m %d %H %M %S local
    /// time, %NS nanoseconds, %i eight letters of this run, %r the exchange's id (a file for each), %t its type (1
    /// request, 2 response, 3 the shadow's). Files are readable for their owner alone: they hold what users sent. The
    /// headers of credentials are redacted (--http-redact-header).
    #[arg(long, value_name = "NAME")]
    pub output_file: Vec<String>,

    /// Append to a file of the very name, without a number
    ///
    /// What is there stays. Behind a last record that was cut off a fresh one begins.
    #[arg(long)]
    pub output_file_append: bool,

    /// Size of a file at which the next begins
    ///
    /// A record is never split, so that a file may be larger by one. The default is GoReplay's.
    #[arg(long, value_name = "SIZE", default_value = "32mb", value_parser = positive_size)]
    pub output_file_size_limit: usize,

    /// Messages of a file at which the next begins; 0: any number
    ///
    /// The default is GoReplay's.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub output_file_queue_limit: u64,

    /// Bytes written in all (before compression), beyond which messages are dropped and counted
    ///
    /// The default is GoReplay's: it keeps a forgotten agent from filling a large disk for ever.
    #[arg(long, value_name = "SIZE", default_value = "1tb", value_parser = size)]
    pub output_file_max_size_limit: usize,

    /// How long records may wait to be compressed together
    ///
    /// So much can be lost in a crash of the machine or the agent. Files that are not compressed are written at once.
    /// The default is GoReplay's.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = positive_duration)]
    pub output_file_flush_interval: Duration,

    /// Bytes of records that may wait for the disk
    ///
    /// When it is slower, records are dropped and counted rather than held. They are held beside --max-memory. The
    /// default is that of an HTTP output, and holds a second of 64 MB/s.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_file_queue_size: usize,
}

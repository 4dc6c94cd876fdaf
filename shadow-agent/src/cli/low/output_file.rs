//! The flags of recordings that are written.

use std::time::Duration;

use clap::Args;

use crate::cli::value::{positive_duration, positive_size, size};

/// Recording flags, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "File output (each --output-file)")]
pub struct OutputFile {
    /// Record requests and responses to files; may be repeated
    ///
    /// Responses are recorded if they are captured (--input-raw-track-response). The extension selects the format: .har for HTTP Archive, .jsonl or .ndjson for a JSON object per line, anything else
    /// for GoReplay's records; a further .gz or .zst compresses. Files are numbered: requests.gor becomes requests_0.gor,
    /// requests_1.gor and so on, continuing after existing ones. Placeholders in the name: %Y %m %d %H %M %S local time,
    /// %NS nanoseconds, %i eight letters identifying this run, %r the exchange's id (one file for each), %t the message
    /// type (1 request, 2 response, 3 response of the shadow). Only their owner can read the files, since they hold user
    /// data. Headers with credentials are redacted (--http-redact-header).
    #[arg(long, value_name = "NAME")]
    pub output_file: Vec<String>,

    /// Append to a file of exactly this name, without a number
    ///
    /// Existing content is kept. If its last record is incomplete, a new one starts after it.
    #[arg(long)]
    pub output_file_append: bool,

    /// Start a new file at this size
    ///
    /// Records are never split, so a file may be larger by one record. The default is GoReplay's.
    #[arg(long, value_name = "SIZE", default_value = "32mb", value_parser = positive_size)]
    pub output_file_size_limit: usize,

    /// Start a new file after this many messages; 0 for no limit
    ///
    /// The default is GoReplay's.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub output_file_queue_limit: u64,

    /// Most bytes to write in total, before compression; further messages are dropped and counted
    ///
    /// The default is GoReplay's: it stops a forgotten agent from filling a large disk.
    #[arg(long, value_name = "SIZE", default_value = "1tb", value_parser = size)]
    pub output_file_max_size_limit: usize,

    /// How often compressed files are flushed
    ///
    /// A crash of the machine or the agent loses at most this much. Uncompressed files are written immediately. The default
    /// is GoReplay's.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = positive_duration)]
    pub output_file_flush_interval: Duration,

    /// Size of the queue for the disk
    ///
    /// When it is full, records are dropped and counted. It is not part of --max-memory. The default is that of an HTTP
    /// output, and holds a second at 64 MB/s.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_file_queue_size: usize,
}

//! The flags of recordings that are replayed.

use std::time::Duration;

use clap::Args;

use crate::cli::value::{positive_duration, positive_number};

/// Recordings, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "File input (each --input-file)")]
pub struct InputFile {
    /// Replay recordings; may be repeated
    ///
    /// Files of --output-file, of GoReplay, or HAR. The name is a pattern (*, ?, [a-z]); matching
    /// files are merged by time. The format (also .gz and .zst) is detected from the content. A
    /// pipe (/dev/stdin, or one made by mkfifo) is read as it is written.
    ///
    /// After a | comes the speed:
    ///   |200%, |2x   twice as fast as recorded, |0.5x half as fast
    ///   |max         as fast as the outputs accept requests
    ///   |100         as recorded, but at most 100 requests per second; the rest are skipped
    /// By default as recorded: a recording of a minute takes a minute, and outputs that cannot
    /// keep up drop requests and count them; with |max the replay waits for them. The run ends
    /// after the last record.
    #[arg(long, value_name = "PATTERN[|SPEED]", verbatim_doc_comment)]
    pub input_file: Vec<String>,

    /// Replay at this constant rate (requests per second), ignoring recorded times; such as 100 or 0.5
    ///
    /// Applies to each --input-file separately, and cannot be combined with a speed after |. No request is skipped.
    #[arg(long, value_name = "N", value_parser = positive_number)]
    pub input_file_rate: Option<f64>,

    /// Start again after the last record, until the agent is stopped
    #[arg(long)]
    pub input_file_loop: bool,

    /// Number of records read ahead of each file to sort them by time
    ///
    /// Records are written when messages end, so they can be out of order by as many messages as were in flight. The
    /// default is GoReplay's.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub input_file_read_depth: u32,

    /// Print what a replay would do (records, bytes, waits, duration) and send nothing
    #[arg(long)]
    pub input_file_dry_run: bool,

    /// Longest wait between two records
    ///
    /// Shortens pauses in a recording. By default waits are as long as recorded.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub input_file_max_wait: Option<Duration>,
}

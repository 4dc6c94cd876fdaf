//! The flags of recordings that are replayed.

use std::time::Duration;

use clap::Args;

use crate::cli::value::{positive_duration, positive_number};

/// Recordings, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
pub struct InputFile {
    /// Replay recordings: files of --output-file, of GoReplay, or HAR; may be repeated
    ///
    /// The name is a pattern (*, ?, [a-z]); all its files are merged by time. What they are (also .gz and .zst) is told
    /// by their first bytes. A pipe (/dev/stdin, or one made by mkfifo) is read as it is written. Behind a | stands how fast:
    ///   |200%, |2x   twice as fast as recorded, |0.5x half as fast
    ///   |max         as fast as the outputs take them
    ///   |100         as recorded, but at most 100 requests a second: what is above is left out
    /// By default as recorded. Each message is sent at its offset from the first: a recording of a minute takes a
    /// minute, and outputs that cannot follow drop and count; with |max they are waited for. The run ends behind the
    /// last record.
    #[arg(long, value_name = "PATTERN[|SPEED]", verbatim_doc_comment)]
    pub input_file: Vec<String>,

    /// Send so many requests a second, evenly, whatever their times; such as 100 or 0.5
    ///
    /// Each --input-file has this rate for itself, and no speed behind it. Nothing is left out: a recording of many
    /// requests takes long.
    #[arg(long, value_name = "N", value_parser = positive_number)]
    pub input_file_rate: Option<f64>,

    /// Begin again behind the last record, until the run is ended
    #[arg(long)]
    pub input_file_loop: bool,

    /// Records of each file that are read ahead and put in the order of their times
    ///
    /// Writers end records when messages do, so that times are out of order by as many messages as are under way. The
    /// default is GoReplay's.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub input_file_read_depth: u32,

    /// Only tell what a replay would be: records, bytes, waits, time; send nothing
    #[arg(long)]
    pub input_file_dry_run: bool,

    /// Longest wait from one record to the next
    ///
    /// By default waits are as long as recorded. A recording of a quiet night takes no night with it.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub input_file_max_wait: Option<Duration>,
}

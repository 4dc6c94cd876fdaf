//! Flags of logging while it runs.

use std::time::Duration;

use clap::Args;

/// Log flags, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Log")]
pub struct StatsFlags {
    /// Log statistics every 5 s
    ///
    /// One line on standard error, even if that is not a terminal: requests per second, outcomes since the start, and queue
    /// length.
    #[arg(long)]
    pub stats: bool,

    /// Log statistics of each --output-http
    ///
    /// One line for each: its rate, drops by reason, queue and latencies.
    #[arg(long)]
    pub output_http_stats: bool,

    /// Milliseconds between the lines of --output-http-stats
    ///
    /// The default is GoReplay's.
    #[arg(long, value_name = "N", default_value = "5000", value_parser = milliseconds)]
    pub output_http_stats_ms: Duration,

    /// Log more: 1 for debug messages, 2 for trace messages
    ///
    /// The default is 0, what an operator should know. RUST_LOG overrides it.
    #[arg(long, value_name = "N", num_args = 0..=1, default_value_t = 0, default_missing_value = "1", hide_default_value = true)]
    pub verbose: u8,
}

/// Milliseconds, from 100 to a day.
fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(milliseconds @ 100..=86_400_000) => Ok(Duration::from_millis(milliseconds)),
        _ => Err("must be from 100 to 86400000 milliseconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_ten_times_a_second_at_most() {
        assert_eq!(milliseconds("100"), Ok(Duration::from_millis(100)));
        assert_eq!(milliseconds("86400000"), Ok(Duration::from_hours(24)));
        for text in ["99", "86400001", "-1", "5s", ""] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }
}

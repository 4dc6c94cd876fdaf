//! The two loads that every variant is measured under.

use std::net::SocketAddr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{pace, wrk};

/// Requests a second of the fixed rate.
pub const RATE: u32 = 5_000;

/// A load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// As much as goes: wrk, a closed loop.
    FlatOut,
    /// [`RATE`], an open loop.
    FixedRate,
}

/// Everything a load generator has seen and used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LoadResult {
    /// Whole responses received.
    pub requests: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the latency in microseconds.
    pub p99_us: f64,
    /// Requests that failed, and answers that were not 2xx or 3xx.
    pub errors: u64,
    /// Processor time of the generator itself in microseconds.
    pub cpu_us: f64,
}

impl Load {
    /// Both.
    pub const ALL: [Load; 2] = [Load::FlatOut, Load::FixedRate];

    /// Loads `to` for so long.
    pub fn run(self, to: SocketAddr, seconds: u32) -> anyhow::Result<LoadResult> {
        match self {
            Load::FlatOut => wrk::run(to, seconds, None),
            Load::FixedRate => pace::start(to, RATE, seconds),
        }
    }

    /// Its name in the report.
    pub fn title(self) -> String {
        match self {
            Load::FlatOut => {
                format!(
                    "flat out (wrk, {} threads, {} connections)",
                    wrk::THREADS,
                    wrk::CONNECTIONS
                )
            }
            Load::FixedRate => format!("{RATE} requests/s (open loop, {} connections)", pace::CONNECTIONS),
        }
    }
}

impl LoadResult {
    /// Responses a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// Microseconds of the generator's processor time for a request.
    pub fn cpu_per_request(&self) -> f64 {
        self.cpu_us / self.requests as f64
    }
}

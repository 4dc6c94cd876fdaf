//! Flags of GoReplay that have no meaning here, and the line that each is answered with.

use super::Takes::{self, Nothing, Value};

/// A flag that is taken and does nothing.
#[derive(Debug)]
pub struct Accepted {
    /// Its name, without dashes.
    pub flag: &'static str,
    /// Whether a value follows.
    pub takes: Takes,
    /// Why it does nothing, and what does it instead.
    pub says: &'static str,
}

const fn accepted(flag: &'static str, takes: Takes, says: &'static str) -> Accepted {
    Accepted { flag, takes, says }
}

/// All of them. One line each: `--FLAG: LINE` is logged when it is typed, and stands in `docs/goreplay.md`.
#[rustfmt::skip]
pub const ACCEPTED: &[Accepted] = &[
    accepted("cpuprofile", Value, "no profile is written: perf record -p PID profiles the running agent"),
    accepted("http-pprof", Value, "no profile is served: perf record -p PID profiles the agent, and --http-listen serves /metrics"),
    accepted("memprofile", Value, "no profile is written: --max-memory bounds what is held, and --http-listen serves /metrics"),
    accepted("output-http-worker-timeout", Value, "there are no workers to end: a request under way costs a connection, not a thread"),
    accepted("output-http-workers-min", Value, "there are no workers to keep: --output-http-workers bounds the requests under way"),
    accepted("recognize-tcp-sessions", Nothing, "each output gets the requests of one connection in their order already"),
];

//! The load generator h2load of nghttp2: HTTP/1.1 and HTTP/2 with the same program.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;

use super::nginx::PAGE;
use super::process;
use crate::setup;

/// Connections it keeps open.
pub const CONNECTIONS: u32 = 8;
/// Requests of one connection that are under way at most: streams of HTTP/2.
pub const STREAMS: u32 = 100;

/// The protocol of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1, with a request at a time on each connection.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Its counts and its use of the processor.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Loaded {
    /// Requests that were answered with 2xx.
    pub requests: u64,
    /// Requests a second.
    pub rate: f64,
    /// Its own processor time for a request in microseconds.
    pub cpu_us: f64,
}

/// Sends `requests` requests: at `rate` a second over all connections, or as fast as it goes.
pub fn run(to: SocketAddr, protocol: Protocol, requests: u64, rate: Option<u32>) -> anyhow::Result<Loaded> {
    let mut command =
        Command::new(setup::program("h2load").context("h2load is not installed (nghttp2-client)")?);
    command.args(["-c", &CONNECTIONS.to_string(), "-n", &requests.to_string()]);
    match protocol {
        // Without pipelining, as clients are.
        Protocol::Http1 => command.args(["--h1", "-m", "1"]),
        Protocol::Http2 => command.args(["-p", "h2c", "-m", &STREAMS.to_string()]),
    };
    if let Some(rate) = rate {
        command.arg(format!("--rps={}", rate / CONNECTIONS));
    }
    command.arg(format!("http://{to}{PAGE}"));
    let ended = process::run("h2load", &mut command)?;
    let loaded = parse(&ended.stdout, ended.cpu)
        .with_context(|| format!("cannot read h2load's answer:\n{}", ended.stdout))?;
    if loaded.requests != requests {
        bail!(
            "production answered {} of {requests} requests:\n{}",
            loaded.requests,
            ended.stdout
        );
    }
    Ok(loaded)
}

fn parse(text: &str, cpu: Duration) -> Option<Loaded> {
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let rate = line("finished in ")?.split(", ").nth(1)?.strip_suffix(" req/s")?;
    let requests: u64 = line("status codes: ")?.split(' ').next()?.parse().ok()?;
    Some(Loaded {
        requests,
        rate: rate.parse().ok()?,
        cpu_us: cpu.as_secs_f64() * 1e6 / requests as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_prints_is_understood() {
        let text = "starting benchmark...
progress: 100% done

finished in 1.60s, 625.00 req/s, 1.25MB/s
requests: 1000 total, 1000 started, 1000 done, 999 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 999 2xx, 0 3xx, 1 4xx, 0 5xx
traffic: 1.0MB (1048576) total, 20.0KB (20480) headers (space savings 90.00%), 1.0MB (1024000) data
";
        let loaded = parse(text, Duration::from_millis(10)).expect("understood");
        assert_eq!(loaded.requests, 999);
        assert!((loaded.rate - 625.0).abs() < 1e-9 && (loaded.cpu_us - 10_000.0 / 999.0).abs() < 1e-9);
        assert!(parse("Could not connect", Duration::ZERO).is_none());
    }
}

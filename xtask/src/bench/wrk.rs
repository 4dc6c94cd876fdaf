//! The load generator wrk: flat out over keep-alive connections, a closed loop.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use super::load::LoadResult;
use super::nginx::PAGE;
use super::process;
use crate::setup;

/// Threads of wrk.
pub const THREADS: u32 = 2;
/// Connections it keeps open.
pub const CONNECTIONS: u32 = 64;

/// Loads `to` for so long; `request_bytes` pads each request to that size by a header field.
pub fn run(to: SocketAddr, seconds: u32, request_bytes: Option<usize>) -> anyhow::Result<LoadResult> {
    let mut command = Command::new(setup::program("wrk").context("wrk is not installed")?);
    command
        .arg("--latency")
        .args(["-t", &THREADS.to_string()])
        .args(["-c", &CONNECTIONS.to_string()])
        .args(["-d", &format!("{seconds}s")]);
    if let Some(bytes) = request_bytes {
        let bare = format!("GET {PAGE} HTTP/1.1\r\nHost: {to}\r\nX-Pad: \r\n\r\n").len();
        command.args([
            "-H",
            &format!("X-Pad: {}", "x".repeat(bytes.saturating_sub(bare))),
        ]);
    }
    command.arg(format!("http://{to}{PAGE}"));
    let ended = process::run("wrk", &mut command)?;
    parse(&ended.stdout, ended.cpu).with_context(|| format!("cannot read wrk's answer:\n{}", ended.stdout))
}

fn parse(text: &str, cpu: Duration) -> Option<LoadResult> {
    let line = |start: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(start).map(str::trim))
    };
    let (requests, took) = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))?;
    let socket_errors: u64 = line("Socket errors:").map_or(0, |counts| {
        counts
            .split([' ', ','])
            .filter_map(|word| word.parse::<u64>().ok())
            .sum()
    });
    let bad_answers: u64 = line("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.parse().ok())?;
    Some(LoadResult {
        requests: requests.parse().ok()?,
        seconds: duration(took.split(',').next()?)?,
        p50_us: duration(line("50%")?)? * 1e6,
        p99_us: duration(line("99%")?)? * 1e6,
        errors: socket_errors + bad_answers,
        cpu_us: cpu.as_secs_f64() * 1e6,
    })
}

/// Seconds of a time as wrk prints it: `612.00us`, `1.23ms`, `2.00s`, `1.10m`.
fn duration(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..unit].parse().ok()?;
    Some(match &text[unit..] {
        "us" => number * 1e-6,
        "ms" => number * 1e-3,
        "s" => number,
        "m" => number * 60.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_understood() {
        let text = "Running 10s test @ http://127.0.0.1:8081/
  2 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.00ms  200.00us  20.00ms   90.00%
    Req/Sec    27.00k     1.00k   30.00k    70.00%
  Latency Distribution
     50%  900.00us
     75%    1.20ms
     90%    1.50ms
     99%    2.25ms
  550123 requests in 10.00s, 600.00MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 4
Requests/sec:  55012.30
Transfer/sec:     60.00MB
";
        let result = parse(text, Duration::from_secs(5)).expect("understood");
        assert_eq!((result.requests, result.errors), (550_123, 7));
        assert!((result.seconds - 10.0).abs() < 1e-9);
        assert!((result.p99_us - 2250.0).abs() < 1e-6);
        assert!((result.rate() - 55_012.3).abs() < 1e-6);
        assert!((result.cpu_per_request() - 5_000_000.0 / 550_123.0).abs() < 1e-9);
    }

    #[test]
    fn something_else_is_not() {
        assert!(
            parse(
                "unable to connect to 127.0.0.1:8081 Connection refused",
                Duration::ZERO
            )
            .is_none()
        );
    }
}

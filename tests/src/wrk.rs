//! The load generator wrk: flat out, over keep-alive connections.

use std::time::Duration;

use crate::{Netns, process};

/// One run of wrk.
#[derive(Clone, Copy, Debug)]
pub struct Wrk {
    /// Its threads.
    pub threads: u32,
    /// Connections it keeps open.
    pub connections: u32,
    /// How long it runs.
    pub seconds: u64,
}

/// The figures of a run of wrk.
#[derive(Clone, Copy, Debug)]
pub struct WrkResult {
    /// Responses received.
    pub requests: u64,
    /// Responses a second.
    pub rate: f64,
    /// 99th percentile of the latency.
    pub p99: Duration,
    /// Socket errors and responses that were not 2xx or 3xx.
    pub errors: u64,
}

impl Wrk {
    /// Loads `url` from `netns`.
    pub fn run(&self, netns: &Netns, url: &str) -> WrkResult {
        let mut command = netns.command("wrk");
        command
            .arg("--latency")
            .args(["-t", &self.threads.to_string()])
            .args(["-c", &self.connections.to_string()])
            .args(["-d", &format!("{}s", self.seconds)])
            .arg(url);
        let text = process::check(&mut command);
        parse(&text).unwrap_or_else(|| panic!("cannot read wrk's answer:\n{text}"))
    }
}

fn parse(text: &str) -> Option<WrkResult> {
    let line = |start: &str| {
        text.lines()
            .map(str::trim)
            .find_map(|line| line.strip_prefix(start).map(str::trim))
    };
    let requests = text.lines().find_map(|line| {
        line.trim()
            .split_once(" requests in ")
            .map(|(n, _)| n.parse().ok())
    })??;
    let socket_errors: u64 = line("Socket errors:").map_or(0, |counts| {
        counts
            .split([' ', ','])
            .filter_map(|word| word.parse::<u64>().ok())
            .sum()
    });
    let bad_answers: u64 = line("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.parse().ok())?;
    Some(WrkResult {
        requests,
        rate: line("Requests/sec:")?.parse().ok()?,
        p99: duration(line("99%")?)?,
        errors: socket_errors + bad_answers,
    })
}

/// A time as wrk prints it: `612.00us`, `1.23ms`, `2.00s`, `1.10m`.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..unit].parse().ok()?;
    let seconds = match &text[unit..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_is_understood() {
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
        let result = parse(text).expect("understood");
        assert_eq!(result.requests, 550_123);
        assert!((result.rate - 55_012.3).abs() < 0.01);
        assert_eq!(result.p99, Duration::from_micros(2250));
        assert_eq!(result.errors, 7);
    }
}

//! The load generator of the fixed rate: an open loop over keep-alive connections.
//!
//! Every request has a scheduled time that does not depend on any answer, and its latency counts from then,
//! so that a stall of production is seen by all the requests that it delays (no coordinated omission). One
//! thread, one epoll, one timer: it is measured too, and it shares the machine with what it measures. It runs
//! as a process of its own so that its processor time can be told apart.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::load::LoadResult;
use super::nginx::PAGE;
use super::process;

/// Connections that the requests go round.
pub const CONNECTIONS: u32 = 64;

/// How long after the last scheduled time answers are waited for.
const GRACE: Duration = Duration::from_secs(2);

/// Epoll's token of the timer; the connections' are their indices.
const TIMER: u64 = u64::MAX;

/// Arguments of the process.
#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    to: SocketAddr,
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    #[arg(long)]
    seconds: u32,
}

/// Runs it as a process of its own.
pub fn start(to: SocketAddr, rate: u32, seconds: u32) -> anyhow::Result<LoadResult> {
    let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
    command.args([
        "bench",
        "pace",
        "--to",
        &to.to_string(),
        "--rate",
        &rate.to_string(),
    ]);
    command.args(["--seconds", &seconds.to_string()]);
    let ended = process::run("the paced load", &mut command)?;
    let mut result: LoadResult = serde_json::from_str(&ended.stdout)
        .with_context(|| format!("cannot read the paced load's answer: {}", ended.stdout))?;
    result.cpu_us = ended.cpu.as_secs_f64() * 1e6;
    Ok(result)
}

/// The process: loads, and prints what it has seen as JSON.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let result = Pace::new(arguments)?.run()?;
    println!("{}", serde_json::to_string(&result)?);
    Ok(())
}

struct Pace {
    connections: Vec<Connection>,
    epoll: Epoll,
    timer: TimerFd,
    request: Vec<u8>,
    interval: Duration,
    total: u32,
    latencies: Vec<Duration>,
    errors: u64,
}

struct Connection {
    stream: TcpStream,
    /// Scheduled times of requests that wait for the answer before them.
    waiting: VecDeque<Duration>,
    /// Scheduled time of the request under way.
    under_way: Option<Duration>,
    response: Vec<u8>,
}

impl Pace {
    fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        // Edge-triggered: setting the timer again makes a new edge, so that it need never be read.
        let edge = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll.add(timer.as_fd(), EpollEvent::new(edge, TIMER))?;
        let total = arguments.rate * arguments.seconds;
        let mut connections = Vec::new();
        for index in 0..CONNECTIONS {
            let connection = Connection::open(arguments.to)?;
            epoll.add(
                connection.stream.as_fd(),
                EpollEvent::new(EpollFlags::EPOLLIN, u64::from(index)),
            )?;
            connections.push(connection);
        }
        Ok(Self {
            connections,
            epoll,
            timer,
            request: format!("GET {PAGE} HTTP/1.1\r\nHost: {}\r\n\r\n", arguments.to).into_bytes(),
            interval: Duration::from_secs(1) / arguments.rate,
            total,
            latencies: Vec::with_capacity(total as usize),
            errors: 0,
        })
    }

    fn run(mut self) -> anyhow::Result<LoadResult> {
        let start = Instant::now();
        let end = self.interval * self.total + GRACE;
        let mut scheduled = 0;
        let mut events = [EpollEvent::empty(); 64];
        let mut timer_is_set_for = None;
        while self.latencies.len() as u64 + self.errors < u64::from(self.total) {
            let now = start.elapsed();
            while scheduled < self.total && self.interval * scheduled <= now {
                let connection = &mut self.connections[(scheduled % CONNECTIONS) as usize];
                connection.waiting.push_back(self.interval * scheduled);
                self.errors += connection.send(&self.request);
                scheduled += 1;
            }
            let next = if scheduled < self.total {
                self.interval * scheduled
            } else {
                end
            };
            if now >= end {
                break;
            }
            if timer_is_set_for != Some(next) {
                // Zero would turn the timer off.
                let wait = next.saturating_sub(start.elapsed()).max(Duration::from_nanos(1));
                self.timer.set(
                    Expiration::OneShot(TimeSpec::from_duration(wait)),
                    TimerSetTimeFlags::empty(),
                )?;
                timer_is_set_for = Some(next);
            }
            let ready = self.epoll.wait(&mut events, EpollTimeout::NONE)?;
            for event in &events[..ready] {
                let Some(connection) = self.connections.get_mut(event.data() as usize) else {
                    continue;
                };
                if let Some(due) = connection.receive()? {
                    self.latencies.push(start.elapsed().saturating_sub(due));
                    self.errors += connection.send(&self.request);
                }
            }
        }
        Ok(self.result(start.elapsed()))
    }

    fn result(mut self, took: Duration) -> LoadResult {
        self.latencies.sort_unstable();
        let answered = self.latencies.len() as u64;
        LoadResult {
            requests: answered,
            // Without the grace, unless answers came in it.
            seconds: took.max(self.interval * self.total).as_secs_f64(),
            p50_us: percentile(&self.latencies, 50).as_secs_f64() * 1e6,
            p99_us: percentile(&self.latencies, 99).as_secs_f64() * 1e6,
            errors: u64::from(self.total) - answered,
            cpu_us: 0.0,
        }
    }
}

impl Connection {
    fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            waiting: VecDeque::new(),
            under_way: None,
            response: Vec::with_capacity(4096),
        })
    }

    /// Sends the next waiting request if none is under way; gives the number of requests that failed.
    fn send(&mut self, request: &[u8]) -> u64 {
        if self.under_way.is_some() {
            return 0;
        }
        let Some(due) = self.waiting.pop_front() else {
            return 0;
        };
        // A request is far smaller than a socket's buffer, which is empty when none is under way.
        if self.stream.write(request).is_ok_and(|sent| sent == request.len()) {
            self.under_way = Some(due);
            return 0;
        }
        1
    }

    /// Reads what there is; gives the scheduled time of the request when its response is whole.
    fn receive(&mut self) -> anyhow::Result<Option<Duration>> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => bail!("production closed a connection"),
            Ok(count) => self.response.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("production reset a connection"),
        }
        match response_length(&self.response)? {
            Some(length) if length <= self.response.len() => {
                self.response.clear();
                Ok(self.under_way.take())
            }
            _ => Ok(None),
        }
    }
}

/// Length of the response that begins here; `None` while its head is not whole.
fn response_length(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes[..head]);
    if !text.starts_with("HTTP/1.1 200 ") {
        bail!("production answered: {}", text.lines().next().unwrap_or_default());
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    Ok(Some(
        head + 4 + length.context("production's answer has no length")?,
    ))
}

/// The value that so many percent of the sorted ones do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_response_is_whole_with_its_last_byte() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(response_length(response).expect("valid"), Some(response.len()));
        assert_eq!(response_length(&response[..30]).expect("valid"), None);
        assert!(response_length(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!(percentile(&values, 50), Duration::from_micros(100));
        assert_eq!(percentile(&values, 99), Duration::from_micros(198));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }

    #[test]
    fn a_stall_counts_for_every_request_it_delays() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = listener.local_addr().expect("its address");
        // Accepts every connection, answers nothing for 300 ms, then everything at once.
        std::thread::spawn(move || {
            let accepted: Vec<_> = (0..CONNECTIONS).map_while(|_| listener.accept().ok()).collect();
            std::thread::sleep(Duration::from_millis(300));
            for (mut stream, _) in accepted {
                std::thread::spawn(move || {
                    let mut chunk = [0; 4096];
                    while stream.read(&mut chunk).is_ok_and(|count| count > 0) {
                        if stream
                            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                            .is_err()
                        {
                            return;
                        }
                    }
                });
            }
        });
        let arguments = Arguments {
            to,
            rate: 200,
            seconds: 1,
        };
        let result = Pace::new(&arguments).and_then(Pace::run).expect("a result");
        assert_eq!((result.requests, result.errors), (200, 0));
        // The first was due 300 ms before its answer; the last were due after the stall.
        assert!(result.p99_us > 250_000.0, "{result:?}");
        assert!(result.p50_us < 250_000.0, "{result:?}");
    }
}

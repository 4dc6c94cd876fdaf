//! The cost of mirroring HTTP/2: the agent's processor time for a request by HTTP/1.1's and by h2load's own, what production
//! keeps of its throughput, and what is lost.
//!
//! Paired rounds, as those of the variants. Production and shadow are two nginx, each with a port for either protocol; the
//! load is h2load in both. Medians of the rounds' ratios.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use super::agent::{Agent, Ledger};
use super::h2load::{self, CONNECTIONS, Protocol, STREAMS};
use super::load::RATE;
use super::nginx::{Nginx, PAGE};
use super::process;
use super::sockets::{self, local};
use super::spread::middle;
use super::stage::Stage;

/// Requests a second that flat out is about, to know how many to send.
const FLAT_OUT: u32 = 40_000;

/// The shadow has everything once its count has not changed for so long.
const QUIET: Duration = Duration::from_millis(200);

/// The longest that is waited for.
const MAX_DRAIN: Duration = Duration::from_secs(20);

/// How fast requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// [`RATE`].
    Fixed,
    /// As fast as it goes.
    FlatOut,
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    protocol: Protocol,
    pace: Pace,
    mirrored: bool,
    round: u32,
    requests: u64,
    rate: f64,
    /// Microseconds a request.
    load_cpu_us: f64,
    /// Microseconds a request; zero without the agent.
    agent_cpu_us: f64,
    /// Requests that were answered and that the shadow did not get.
    lost: u64,
    ledger: Option<Ledger>,
}

/// The figures of this measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Http2 {
    runs: Vec<Run>,
}

/// The two servers.
struct Servers {
    _production: Nginx,
    shadow: Nginx,
}

/// Measures it.
pub fn measure(stage: &Stage, rounds: u32, seconds: u32) -> anyhow::Result<Http2> {
    let servers = Servers::start(stage.folder.path())?;
    let mut runs = Vec::new();
    for round in 0..rounds {
        for pace in [Pace::Fixed, Pace::FlatOut] {
            for turn in 0..4 {
                let which = (turn + round) % 4;
                let protocol = [Protocol::Http1, Protocol::Http2][which as usize / 2];
                let mirrored = which % 2 == 1;
                process::progress(&format!(
                    "HTTP/2, round {}/{rounds}: {}, {}, {}",
                    round + 1,
                    protocol.title(),
                    pace.title(),
                    if mirrored { "with the agent" } else { "alone" }
                ));
                runs.push(one(stage, &servers, (protocol, pace, mirrored), round, seconds)?);
            }
        }
    }
    Ok(Http2 { runs })
}

fn one(
    stage: &Stage,
    servers: &Servers,
    (protocol, pace, mirrored): (Protocol, Pace, bool),
    round: u32,
    seconds: u32,
) -> anyhow::Result<Run> {
    let (production, shadow) = protocol.ports();
    let agent = mirrored
        .then(|| {
            let output = format!("http://{}", local(shadow));
            let flags = ["--output-http".to_owned(), output];
            Agent::start(stage, &format!(":{production}"), &flags)
                .with_context(|| format!("mirroring {}", protocol.title()))
        })
        .transpose()?;
    let cpu = |agent: &Option<Agent>| -> anyhow::Result<Duration> {
        Ok(agent.as_ref().map(Agent::cpu).transpose()?.unwrap_or_default())
    };
    let (count, rate) = match pace {
        Pace::Fixed => (RATE, Some(RATE)),
        Pace::FlatOut => (FLAT_OUT, None),
    };
    let (before, shadow_before) = (cpu(&agent)?, servers.shadow.counts()?);
    let load = h2load::run(
        local(production),
        protocol,
        u64::from(count) * u64::from(seconds),
        rate,
    )?;
    let got = servers.wait_until_quiet()?.since(shadow_before).requests;
    let agent_cpu = cpu(&agent)?.saturating_sub(before);
    let ledger = agent.map(Agent::stop).transpose()?;
    Ok(Run {
        protocol,
        pace,
        mirrored,
        round,
        requests: load.requests,
        rate: load.rate,
        load_cpu_us: load.cpu_us,
        agent_cpu_us: agent_cpu.as_secs_f64() * 1e6 / load.requests as f64,
        lost: if mirrored {
            load.requests.saturating_sub(got)
        } else {
            0
        },
        ledger,
    })
}

impl Servers {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let servers = |http1: u16, http2: u16| {
            // Streams as many as the load has; `listen ... http2` is what nginx before 1.25.1 knows, and later ones take.
            format!(
                "http2_max_concurrent_streams {};
  server {{ listen {http1} backlog=4096; location = {PAGE} {{ }} }}
  server {{ listen {http2} http2 backlog=4096; location = {PAGE} {{ }} }}",
                STREAMS + 28
            )
        };
        let production = servers(sockets::HTTP1, sockets::HTTP2);
        let shadow = servers(sockets::HTTP1_SHADOW, sockets::HTTP2_SHADOW);
        Ok(Self {
            _production: Nginx::start(folder, "h2-production", &production, sockets::HTTP2_STATUS)?,
            shadow: Nginx::start(folder, "h2-shadow", &shadow, sockets::HTTP2_SHADOW_STATUS)?,
        })
    }

    /// Waits until the shadow counts no more requests.
    fn wait_until_quiet(&self) -> anyhow::Result<super::nginx::Counts> {
        let start = Instant::now();
        let mut before = self.shadow.counts()?;
        loop {
            std::thread::sleep(QUIET);
            let now = self.shadow.counts()?;
            if now.requests == before.requests || start.elapsed() > MAX_DRAIN {
                return Ok(now);
            }
            before = now;
        }
    }
}

impl Protocol {
    const fn title(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }

    /// Production's and the shadow's.
    const fn ports(self) -> (u16, u16) {
        match self {
            Self::Http1 => (sockets::HTTP1, sockets::HTTP1_SHADOW),
            Self::Http2 => (sockets::HTTP2, sockets::HTTP2_SHADOW),
        }
    }
}

impl Pace {
    fn title(self) -> String {
        match self {
            Self::Fixed => format!("{RATE}/s"),
            Self::FlatOut => "flat out".to_owned(),
        }
    }
}

impl Http2 {
    /// The agent's processor time for a request of HTTP/2 at the fixed rate, by h2load's in the same run: the median.
    pub fn agent_to_load(&self) -> f64 {
        self.median(|round| {
            let run = self.run(Protocol::Http2, Pace::Fixed, true, round)?;
            Some(run.agent_cpu_us / run.load_cpu_us)
        })
    }

    /// The agent's processor time for a request of HTTP/2 at the fixed rate, by HTTP/1.1's in the same round: the median.
    pub fn agent_to_http1(&self) -> f64 {
        self.median(|round| {
            let http1 = self.run(Protocol::Http1, Pace::Fixed, true, round)?.agent_cpu_us;
            Some(self.run(Protocol::Http2, Pace::Fixed, true, round)?.agent_cpu_us / http1)
        })
    }

    /// Share of production's throughput flat out that is left when mirrored: the median.
    pub fn kept(&self, protocol: Protocol) -> f64 {
        self.median(|round| {
            let alone = self.run(protocol, Pace::FlatOut, false, round)?.rate;
            Some(self.run(protocol, Pace::FlatOut, true, round)?.rate / alone)
        })
    }

    /// Requests of HTTP/2 that the shadow did not get, and those that it was to get, of all rounds.
    pub fn lost(&self, pace: Pace) -> (u64, u64) {
        let runs = self.runs.iter();
        let runs = runs.filter(|run| run.protocol == Protocol::Http2 && run.pace == pace && run.mirrored);
        runs.fold((0, 0), |(lost, all), run| (lost + run.lost, all + run.requests))
    }

    fn run(&self, protocol: Protocol, pace: Pace, mirrored: bool, round: u32) -> Option<&Run> {
        self.runs.iter().find(|run| {
            run.protocol == protocol && run.pace == pace && run.mirrored == mirrored && run.round == round
        })
    }

    /// Not a number where no round has the value.
    fn median(&self, value: impl Fn(u32) -> Option<f64>) -> f64 {
        let rounds = self.runs.iter().map(|run| run.round + 1).max().unwrap_or(0);
        middle((0..rounds).filter_map(value).collect())
    }
}

impl fmt::Display for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "HTTP/2 (h2load, {CONNECTIONS} connections of up to {STREAMS} streams) beside HTTP/1.1: medians of the rounds"
        )?;
        for pace in [Pace::Fixed, Pace::FlatOut] {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                for mirrored in [false, true] {
                    let of = |value: fn(&Run) -> f64| {
                        let rounds = self.runs.iter().map(|run| run.round + 1).max().unwrap_or(0);
                        let runs = (0..rounds).filter_map(|round| self.run(protocol, pace, mirrored, round));
                        middle(runs.map(value).collect())
                    };
                    let who = if mirrored { "with the agent" } else { "alone" };
                    write!(
                        f,
                        "  {} {}, {who}: {:.0} requests/s, h2load's CPU {:.1} us a request",
                        protocol.title(),
                        pace.title(),
                        of(|run| run.rate),
                        of(|run| run.load_cpu_us)
                    )?;
                    if mirrored {
                        write!(f, ", agent's {:.1} us", of(|run| run.agent_cpu_us))?;
                    }
                    writeln!(f)?;
                }
            }
        }
        for run in &self.runs {
            for (reason, count) in run.ledger.iter().flat_map(Ledger::dropped) {
                let (protocol, pace) = (run.protocol.title(), run.pace.title());
                writeln!(
                    f,
                    "  {protocol} {pace}, round {}: dropped, {reason}: {count}",
                    run.round + 1
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(protocol: Protocol, pace: Pace, mirrored: bool, rate: f64, agent_cpu_us: f64) -> Run {
        Run {
            protocol,
            pace,
            mirrored,
            round: 0,
            requests: 100,
            rate,
            load_cpu_us: 10.0,
            agent_cpu_us,
            lost: 1,
            ledger: None,
        }
    }

    #[test]
    fn ratios_are_of_one_round() {
        let measured = Http2 {
            runs: vec![
                run(Protocol::Http1, Pace::Fixed, true, 5_000.0, 24.0),
                run(Protocol::Http2, Pace::Fixed, true, 5_000.0, 12.0),
                run(Protocol::Http2, Pace::FlatOut, false, 40_000.0, 0.0),
                run(Protocol::Http2, Pace::FlatOut, true, 30_000.0, 12.0),
            ],
        };
        assert!((measured.agent_to_load() - 1.2).abs() < 1e-9);
        assert!((measured.agent_to_http1() - 0.5).abs() < 1e-9);
        assert!((measured.kept(Protocol::Http2) - 0.75).abs() < 1e-9);
        assert_eq!(measured.lost(Pace::Fixed), (1, 100));
        assert!(measured.kept(Protocol::Http1).is_nan());
    }
}

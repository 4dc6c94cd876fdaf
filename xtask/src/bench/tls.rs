//! The cost of opening TLS: production's processor time and latency over HTTPS with the agent against alone, kept alive and with
//! a handshake for each request, beside the same with probes at `SSL_read` and `SSL_write`; and the agent's own.
//!
//! Paired rounds, as those of the variants: each way comes early and late. Medians of the rounds' ratios. Requests have 1 KiB,
//! TLS is 1.3, sessions are not resumed. The load is the paced one, which speaks plain HTTP to an nginx that passes its
//! requests on as each [`Path`] says: production is the same in all of them, and what speaks TLS to it is a real client.

mod probes;
mod production;

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use self::probes::Probes;
use self::production::Production;
use super::agent::{Agent, Ledger};
use super::measure::wait_until_quiet;
use super::sockets::{self, local};
use super::spread::middle;
use super::stage::Stage;
use super::{pace, process};

/// The way of requests to production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Plain HTTP, kept alive.
    Plain,
    /// HTTPS, kept alive.
    KeptAlive,
    /// HTTPS, a handshake for each request.
    Handshakes,
}

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Watcher {
    /// Nobody.
    Nobody,
    /// The agent, mirroring.
    Agent,
    /// Probes at each call of `SSL_read` and `SSL_write` that do nothing but count.
    Probes,
}

/// One measurement: microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    path: Path,
    watcher: Watcher,
    round: u32,
    requests: u64,
    production_cpu_us: f64,
    p99_us: f64,
    agent_cpu_us: Option<f64>,
    /// Requests that were answered and not delivered.
    lost: u64,
    ledger: Option<Ledger>,
}

/// The figures of this measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Tls {
    runs: Vec<Run>,
    /// Why nothing was probed, where that is so.
    unprobed: Option<String>,
}

impl Path {
    const ALL: [Self; 3] = [Self::Plain, Self::KeptAlive, Self::Handshakes];

    /// Requests a second. A handshake takes both sides together some thirty times what a request takes.
    const fn rate(self) -> u32 {
        match self {
            Self::Plain | Self::KeptAlive => super::load::RATE,
            Self::Handshakes => 1_000,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain HTTP, kept alive",
            Self::KeptAlive => "HTTPS, kept alive",
            Self::Handshakes => "HTTPS, a handshake for each request",
        }
    }

    /// Where production listens for it.
    const fn port(self) -> u16 {
        match self {
            Self::Plain => sockets::TLS_PLAIN,
            Self::KeptAlive | Self::Handshakes => sockets::TLS,
        }
    }

    /// Where the nginx that passes it on listens.
    const fn front(self) -> u16 {
        match self {
            Self::Plain => sockets::TLS_FRONT_PLAIN,
            Self::KeptAlive => sockets::TLS_FRONT_KEPT_ALIVE,
            Self::Handshakes => sockets::TLS_FRONT_HANDSHAKES,
        }
    }
}

/// Measures it.
pub fn measure(stage: &Stage, rounds: u32, seconds: u32) -> anyhow::Result<Tls> {
    let production = Production::start(stage.folder.path())?;
    let mut watchers = vec![Watcher::Nobody, Watcher::Agent];
    let unprobed = match Probes::attach() {
        Ok(_) => {
            watchers.push(Watcher::Probes);
            None
        }
        Err(error) => Some(format!("{error:#}")),
    };
    let mut tls = Tls {
        runs: Vec::new(),
        unprobed,
    };
    for round in 0..rounds {
        for path in Path::ALL {
            for turn in 0..watchers.len() {
                let watcher = watchers[(turn + round as usize) % watchers.len()];
                if path == Path::Plain && watcher == Watcher::Probes {
                    continue;
                }
                process::progress(&format!(
                    "TLS, round {}/{rounds}: {}, {}",
                    round + 1,
                    path.title(),
                    watcher.title()
                ));
                tls.runs
                    .push(one(stage, &production, path, watcher, round, seconds)?);
            }
        }
    }
    Ok(tls)
}

fn one(
    stage: &Stage,
    production: &Production,
    path: Path,
    watcher: Watcher,
    round: u32,
    seconds: u32,
) -> anyhow::Result<Run> {
    let probes = (watcher == Watcher::Probes).then(Probes::attach).transpose()?;
    let agent = (watcher == Watcher::Agent)
        .then(|| start(stage, path))
        .transpose()?;
    // Behind the agent's start: what it is to read begins with a handshake that it sees.
    let front = production.front()?;
    let cpu = |agent: &Option<Agent>| -> anyhow::Result<Duration> {
        Ok(agent.as_ref().map(Agent::cpu).transpose()?.unwrap_or_default())
    };
    let (production_before, agent_before) = (production.cpu()?, cpu(&agent)?);
    let load = pace::start(local(path.front()), path.rate(), seconds)
        .with_context(|| format!("loading over {}", path.title()))?;
    wait_until_quiet(stage)?;
    let micros = |after: Duration, before: Duration| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / load.requests as f64
    };
    let production_cpu_us = micros(production.cpu()?, production_before);
    let agent_cpu_us = agent.is_some().then_some(micros(cpu(&agent)?, agent_before));
    drop((probes, front));
    let ledger = agent.map(Agent::stop).transpose()?;
    Ok(Run {
        path,
        watcher,
        round,
        requests: load.requests,
        production_cpu_us,
        p99_us: load.p99_us,
        agent_cpu_us,
        lost: ledger
            .as_ref()
            .map_or(0, |ledger| load.requests.saturating_sub(ledger.delivered())),
        ledger,
    })
}

fn start(stage: &Stage, path: Path) -> anyhow::Result<Agent> {
    let mut flags = vec![
        "--output-http".to_owned(),
        format!("http://{}", local(sockets::SHADOW)),
    ];
    if path != Path::Plain {
        flags.extend(["--input-raw-tls", "auto"].map(str::to_owned));
    }
    let input = format!(":{}", path.port());
    Agent::start(stage, &input, &flags).with_context(|| format!("mirroring {}", path.title()))
}

impl Watcher {
    const fn title(self) -> &'static str {
        match self {
            Self::Nobody => "alone",
            Self::Agent => "with the agent",
            Self::Probes => "with probes at SSL_read and SSL_write",
        }
    }
}

impl Tls {
    /// Production's processor time for a request, by alone in the same round: the median. With the agent, what mirroring plain
    /// HTTP adds in that round is taken off.
    pub fn production_cpu(&self, path: Path, watcher: Watcher) -> f64 {
        self.median(|round| {
            let alone = self.run(path, Watcher::Nobody, round)?.production_cpu_us;
            let added = self.run(path, watcher, round)?.production_cpu_us - alone;
            let plain = match watcher {
                Watcher::Agent => self.added_by_plain(round)?,
                _ => 0.0,
            };
            Some(1.0 + (added - plain) / alone)
        })
    }

    /// Production's 99th percentile, by alone in the same round: the median.
    pub fn p99(&self, path: Path, watcher: Watcher) -> f64 {
        self.median(|round| {
            let alone = self.run(path, Watcher::Nobody, round)?.p99_us;
            Some(self.run(path, watcher, round)?.p99_us / alone)
        })
    }

    /// The agent's processor time for a request, by that for one of plain HTTP in the same round: the median.
    pub fn agent_cpu(&self, path: Path) -> f64 {
        self.median(|round| {
            let plain = self.run(Path::Plain, Watcher::Agent, round)?.agent_cpu_us?;
            Some(self.run(path, Watcher::Agent, round)?.agent_cpu_us? / plain)
        })
    }

    /// Requests that were answered and not delivered, of all rounds.
    pub fn lost(&self) -> u64 {
        self.runs.iter().map(|run| run.lost).sum()
    }

    /// Requests that were to be delivered, of all rounds.
    pub fn mirrored(&self) -> u64 {
        let mirrored = self.runs.iter().filter(|run| run.watcher == Watcher::Agent);
        mirrored.map(|run| run.requests).sum()
    }

    fn added_by_plain(&self, round: u32) -> Option<f64> {
        let of = |watcher| Some(self.run(Path::Plain, watcher, round)?.production_cpu_us);
        Some(of(Watcher::Agent)? - of(Watcher::Nobody)?)
    }

    fn run(&self, path: Path, watcher: Watcher, round: u32) -> Option<&Run> {
        self.runs
            .iter()
            .find(|run| run.path == path && run.watcher == watcher && run.round == round)
    }

    /// Not a number where no round has the value.
    fn median(&self, value: impl Fn(u32) -> Option<f64>) -> f64 {
        let rounds = self.runs.iter().map(|run| run.round + 1).max().unwrap_or(0);
        middle((0..rounds).filter_map(value).collect())
    }
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "TLS 1.3, requests of 1 KiB: medians of the rounds, us")?;
        for path in Path::ALL {
            for watcher in [Watcher::Nobody, Watcher::Agent, Watcher::Probes] {
                let of = |value: fn(&Run) -> Option<f64>| {
                    let runs = self.runs.iter();
                    let runs = runs.filter(|run| run.path == path && run.watcher == watcher);
                    middle(runs.filter_map(value).collect())
                };
                let cpu = of(|run| Some(run.production_cpu_us));
                if cpu.is_nan() {
                    continue;
                }
                write!(
                    f,
                    "  {} at {}/s, {}: production CPU {cpu:.1} a request, p99 {:.0}",
                    path.title(),
                    path.rate(),
                    watcher.title(),
                    of(|run| Some(run.p99_us))
                )?;
                if watcher == Watcher::Agent {
                    write!(f, ", agent CPU {:.1}", of(|run| run.agent_cpu_us))?;
                }
                writeln!(f)?;
            }
        }
        if let Some(why) = &self.unprobed {
            writeln!(f, "  not probed at SSL_read and SSL_write: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(path: Path, watcher: Watcher, production_cpu_us: f64, agent_cpu_us: Option<f64>) -> Run {
        Run {
            path,
            watcher,
            round: 0,
            requests: 100,
            production_cpu_us,
            p99_us: 2.0 * production_cpu_us,
            agent_cpu_us,
            lost: 1,
            ledger: None,
        }
    }

    #[test]
    fn what_plain_mirroring_adds_is_taken_off() {
        let tls = Tls {
            runs: vec![
                run(Path::Plain, Watcher::Nobody, 10.0, None),
                run(Path::Plain, Watcher::Agent, 11.0, Some(20.0)),
                run(Path::KeptAlive, Watcher::Nobody, 20.0, None),
                run(Path::KeptAlive, Watcher::Agent, 22.0, Some(30.0)),
                run(Path::KeptAlive, Watcher::Probes, 60.0, None),
            ],
            unprobed: None,
        };
        let near = |value: f64, expected: f64| (value - expected).abs() < 1e-9;
        assert!(near(tls.production_cpu(Path::KeptAlive, Watcher::Agent), 1.05));
        assert!(near(tls.production_cpu(Path::KeptAlive, Watcher::Probes), 3.0));
        assert!(near(tls.p99(Path::KeptAlive, Watcher::Agent), 1.1));
        assert!(near(tls.agent_cpu(Path::KeptAlive), 1.5));
        assert!(tls.agent_cpu(Path::Handshakes).is_nan());
        assert_eq!((tls.lost(), tls.mirrored()), (5, 200));
    }
}

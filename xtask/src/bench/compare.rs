//! The cost of `--compare`, and of correlation beside it: processor time for a request at the fixed rate, production's latency, pairs
//! lost; and memory with a shadow that never answers.
//!
//! Paired rounds, as those of the variants: mirroring, comparing with `--no-correlate`, and comparing as it is by default, by turns first.
//! Medians of the rounds' ratios, so that a machine that drifts cancels out.

use std::fmt;
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::Value;

use super::agent::Agent;
use super::load::Load;
use super::measure::wait_until_quiet;
use super::process;
use super::sockets::{self, local};
use super::stage::Stage;
use super::stat::{self, Memory};

const MIB: f64 = 1024.0 * 1024.0;
/// The memory that pairs may wait in, with the shadow that never answers.
pub const BUDGET: u64 = 16 << 20;

/// Nothing is judged here: a verdict would be an exit status.
const UNJUDGED: [&str; 14] = [
    "compared off",
    "coverage off",
    "capture_loss off",
    "behind off",
    "new_5xx off",
    "failed off",
    "agreement off",
    "p99_ratio off",
    "endpoint_new_5xx off",
    "endpoint_agreement off",
    "endpoint_p50_ratio off",
    "endpoint_p90_ratio off",
    "endpoint_p99_ratio off",
    "endpoint_tail_ratio off",
];

/// The figures of this measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The agent's processor time for a mirrored request without `--compare`, in microseconds: the median.
    pub cpu_without_us: f64,
    /// With it, and `--no-correlate`.
    pub cpu_with_us: f64,
    /// With correlation too.
    pub cpu_correlating_us: f64,
    /// The second by the first, of the same round: the median.
    pub cpu_ratio: f64,
    /// The third by the second.
    pub correlation_ratio: f64,
    /// Production's 99th percentile when comparing and correlating, by that when mirroring, of the same round: the median.
    pub p99_ratio: f64,
    /// Pairs compared, of all rounds.
    pub pairs: u64,
    /// Requests seen and not compared, or never seen, of all rounds.
    pub lost: u64,
    /// The agent's peak resident memory with a shadow that never answers, without `--compare`.
    pub stalled_without: u64,
    /// With it.
    pub stalled_with: u64,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / MIB;
        writeln!(
            f,
            "comparing: agent CPU {:.1} us a request, {:.1} without (ratio {:.2}), {:.1} with correlation (ratio to comparing {:.2})",
            self.cpu_with_us,
            self.cpu_without_us,
            self.cpu_ratio,
            self.cpu_correlating_us,
            self.correlation_ratio
        )?;
        writeln!(
            f,
            "comparing: production's p99 by without {:.2}; {} pairs, {} lost",
            self.p99_ratio, self.pairs, self.lost
        )?;
        writeln!(
            f,
            "comparing with a shadow that never answers, {:.0} MiB for what waits: agent peak {:.1} MiB, {:.1} without",
            mib(BUDGET),
            mib(self.stalled_with),
            mib(self.stalled_without)
        )
    }
}

/// The agent's task, besides capturing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Mirroring,
    Comparing,
    Correlating,
}

const TASKS: [Task; 3] = [Task::Mirroring, Task::Comparing, Task::Correlating];

/// One run of the agent.
struct Run {
    cpu_us: f64,
    p99_us: f64,
    memory: Memory,
    pairs: u64,
    lost: u64,
}

/// Measures it.
pub fn measure(stage: &Stage, rounds: u32, seconds: u32) -> anyhow::Result<Compared> {
    let shadow = format!("http://{}", local(sockets::SHADOW));
    let mut all: Vec<[Run; 3]> = Vec::new();
    for round in 0..rounds as usize {
        process::progress(&format!("comparing, round {}/{rounds}", round + 1));
        // Each comes first in every third round.
        let mut runs = TASKS.map(|_| None);
        for turn in 0..TASKS.len() {
            let at = (round + turn) % TASKS.len();
            runs[at] = Some(one(stage, &shadow, seconds, TASKS[at], &[])?);
        }
        all.push(runs.map(|run| run.expect("each has had its turn")));
    }
    process::progress("comparing, with a shadow that never answers");
    let stalled = listen_and_never_answer()?;
    let budget = BUDGET.to_string();
    let more = [
        "--output-http-timeout",
        "5m",
        "--output-http-queue-len",
        "1000000",
        "--shutdown-timeout",
        "1s",
    ];
    let without = one(stage, &stalled, seconds, Task::Mirroring, &more)?;
    let with = [&more[..], &["--compare-memory", &budget]].concat();
    let with = one(stage, &stalled, seconds, Task::Correlating, &with)?;
    let median = |value: &dyn Fn(&[Run; 3]) -> f64| {
        let mut values: Vec<f64> = all.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Ok(Compared {
        cpu_without_us: median(&|[without, _, _]| without.cpu_us),
        cpu_with_us: median(&|[_, with, _]| with.cpu_us),
        cpu_correlating_us: median(&|[_, _, correlating]| correlating.cpu_us),
        cpu_ratio: median(&|[without, with, _]| with.cpu_us / without.cpu_us),
        correlation_ratio: median(&|[_, with, correlating]| correlating.cpu_us / with.cpu_us),
        p99_ratio: median(&|[without, _, correlating]| correlating.p99_us / without.p99_us),
        pairs: all.iter().flatten().map(|run| run.pairs).sum(),
        lost: all.iter().flatten().map(|run| run.lost).sum(),
        stalled_without: without.memory.peak,
        stalled_with: with.memory.peak,
    })
}

fn one(stage: &Stage, shadow: &str, seconds: u32, task: Task, more: &[&str]) -> anyhow::Result<Run> {
    let report = stage.folder.path().join("comparison.json");
    let to = local(sockets::PRODUCTION);
    let mut flags = vec!["--output-http".to_owned(), shadow.to_owned()];
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    let compares = task != Task::Mirroring;
    if task == Task::Comparing {
        flags.push("--no-correlate".to_owned());
    }
    if compares {
        flags.extend(["--compare", "--report"].map(str::to_owned));
        flags.push(report.display().to_string());
        flags.extend(
            UNJUDGED
                .iter()
                .flat_map(|rule| ["--fail-on".to_owned(), (*rule).to_owned()]),
        );
    }
    let agent = Agent::start(stage, &to.to_string(), &flags).context("comparing")?;
    let before = agent.cpu()?;
    let load = Load::FixedRate.run(to, seconds)?;
    wait_until_quiet(stage)?;
    let cpu = agent.cpu()?.saturating_sub(before);
    let memory = Memory::of(agent.pid())?;
    let ledger = agent.stop()?;
    let (pairs, lost) = if compares {
        pairs(&serde_json::from_str(&stat::read(&report)?).context("the report is not JSON")?)?
    } else {
        (0, 0)
    };
    // A request that capture never saw has no pair either.
    let unseen = load.requests.saturating_sub(ledger.seen());
    Ok(Run {
        cpu_us: cpu.as_secs_f64() * 1e6 / ledger.seen() as f64,
        p99_us: load.p99_us,
        memory,
        pairs,
        lost: lost + unseen,
    })
}

/// Pairs compared, and requests that were not; the report must account for each.
fn pairs(document: &Value) -> anyhow::Result<(u64, u64)> {
    let coverage = &document["comparisons"][0]["coverage"];
    let count = |name: &str| {
        coverage[name]
            .as_u64()
            .with_context(|| format!("no {name} in the report"))
    };
    let by_reason = |name: &str| -> u64 {
        let reasons = coverage[name].as_object().into_iter().flatten();
        reasons.filter_map(|(_, count)| count.as_u64()).sum()
    };
    let lost = by_reason("failed") + by_reason("not_compared") + count("waiting")?;
    ensure!(
        count("eligible")? == count("compared")? + lost,
        "the report does not account for every request: {coverage}"
    );
    Ok((count("compared")?, lost))
}

/// A server that takes requests and is silent, for the rest of this run.
fn listen_and_never_answer() -> anyhow::Result<String> {
    let listener = TcpListener::bind(local(0)).context("cannot listen")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else {
                // Out of files, most likely.
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while stream.read(&mut chunk).is_ok_and(|count| count > 0) {}
            });
        }
    });
    Ok(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(compared: u64) -> Value {
        json!({"comparisons": [{"coverage": {
            "eligible": 10, "compared": compared, "failed": {"timeout": 1}, "not_compared": {"copy": 2}, "waiting": 0,
        }}]})
    }

    #[test]
    fn whatever_is_not_compared_is_lost() {
        assert_eq!(pairs(&document(7)).expect("a sum"), (7, 3));
    }

    #[test]
    fn a_report_that_does_not_add_up_is_refused() {
        assert!(pairs(&document(6)).is_err());
        assert!(pairs(&json!({})).is_err());
    }
}

//! Recording to disk flat out, and replaying: as fast as it goes, and on schedule.
//!
//! Medians of the rounds. The replay as fast as it goes is compared with wrk against the same nginx in the same round,
//! with as many connections as the recording has.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::Value;

use super::agent::{Agent, Ledger};
use super::nginx::PAGE;
use super::process;
use super::sockets::{self, local};
use super::stage::Stage;
use super::stat;
use super::wrk;

/// Records that are replayed as fast as it goes.
pub const RECORDS: u32 = 100_000;

/// Records a second of the schedule.
pub const RATE: u32 = 2_000;

const MIB: f64 = 1024.0 * 1024.0;

/// The figures of this measurement: medians.
#[derive(Clone, Debug, Serialize)]
pub struct Recordings {
    /// Requests a second that were recorded, flat out.
    pub recorded_per_second: f64,
    /// Of all rounds, requests that were seen and not recorded.
    pub lost: u64,
    /// Megabytes (2^20) a second on disk.
    pub mib_per_second: f64,
    /// The agent's processor time for a recorded request, in microseconds.
    pub recording_cpu_us: f64,
    /// Requests a second of a replay as fast as it goes, the agent's start and end included.
    pub replayed_per_second: f64,
    /// That, by what wrk does against the same server.
    pub replay_to_wrk: f64,
    /// The agent's processor time for a replayed request, in microseconds.
    pub replay_cpu_us: f64,
    /// How late a message of the schedule was, 99th percentile, in microseconds.
    pub lag_p99_us: f64,
    /// Of all rounds, messages of the replays that were not delivered.
    pub not_replayed: u64,
}

/// Measures it.
pub fn measure(stage: &Stage, rounds: u32, seconds: u32) -> anyhow::Result<Recordings> {
    let mut all = Vec::new();
    let whole = write_recording(stage, "whole.gor", RECORDS, None)?;
    let scheduled = write_recording(stage, "scheduled.gor", RATE * seconds, Some(RATE))?;
    for round in 0..rounds {
        process::progress(&format!("recordings, round {}", round + 1));
        all.push(one(stage, seconds, &whole, &scheduled)?);
    }
    let median = |value: fn(&Recordings) -> f64| {
        let mut values: Vec<f64> = all.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Ok(Recordings {
        recorded_per_second: median(|one| one.recorded_per_second),
        lost: all.iter().map(|one| one.lost).sum(),
        mib_per_second: median(|one| one.mib_per_second),
        recording_cpu_us: median(|one| one.recording_cpu_us),
        replayed_per_second: median(|one| one.replayed_per_second),
        replay_to_wrk: median(|one| one.replay_to_wrk),
        replay_cpu_us: median(|one| one.replay_cpu_us),
        lag_p99_us: median(|one| one.lag_p99_us),
        not_replayed: all.iter().map(|one| one.not_replayed).sum(),
    })
}

fn one(stage: &Stage, seconds: u32, whole: &Path, scheduled: &Path) -> anyhow::Result<Recordings> {
    let file = stage.folder.path().join("recorded.gor");
    let _ = std::fs::remove_file(&file);
    let to = local(sockets::PRODUCTION);
    let output = [
        "--output-file",
        &file.display().to_string(),
        "--output-file-append",
    ]
    .map(str::to_owned);
    let agent = Agent::start(stage, &to.to_string(), &output).context("recording")?;
    let before = agent.cpu()?;
    let load = wrk::run(to, seconds, None)?;
    let cpu = agent.cpu()?.saturating_sub(before).as_secs_f64();
    let ledger = agent.stop()?;
    let size = std::fs::metadata(&file).context("the recording")?.len();

    let shadow = local(sockets::SHADOW);
    let alone = wrk::run(shadow, seconds, None)?.rate();
    let replay = replay(stage, &format!("{}|max", whole.display()))?;
    let paced = replay_on_schedule(stage, scheduled)?;
    let replayed = replay.ledger.delivered() as f64;
    let rate = replayed / replay.seconds;
    Ok(Recordings {
        recorded_per_second: ledger.delivered() as f64 / load.seconds,
        lost: ledger.seen() - ledger.delivered(),
        mib_per_second: size as f64 / MIB / load.seconds,
        recording_cpu_us: cpu * 1e6 / ledger.delivered() as f64,
        replayed_per_second: rate,
        replay_to_wrk: rate / alone,
        replay_cpu_us: replay.cpu * 1e6 / replayed,
        lag_p99_us: paced.lag_p99_us()?,
        not_replayed: replay.missing() + paced.missing(),
    })
}

/// A replay that has ended.
struct Replay {
    ledger: Ledger,
    document: Value,
    seconds: f64,
    cpu: f64,
}

impl Replay {
    fn missing(&self) -> u64 {
        self.ledger.seen() - self.ledger.delivered()
    }

    fn lag_p99_us(&self) -> anyhow::Result<f64> {
        let inputs = self.document["capture"]["inputs"].as_object();
        let lag = inputs.and_then(|inputs| inputs.values().next()?["lag_us"]["p99"].as_f64());
        lag.context("the ledger does not say how late messages were")
    }
}

fn replay_on_schedule(stage: &Stage, file: &Path) -> anyhow::Result<Replay> {
    replay(stage, &file.display().to_string())
}

fn replay(stage: &Stage, input: &str) -> anyhow::Result<Replay> {
    let path = stage.folder.path().join("replay.json");
    let mut command = Command::new(&stage.agent);
    command.args(["--input-file", input]);
    command.args(["--output-http", &format!("http://{}", local(sockets::SHADOW))]);
    command.args(&stage.agent_arguments);
    command.arg("--ledger").arg(&path).arg("--no-status");
    let start = Instant::now();
    let ended = process::run("the replay", &mut command)?;
    let seconds = start.elapsed().as_secs_f64();
    let document: Value = serde_json::from_str(&stat::read(&path)?).context("the ledger is not JSON")?;
    ensure!(
        document["balanced"] == Value::Bool(true),
        "the ledger does not balance: {document}"
    );
    Ok(Replay {
        ledger: Ledger::read(document.clone()),
        document,
        seconds,
        cpu: ended.cpu.as_secs_f64(),
    })
}

/// Writes `records` requests, of as many connections as wrk has; so many a second, or all at one moment.
fn write_recording(stage: &Stage, name: &str, records: u32, rate: Option<u32>) -> anyhow::Result<PathBuf> {
    let path = stage.folder.path().join(name);
    let mut text = String::with_capacity(records as usize * 160);
    let interval = rate.map_or(0, |rate| 1_000_000_000 / u64::from(rate));
    for number in 0..records {
        let port = 40_000 + number % wrk::CONNECTIONS;
        let unix = 1_700_000_000_000_000_000 + u64::from(number) * interval;
        let _ = write!(
            text,
            "1 {port:04x}00507f000001{number:08x} {unix} 0\nGET {PAGE} HTTP/1.1\r\nHost: {}\r\n\r\n\n🐵🙈🙉\n",
            local(sockets::PRODUCTION)
        );
    }
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

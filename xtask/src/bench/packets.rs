//! Kernel time for a packet, by the kernel's own statistics of BPF programs.
//!
//! On `lo` the agent's program sees every packet of both directions. Two short runs under the same load, one in
//! which the agent watches production's port and one in which it watches a port that nobody uses, give both
//! costs: in the second no packet is selected, and the first is a mixture of known proportions.

use std::path::Path;

use anyhow::{Context, bail};
use nix::unistd::Pid;
use serde::Serialize;

use super::agent::{Agent, Ledger};
use super::sockets::{self, local};
use super::stage::Stage;
use super::variant::Variant;
use super::{process, stat, wrk};

/// Turns the statistics on; they cost every BPF program of the machine two readings of the clock a packet.
const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Bytes of a request, headers of TCP and IP aside.
const REQUEST_BYTES: usize = 300;

/// The figures of this measurement.
#[derive(Clone, Debug, Serialize)]
pub struct PacketCost {
    /// Nanoseconds for a packet that is not selected.
    pub unselected_ns: f64,
    /// Nanoseconds for a packet that is copied.
    pub selected_ns: f64,
    /// Mean payload bytes of the copied ones.
    pub selected_bytes: f64,
    watched: Run,
    unwatched: Run,
}

/// The work of the agent's programs in one run, and their counts.
#[derive(Clone, Debug, Serialize)]
struct Run {
    statistics: Statistics,
    ledger: Ledger,
}

/// Runs of BPF programs and the time they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Statistics {
    runs: u64,
    nanoseconds: u64,
}

/// Measures it under wrk flat out.
pub fn measure(stage: &Stage, seconds: u32) -> anyhow::Result<PacketCost> {
    let _switch = Switch::on()?;
    process::progress("kernel time for a packet, one that is not selected");
    let unwatched = run(stage, sockets::NOBODY, seconds)?;
    process::progress("kernel time for a packet, one that is");
    let watched = run(stage, sockets::PRODUCTION, seconds)?;
    PacketCost::new(unwatched, watched)
}

fn run(stage: &Stage, port: u16, seconds: u32) -> anyhow::Result<Run> {
    let agent = Agent::start(stage, &local(port).to_string(), &["--output-null".to_owned()])?;
    wrk::run(Variant::Alone.address(), seconds, Some(REQUEST_BYTES))?;
    let statistics = Statistics::of(agent.pid())?;
    Ok(Run {
        statistics,
        ledger: agent.stop()?,
    })
}

impl PacketCost {
    fn new(unwatched: Run, watched: Run) -> anyhow::Result<Self> {
        let copied = watched.ledger.capture("packets_copied") as f64;
        if unwatched.statistics.runs == 0 || copied == 0.0 {
            bail!("the agent's programs saw no packets: {unwatched:?} {watched:?}");
        }
        let unselected_ns = unwatched.statistics.nanoseconds as f64 / unwatched.statistics.runs as f64;
        let others = watched.statistics.runs as f64 - copied;
        let for_others = others * unselected_ns;
        Ok(Self {
            unselected_ns,
            selected_ns: (watched.statistics.nanoseconds as f64 - for_others) / copied,
            selected_bytes: watched.ledger.capture("bytes_copied") as f64 / copied,
            watched,
            unwatched,
        })
    }
}

impl Statistics {
    /// Of all programs that a process holds. It reads the process's files, so that programs of other agents on
    /// this machine, which have the same names, are left out.
    fn of(pid: Pid) -> anyhow::Result<Self> {
        let folder = format!("/proc/{pid}/fdinfo");
        let mut programs = std::collections::BTreeMap::new();
        for file in std::fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
            if let Some((id, statistics)) = Self::of_file(&file?.path()) {
                programs.insert(id, statistics);
            }
        }
        Ok(programs.values().fold(Self::default(), |sum, program| Self {
            runs: sum.runs + program.runs,
            nanoseconds: sum.nanoseconds + program.nanoseconds,
        }))
    }

    /// The program's id and statistics, if the file is one; a file may be gone already.
    fn of_file(path: &Path) -> Option<(u64, Self)> {
        Self::parse(&std::fs::read_to_string(path).ok()?)
    }

    /// `kernel/bpf/syscall.c`, `bpf_prog_show_fdinfo`.
    fn parse(text: &str) -> Option<(u64, Self)> {
        let number = |name: &str| {
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
            value?.trim().parse::<u64>().ok()
        };
        let statistics = Self {
            runs: number("run_cnt")?,
            nanoseconds: number("run_time_ns")?,
        };
        Some((number("prog_id")?, statistics))
    }
}

/// The statistics' switch; dropping it puts it back.
struct Switch {
    before: String,
}

impl Switch {
    fn on() -> anyhow::Result<Self> {
        let before = stat::read(SWITCH)?;
        std::fs::write(SWITCH, "1").with_context(|| format!("cannot write {SWITCH}"))?;
        Ok(Self { before })
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::write(SWITCH, &self.before) {
            process::progress(&format!(
                "cannot put {SWITCH} back to {}: {error}",
                self.before.trim()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statistics_are_read_from_a_programs_file() {
        let text = "pos:\t0\nflags:\t02000002\nprog_type:\t3\nprog_jited:\t1\nprog_tag:\ta04f5eef06a7f555\n\
                    memlock:\t4096\nprog_id:\t17\nrun_time_ns:\t123456\nrun_cnt:\t789\nrecursion_misses:\t0\n";
        assert_eq!(
            Statistics::parse(text),
            Some((
                17,
                Statistics {
                    runs: 789,
                    nanoseconds: 123_456
                }
            ))
        );
        assert_eq!(
            Statistics::parse("pos:\t0\nlink_type:\ttcx\nprog_id:\t17\n"),
            None
        );
    }

    #[test]
    fn the_cost_of_selected_packets_is_what_the_others_leave() {
        let run = |runs, nanoseconds, copied, bytes| Run {
            statistics: Statistics { runs, nanoseconds },
            ledger: Ledger::read(json!({"capture": {"packets_copied": copied, "bytes_copied": bytes}})),
        };
        // 1000 packets at 50 ns; then 600 at 50 and 400 at 450.
        let cost =
            PacketCost::new(run(1000, 50_000, 0, 0), run(1000, 210_000, 400, 120_000)).expect("a cost");
        assert!((cost.unselected_ns - 50.0).abs() < 1e-9);
        assert!((cost.selected_ns - 450.0).abs() < 1e-9);
        assert!((cost.selected_bytes - 300.0).abs() < 1e-9);
    }
}

//! Processor time and memory of processes and of the machine, by the kernel's count.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::time::clock_getcpuclockid;
use nix::unistd::{Pid, SysconfVar, sysconf};
use serde::Serialize;

/// User and system time of all threads of a process, ended ones included, to the nanosecond: what utime and
/// stime of `/proc/PID/stat` are made from.
pub fn cpu(pid: Pid) -> anyhow::Result<Duration> {
    let clock = clock_getcpuclockid(pid).with_context(|| format!("no processor clock of process {pid}"))?;
    let time = clock
        .now()
        .with_context(|| format!("cannot read the processor clock of process {pid}"))?;
    Ok(Duration::from(time))
}

/// The same for a process's children that run.
pub fn children_cpu(pid: Pid) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = read(&path)?;
    let mut sum = Duration::ZERO;
    for child in children.split_whitespace() {
        let child = child
            .parse()
            .with_context(|| format!("not a process id in {path}: {child}"))?;
        sum += cpu(Pid::from_raw(child))?;
    }
    Ok(sum)
}

/// Resident memory of a process, in bytes. Mapped pages of kernel rings count as file pages.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// The most it ever was (`VmHWM`).
    pub peak: u64,
    /// All of it (`VmRSS`).
    pub resident: u64,
    /// Its own (`RssAnon`).
    pub anonymous: u64,
    /// Of files and rings (`RssFile`).
    pub file: u64,
    /// Shared (`RssShmem`).
    pub shared: u64,
}

impl Memory {
    /// Of a process that runs.
    pub fn of(pid: Pid) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/status");
        let status = read(&path)?;
        let bytes = |name: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            Ok(kib.with_context(|| format!("no {name} in {path}"))? * 1024)
        };
        Ok(Self {
            peak: bytes("VmHWM:")?,
            resident: bytes("VmRSS:")?,
            anonymous: bytes("RssAnon:")?,
            file: bytes("RssFile:")?,
            shared: bytes("RssShmem:")?,
        })
    }
}

/// A moment of the whole machine.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    at: Instant,
    processors: u32,
    /// Time of all processors together that was idle, waiting for a disk, or the hypervisor's.
    not_busy: Duration,
}

impl Moment {
    /// Now.
    pub fn now() -> anyhow::Result<Self> {
        let at = Instant::now();
        let stat = read("/proc/stat")?;
        let processors = stat
            .lines()
            .skip(1)
            .take_while(|line| line.starts_with("cpu"))
            .count();
        let ticks =
            not_busy_ticks(stat.lines().next().unwrap_or_default()).context("cannot read /proc/stat")?;
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        Ok(Self {
            at,
            processors: u32::try_from(processors)?,
            not_busy: Duration::from_secs_f64(ticks as f64 / per_second as f64),
        })
    }

    /// Time that all processors together have been busy since, interrupts included.
    ///
    /// It is what is left of the wall clock: idle time is exact on a kernel whose idle processors do not tick,
    /// while the busy columns of `/proc/stat` are sampled by the tick.
    pub fn busy_until(&self, later: &Moment) -> Duration {
        let not_busy = later.not_busy.saturating_sub(self.not_busy);
        self.time_until(later).saturating_sub(not_busy)
    }

    /// Time that all processors together had since.
    pub fn time_until(&self, later: &Moment) -> Duration {
        later.at.saturating_duration_since(self.at) * self.processors
    }
}

/// `cpu  user nice system idle iowait irq softirq steal guest guest_nice` (proc(5)): idle, iowait and steal.
fn not_busy_ticks(line: &str) -> Option<u64> {
    let columns: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map_while(|column| column.parse().ok())
        .collect();
    Some(columns.get(3)? + columns.get(4)? + columns.get(7)?)
}

/// Reads a file of `/proc`.
pub fn read(path: impl AsRef<Path>) -> anyhow::Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_waiting_and_stolen_time_is_not_busy() {
        assert_eq!(not_busy_ticks("cpu  10 20 30 4000 500 60 70 8 9 10"), Some(4508));
        assert_eq!(not_busy_ticks("cpu  10 20"), None);
    }

    #[test]
    fn the_processor_time_of_this_process_only_grows() {
        let this = Pid::this();
        let before = cpu(this).expect("this process's clock");
        assert!(cpu(this).expect("this process's clock") >= before);
    }
}

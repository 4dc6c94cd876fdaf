//! What the kernel says a process, the machine and its programs have used.

use std::time::Duration;

/// Memory and processor time of a process at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident: u64,
    /// The most it ever was, in bytes.
    pub peak_resident: u64,
}

/// What a process has used (`/proc/PID/stat`, `/proc/PID/status`); `None` when it is gone.
pub fn usage(pid: u32) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    // Fields after the name, which may hold spaces; utime and stime are fields 14 and 15 (proc(5)).
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Some(Usage {
        cpu: ticks_to_time(ticks),
        resident: kib("VmRSS:")? * 1024,
        peak_resident: kib("VmHWM:")? * 1024,
    })
}

/// A capability set of every thread of a process, `CapEff` for example, as the kernel prints it.
pub fn capabilities(pid: u32, set: &str) -> Vec<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
        .filter_map(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(set).map(str::to_owned))?;
            u64::from_str_radix(line.trim_start_matches(':').trim(), 16).ok()
        })
        .collect()
}

/// Time all processors together have been busy, interrupts included (`/proc/stat`).
pub fn machine_busy() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal: all but idle, iowait and what the hypervisor took.
    let busy = [0, 1, 2, 5, 6]
        .iter()
        .filter_map(|field| fields.get(*field))
        .sum();
    ticks_to_time(busy)
}

/// Processor time of all children that ended and were waited for.
pub fn ended_children() -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    let total = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(total.unsigned_abs())
}

fn ticks_to_time(ticks: u64) -> Duration {
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .unwrap_or(100);
    Duration::from_secs_f64(ticks as f64 / per_second as f64)
}

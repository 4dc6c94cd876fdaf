//! What the kernel says of a process.

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

/// Memory of its own that a process has resident, in bytes (`RssAnon`): the rings of the kernel are not in it.
pub fn own_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.expect("a size") * 1024
}

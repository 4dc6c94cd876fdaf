//! Figures of a process, by the kernel's count.

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

/// A thread's rights, as the kernel prints them (`proc_pid_status(5)`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The thread's name.
    pub name: String,
    /// `CapInh`, `CapPrm`, `CapEff`, `CapBnd` and `CapAmb`.
    pub capabilities: [String; 5],
    /// `NoNewPrivs`.
    pub no_new_privs: String,
    /// `Uid` and `Gid`: real, effective, saved and of the file system.
    pub ids: [String; 2],
    /// `Groups`.
    pub groups: String,
}

/// Every thread of a process.
pub fn tasks(pid: u32) -> Vec<Task> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let mut tasks: Vec<Task> = tasks
        .flatten()
        // One may have ended meanwhile.
        .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
        .map(|status| {
            let field = |name: &str| {
                let line = status
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.unwrap_or_else(|| panic!("no {name} in {status}"))
                    .trim()
                    .to_owned()
            };
            Task {
                name: field("Name"),
                capabilities: ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(field),
                no_new_privs: field("NoNewPrivs"),
                ids: ["Uid", "Gid"].map(field),
                groups: field("Groups"),
            }
        })
        .collect();
    tasks.sort_by(|one, other| one.name.cmp(&other.name));
    tasks
}

/// The processes that a process has started, and that it has not waited for.
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|children| {
            let numbers = children.split_whitespace().map(str::parse::<u32>);
            numbers.flatten().collect::<Vec<_>>()
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

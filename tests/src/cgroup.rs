//! Cgroups (v2) as kubelet's two cgroup drivers lay them out, deleted with the value that stands for them.
//!
//! The agent looks for them by their names from the root on, so they are called as a kubelet's would be. They stand below a
//! cgroup of the tests' own (as with kubelet's `cgroupRoot`): a kubelet of this machine removes what it does not know from
//! its own. What was there before is left alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::api_server::new_uid;

/// The prefix of ids of containers ("shadow" in ASCII); the process id follows, in 8 digits, so that leftovers of
/// the dead can be told.
const MARK: &str = "736861646f77";

/// The group that all of them stand in. No dash: that would be a level of a slice's path.
const TOP: &str = "shadowtests";

/// From a top down to a container in the deepest layout; the walk for leftovers goes no deeper.
const DEPTH: usize = 5;

/// How long the end of killed processes may take. Their cgroup cannot be removed before.
const KILL: Duration = Duration::from_secs(5);

/// A kubelet's `cgroupDriver`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Names with the whole path in them, dashes in the `uid` replaced.
    Systemd,
    /// Names as they are.
    Cgroupfs,
}

/// A pod's quality of service, which is a level of the hierarchy for all but guaranteed pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    /// Requests equal limits.
    Guaranteed,
    /// Some requests or limits.
    Burstable,
    /// Neither.
    BestEffort,
}

/// How a kubelet names cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its cgroup driver.
    pub driver: Driver,
    /// Whether its pods stand below a cgroup of its own (`cgroupRoot: /kubelet`), as in a node of kind: one level deeper.
    pub nested: bool,
}

/// A cgroup, and those above it that were not there. Dropping it kills what runs in it and removes what it made.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    /// The folders that were made for it, the outermost first.
    made: Vec<PathBuf>,
}

impl Layout {
    /// The cgroup of a pod, relative to the root of the hierarchy.
    pub fn pod(self, qos: Qos, uid: &str) -> PathBuf {
        let mut levels = vec![TOP.to_owned()];
        if self.nested {
            levels.push("kubelet".to_owned());
        }
        levels.push("kubepods".to_owned());
        levels.extend(qos.level().map(str::to_owned));
        match self.driver {
            Driver::Cgroupfs => levels.push(format!("pod{uid}")),
            Driver::Systemd => {
                levels.push(format!("pod{}", uid.replace('-', "_")));
                // A slice's name is its path, with dashes between the levels (systemd.slice(5)).
                levels = (1..=levels.len())
                    .map(|count| format!("{}.slice", levels[..count].join("-")))
                    .collect();
            }
        }
        levels.into_iter().collect()
    }

    /// The cgroup of a container, relative to the root of the hierarchy.
    pub fn container(self, qos: Qos, uid: &str, id: &str) -> PathBuf {
        self.pod(qos, uid).join(match self.driver {
            Driver::Systemd => format!("cri-containerd-{id}.scope"),
            Driver::Cgroupfs => id.to_owned(),
        })
    }
}

impl Default for Layout {
    /// As most nodes have it.
    fn default() -> Self {
        Self {
            driver: Driver::Systemd,
            nested: false,
        }
    }
}

impl Qos {
    /// Its name in a pod's status.
    pub fn class(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }

    fn level(self) -> Option<&'static str> {
        match self {
            Self::Guaranteed => None,
            Self::Burstable => Some("burstable"),
            Self::BestEffort => Some("besteffort"),
        }
    }
}

impl Cgroup {
    /// Makes a cgroup, and those above it that are not there. `path` is relative to the root of the hierarchy.
    pub fn new(path: &Path) -> Self {
        let root = root().expect("cgroup v2, mounted somewhere");
        let mut cgroup = Self {
            path: root.join(path),
            made: Vec::new(),
        };
        let mut here = root;
        for level in path {
            here.push(level);
            match fs::create_dir(&here) {
                Ok(()) => cgroup.made.push(here.clone()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot make the cgroup {}: {error}", here.display()),
            }
        }
        cgroup
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The processes in it.
    pub fn processes(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.made.contains(&self.path) {
            kill(&self.path);
        }
        for made in self.made.iter().rev() {
            // One that another has come to use stays.
            let _ = remove(made);
        }
    }
}

/// Where cgroup v2 is mounted, also beside v1 (systemd's hybrid hierarchy has it at `unified/`).
pub fn root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(mount_point)
}

/// The mount point in a line of mountinfo (`proc_pid_mountinfo(5)`) when it is one of cgroup v2.
fn mount_point(line: &str) -> Option<PathBuf> {
    let (mount, filesystem) = line.split_once(" - ")?;
    filesystem
        .starts_with("cgroup2 ")
        .then(|| mount.split(' ').nth(4).map(PathBuf::from))?
}

/// A new id for a container: 64 hexadecimal digits.
pub(crate) fn new_container_id() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Relaxed);
    let rest = new_uid().replace('-', "") + "0000";
    format!("{MARK}{:08x}{number:08x}{rest}", std::process::id())
}

/// The test process that a cgroup's name says has made it.
fn owner(name: &str) -> Option<u32> {
    let id = name.strip_prefix("cri-containerd-").unwrap_or(name);
    u32::from_str_radix(id.strip_prefix(MARK)?.get(..8)?, 16).ok()
}

/// Deletes cgroups of test runs that were killed, and what kills them leaves empty above.
pub(crate) fn delete_leftovers() {
    let Some(root) = root() else {
        return;
    };
    for top in [TOP.to_owned(), format!("{TOP}.slice")] {
        delete_leftovers_in(&root.join(top), DEPTH);
    }
}

fn delete_leftovers_in(folder: &Path, depth: usize) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.path().is_dir()) {
        match owner(&entry.file_name().to_string_lossy()) {
            Some(pid) if !Path::new(&format!("/proc/{pid}")).exists() => {
                kill(&entry.path());
                // Upwards as far as it is empty.
                let up = entry.path();
                let mut above = up.ancestors().take(DEPTH + 1);
                while above.next().is_some_and(|path| remove(path).is_ok()) {}
            }
            None if depth > 1 => delete_leftovers_in(&entry.path(), depth - 1),
            _ => {}
        }
    }
}

/// Kills what runs in a cgroup.
fn kill(path: &Path) {
    // Not there before Linux 5.14; then the cgroup stays, and the next run tries again.
    let _ = fs::write(path.join("cgroup.kill"), "1");
}

/// Removes a cgroup once its killed processes have ended.
fn remove(path: &Path) -> io::Result<()> {
    let deadline = Instant::now() + KILL;
    loop {
        match fs::remove_dir(path) {
            Err(error) if is_dying(path, &error) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// Whether a cgroup is busy for its processes' sake rather than for cgroups in it.
fn is_dying(path: &Path, error: &io::Error) -> bool {
    let has_cgroups = || {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.path().is_dir())
    };
    error.kind() == io::ErrorKind::ResourceBusy && !has_cgroups()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0a1b2c3d-0000-4000-8000-000000000001";

    #[test]
    fn the_systemd_driver_repeats_the_path_in_each_name() {
        let layout = Layout::default();
        assert_eq!(
            layout.container(Qos::Burstable, UID, "c0ffee"),
            Path::new("shadowtests.slice/shadowtests-kubepods.slice/shadowtests-kubepods-burstable.slice")
                .join("shadowtests-kubepods-burstable-pod0a1b2c3d_0000_4000_8000_000000000001.slice")
                .join("cri-containerd-c0ffee.scope")
        );
        assert_eq!(
            layout.pod(Qos::Guaranteed, UID),
            Path::new("shadowtests.slice/shadowtests-kubepods.slice")
                .join("shadowtests-kubepods-pod0a1b2c3d_0000_4000_8000_000000000001.slice")
        );
        let nested = Layout {
            nested: true,
            ..layout
        };
        assert_eq!(
            nested.pod(Qos::BestEffort, UID),
            Path::new("shadowtests.slice/shadowtests-kubelet.slice/shadowtests-kubelet-kubepods.slice")
                .join("shadowtests-kubelet-kubepods-besteffort.slice")
                .join(
                    "shadowtests-kubelet-kubepods-besteffort-pod0a1b2c3d_0000_4000_8000_000000000001.slice"
                )
        );
    }

    #[test]
    fn the_cgroupfs_driver_names_things_as_they_are() {
        let layout = Layout {
            driver: Driver::Cgroupfs,
            nested: false,
        };
        let burstable = format!("shadowtests/kubepods/burstable/pod{UID}/c0ffee");
        assert_eq!(
            layout.container(Qos::Burstable, UID, "c0ffee"),
            Path::new(&burstable)
        );
        assert_eq!(
            layout.pod(Qos::Guaranteed, UID),
            Path::new(&format!("shadowtests/kubepods/pod{UID}"))
        );
    }

    #[test]
    fn a_container_id_tells_its_owner() {
        let id = new_container_id();
        assert_eq!(id.len(), 64);
        assert!(id.chars().all(|c| c.is_ascii_hexdigit()));
        assert_eq!(owner(&id), Some(std::process::id()));
        assert_eq!(
            owner(&format!("cri-containerd-{id}.scope")),
            Some(std::process::id())
        );
        assert_eq!(owner(&id.replace('7', "8")), None);
    }

    #[test]
    fn cgroup_v2_is_found_beside_v1() {
        let v1 = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd";
        let v2 = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw";
        assert_eq!(mount_point(v1), None);
        assert_eq!(
            mount_point(v2).as_deref(),
            Some(Path::new("/sys/fs/cgroup/unified"))
        );
    }
}

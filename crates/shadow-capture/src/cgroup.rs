//! Where cgroup v2 is mounted.
//!
//! A container has a cgroup namespace of its own, and a mount that shows the container's cgroup as if it were the root.
//! Where the host's hierarchy is mounted too (Kubernetes: a `hostPath` volume), that is the one to take: a program
//! attached to the container's own cgroup sees the agent alone.

use std::cmp::Reverse;
use std::fs;
use std::path::PathBuf;

use super::error::CaptureError;

/// The cgroup v2 hierarchy, as far up as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupRoot {
    /// Where it is mounted.
    pub path: PathBuf,
    /// Whether it is the machine's root cgroup, not one below it.
    pub is_machine_root: bool,
}

/// Finds the highest cgroup v2 that this process sees.
///
/// # Errors
///
/// Where none is mounted.
pub fn cgroup2_root() -> Result<CgroupRoot, CaptureError> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let found = mount_points(&mounts);
    // cgroups(7): every cgroup but the root has this file.
    let is_root = |path: &PathBuf| path.join("cgroup.procs").exists() && !path.join("cgroup.type").exists();
    if let Some(path) = found.iter().find(|path| is_root(path)) {
        return Ok(CgroupRoot {
            path: path.clone(),
            is_machine_root: true,
        });
    }
    let highest = found.into_iter().next().ok_or(CaptureError::NoCgroup2)?;
    Ok(CgroupRoot {
        path: highest,
        is_machine_root: false,
    })
}

/// The mount points of cgroup v2 in the text of `/proc/self/mountinfo` (proc(5)), those that show more of the
/// hierarchy first. What is above the root of this process's cgroup namespace shows as `/..` (`cgroup_namespaces(7)`).
fn mount_points(mounts: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((mount, source)) = line.split_once(" - ") else {
            continue;
        };
        if source.split(' ').next() != Some("cgroup2") {
            continue;
        }
        let mut fields = mount.split(' ').skip(3);
        let (Some(root), Some(point)) = (fields.next(), fields.next()) else {
            continue;
        };
        let above = root.split('/').filter(|part| *part == "..").count();
        let below = root
            .split('/')
            .filter(|part| !part.is_empty() && *part != "..")
            .count();
        found.push((Reverse(above), below, PathBuf::from(unescape(point))));
    }
    // Stable: of equals, the one that was mounted first.
    found.sort_by_key(|(above, below, _)| (*above, *below));
    found.into_iter().map(|(_, _, point)| point).collect()
}

/// Spaces, tabs, newlines and backslashes stand as three octal digits.
fn unescape(field: &str) -> String {
    field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(mounts: &str) -> Option<PathBuf> {
        mount_points(mounts).into_iter().next()
    }

    #[test]
    fn a_hybrid_hierarchy_is_found_behind_the_v1_controllers() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n";
        assert_eq!(first(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
    }

    #[test]
    fn the_root_of_the_hierarchy_is_preferred_to_a_part_of_it() {
        let mounts = "41 31 0:38 /pod /mnt/a\\040part ro - cgroup2 cgroup2 rw\n\
                      42 31 0:38 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        assert_eq!(first(mounts), Some(PathBuf::from("/sys/fs/cgroup")));
        let part = mounts.lines().next().unwrap();
        assert_eq!(first(part), Some(PathBuf::from("/mnt/a part")));
    }

    #[test]
    fn the_hosts_hierarchy_is_preferred_to_the_containers_own() {
        let mounts = "41 31 0:38 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n\
                      42 31 0:38 /../../.. /host/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n\
                      43 31 0:38 /../sibling /elsewhere ro - cgroup2 cgroup2 rw\n";
        assert_eq!(first(mounts), Some(PathBuf::from("/host/sys/fs/cgroup")));
    }

    #[test]
    fn a_machine_with_cgroup_v1_alone_has_none() {
        assert_eq!(
            first("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"),
            None
        );
        assert_eq!(first(""), None);
        assert_eq!(first("garbage - cgroup2"), None);
    }

    #[test]
    fn this_machines_root_is_found() {
        if let Ok(root) = cgroup2_root() {
            assert!(root.path.join("cgroup.procs").exists(), "{root:?}");
        }
    }
}

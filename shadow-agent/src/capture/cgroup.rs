//! Where cgroup v2 is mounted.

use std::fs;
use std::path::PathBuf;

use super::error::CaptureError;

/// The root of the cgroup v2 hierarchy that this process sees.
pub fn cgroup2_root() -> Result<PathBuf, CaptureError> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    find(&mounts).ok_or(CaptureError::NoCgroup2)
}

/// The mount point of cgroup v2 in the text of `/proc/self/mountinfo` (proc(5)). One that shows the root of the
/// hierarchy is preferred to one that shows a part of it.
fn find(mounts: &str) -> Option<PathBuf> {
    let mut part = None;
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
        let point = PathBuf::from(unescape(point));
        if root == "/" {
            return Some(point);
        }
        part.get_or_insert(point);
    }
    part
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

    #[test]
    fn a_hybrid_hierarchy_is_found_behind_the_v1_controllers() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n";
        assert_eq!(find(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
    }

    #[test]
    fn the_root_of_the_hierarchy_is_preferred_to_a_part_of_it() {
        let mounts = "41 31 0:38 /pod /mnt/a\\040part ro - cgroup2 cgroup2 rw\n\
                      42 31 0:38 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        assert_eq!(find(mounts), Some(PathBuf::from("/sys/fs/cgroup")));
        let part = mounts.lines().next().unwrap();
        assert_eq!(find(part), Some(PathBuf::from("/mnt/a part")));
    }

    #[test]
    fn a_machine_with_cgroup_v1_alone_has_none() {
        assert_eq!(
            find("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"),
            None
        );
        assert_eq!(find(""), None);
        assert_eq!(find("garbage - cgroup2"), None);
    }
}

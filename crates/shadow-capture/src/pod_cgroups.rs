//! Which cgroup is which pod's, by the names that kubelet gives them.
//!
//! | driver | name of a pod's cgroup |
//! | --- | --- |
//! | systemd | `kubepods-burstable-pod0f3c_..._9d.slice`, without the class for Guaranteed pods; prefixes in front |
//! | cgroupfs | `pod0f3c-...-9d` below `kubepods` or `kubepods/burstable` |
//!
//! (kubernetes, `pkg/kubelet/cm/cgroup_manager_linux.go` and `pod_container_manager_linux.go`.) The containers of a pod
//! are below its cgroup, so that one that restarts, or starts later, needs no new look.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use shadow_common::MAX_POD_LEVEL;

use super::cgroup::cgroup2_root;
use super::error::CaptureError;

/// Directories looked at in one scan. A node with some hundreds of pods has a few thousand cgroups.
const MAX_DIRECTORIES: usize = 50_000;

/// A UID is a UUID, or for static pods 32 hexadecimal digits.
const UID_LENGTHS: [usize; 2] = [36, 32];

/// A pod's cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodCgroup {
    /// Its id: the inode number of its directory (`kernfs_ino`), never given to another cgroup.
    pub id: u64,
    /// Bits of the levels of the hierarchy where it may be.
    pub levels: u32,
}

/// Finds the cgroups of pods.
#[derive(Clone, Debug)]
pub struct PodCgroups {
    root: PathBuf,
    /// Whether levels below `root` are levels of the machine's hierarchy.
    levels_known: bool,
}

impl PodCgroups {
    /// Below the cgroup v2 root that the capture is attached to.
    ///
    /// # Errors
    ///
    /// Where no cgroup v2 hierarchy is mounted, or the mounts cannot be read.
    pub fn find() -> Result<Self, CaptureError> {
        let root = cgroup2_root()?;
        Ok(Self {
            root: root.path,
            levels_known: root.is_machine_root,
        })
    }

    /// Below a folder that stands for the machine's root cgroup.
    #[cfg(any(test, feature = "testing"))]
    pub fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            levels_known: true,
        }
    }

    /// Where the scan starts, for messages.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The cgroups of all pods on this node, by UID. Where the kernel's own names cannot be read there are none.
    pub fn scan(&self) -> HashMap<String, PodCgroup> {
        let mut found = HashMap::new();
        let mut left = MAX_DIRECTORIES;
        self.scan_below(&self.root, 1, &mut left, &mut found);
        found
    }

    fn scan_below(
        &self,
        directory: &Path,
        level: u32,
        left: &mut usize,
        found: &mut HashMap<String, PodCgroup>,
    ) {
        let Ok(entries) = fs::read_dir(directory) else {
            // It went meanwhile.
            return;
        };
        for entry in entries.flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let Some(rest) = left.checked_sub(1) else { return };
            *left = rest;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if let Some(uid) = pod_uid(&name) {
                if let Ok(metadata) = entry.metadata() {
                    let id = metadata.ino();
                    let levels = self.levels(level);
                    found.insert(uid, PodCgroup { id, levels });
                }
            } else if level < MAX_POD_LEVEL && !is_leaf(&name) {
                self.scan_below(&entry.path(), level + 1, left, found);
            }
        }
    }

    fn levels(&self, level: u32) -> u32 {
        if self.levels_known {
            1 << level
        } else {
            // All but the root's.
            (1 << (MAX_POD_LEVEL + 1)) - 2
        }
    }
}

/// The UID in the name of a pod's cgroup.
fn pod_uid(name: &str) -> Option<String> {
    let uid = match name.strip_suffix(".slice") {
        Some(slice) => {
            let (_, uid) = slice.rsplit_once("-pod")?;
            uid.replace('_', "-")
        }
        None => name.strip_prefix("pod")?.to_owned(),
    };
    let valid =
        UID_LENGTHS.contains(&uid.len()) && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    valid.then_some(uid)
}

/// No pod is below a service or another unit that is not a slice.
fn is_leaf(name: &str) -> bool {
    [".service", ".scope", ".mount", ".socket", ".swap"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0f3c1f66-8a4e-4d8c-9a57-21c1a2b7e39d";

    #[test]
    fn both_cgroup_drivers_name_the_uid() {
        let underscored = UID.replace('-', "_");
        for name in [
            format!("kubepods-burstable-pod{underscored}.slice"),
            format!("kubepods-pod{underscored}.slice"),
            format!("kubelet-kubepods-besteffort-pod{underscored}.slice"),
            format!("pod{UID}"),
        ] {
            assert_eq!(pod_uid(&name).as_deref(), Some(UID), "{name}");
        }
        assert_eq!(
            pod_uid("pod0123456789abcdef0123456789abcdef").as_deref(),
            Some("0123456789abcdef0123456789abcdef"),
            "a static pod"
        );
    }

    #[test]
    fn other_cgroups_are_no_pods() {
        for name in [
            "kubepods.slice",
            "kubepods-burstable.slice",
            "kubepods-podcast.slice",
            "podman",
            "pod",
            "system.slice",
            "pod0f3c1f66-8a4e-4d8c-9a57-21c1a2b7e39g",
            "",
        ] {
            assert_eq!(pod_uid(name), None, "{name}");
        }
    }

    #[test]
    fn pods_are_found_at_their_level_wherever_the_tree_begins() {
        let root = std::env::temp_dir().join(format!("shadow-agent-cgroups-{}", std::process::id()));
        let deep = root.join(format!("kubelet/kubepods/burstable/pod{UID}/container/nested"));
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(root.join(format!("system.slice/a.service/pod{UID}"))).unwrap();
        let pods = PodCgroups::below(&root);
        let found = pods.scan();
        let expected = fs::metadata(deep.parent().unwrap().parent().unwrap())
            .unwrap()
            .ino();
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[UID],
            PodCgroup {
                id: expected,
                levels: 1 << 4
            }
        );
        let unknown = PodCgroups {
            levels_known: false,
            ..pods
        };
        assert_eq!(unknown.scan()[UID].levels, 0xfffe);
        fs::remove_dir_all(root).unwrap();
    }
}

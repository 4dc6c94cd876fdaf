//! Which processes are meant: those that listen where the watched inputs have their servers.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cgroup::cgroup2_root;
use crate::plan::PodTarget;
use crate::settings::{LiveInput, LiveScope};

/// Directories of the cgroup hierarchy that are looked at for those of pods.
const MOST_DIRECTORIES: usize = 50_000;

/// The selected processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Servers by their addresses and ports, in any network namespace.
    pub inputs: Vec<LiveInput>,
    /// Servers by the pods that they run in.
    pub pods: Vec<PodTarget>,
    /// All servers, whatever they listen on.
    pub everybody: bool,
}

impl Selection {
    /// Whether a server that listens here is one of an input's. Of an interface's inputs only the ports are compared: which
    /// address packets will be for is not known.
    pub fn input_has(&self, address: SocketAddr) -> bool {
        let in_an_input = self.inputs.iter().any(|input| {
            let here = match &input.scope {
                LiveScope::Any | LiveScope::Interfaces(_) => true,
                LiveScope::Addresses(addresses) => {
                    address.ip().is_unspecified()
                        || addresses.iter().any(|one| one.to_canonical() == address.ip())
                }
            };
            here && input.ports.contains(&address.port())
        });
        in_an_input || self.everybody
    }

    /// Whether some pod's server may listen here.
    pub fn pod_has(&self, address: SocketAddr) -> bool {
        self.pods.iter().any(|pod| pod.ports.contains(&address.port()))
    }
}

/// The processes of pods, by the directories of their cgroups.
#[derive(Default)]
pub struct PodProcesses {
    directories: HashMap<u64, PathBuf>,
}

impl PodProcesses {
    /// The processes of these pods at this moment, and where the pods are, for the next time.
    pub fn of(&mut self, pods: &[PodTarget]) -> HashSet<u32> {
        let wanted: HashSet<u64> = pods.iter().map(|pod| pod.cgroup.id).collect();
        self.directories
            .retain(|id, path| wanted.contains(id) && path.exists());
        if wanted.iter().any(|id| !self.directories.contains_key(id))
            && let Ok(root) = cgroup2_root()
        {
            self.find(&root.path, &wanted);
        }
        let mut found = HashSet::new();
        let mut left = MOST_DIRECTORIES;
        for path in self.directories.values() {
            each_directory(path, &mut left, &mut |directory| {
                let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
                found.extend(members.lines().filter_map(|line| line.parse::<u32>().ok()));
                true
            });
        }
        // Processes of another PID namespace show as 0.
        found.remove(&0);
        found
    }

    fn find(&mut self, root: &Path, wanted: &HashSet<u64>) {
        let mut left = MOST_DIRECTORIES;
        each_directory(root, &mut left, &mut |directory| {
            let Ok(metadata) = fs::metadata(directory) else {
                return false;
            };
            if wanted.contains(&metadata.ino()) {
                self.directories.insert(metadata.ino(), directory.to_owned());
                return false;
            }
            true
        });
    }
}

/// Hands a directory, and those below it for as long as `each` says to go on, to `each`.
fn each_directory(directory: &Path, left: &mut usize, each: &mut impl FnMut(&Path) -> bool) {
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        let Some(rest) = left.checked_sub(1) else { return };
        *left = rest;
        if !each(&directory) {
            continue;
        }
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        waiting.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod_cgroups::PodCgroup;

    fn input(scope: LiveScope) -> Selection {
        let inputs = vec![LiveInput {
            scope,
            ports: vec![443],
        }];
        Selection {
            inputs,
            ..Selection::default()
        }
    }

    #[test]
    fn servers_are_selected_by_port_and_address() {
        let has = |selection: &Selection, address: &str| selection.input_has(address.parse().unwrap());
        let any = input(LiveScope::Any);
        assert!(has(&any, "127.0.0.1:443") && has(&any, "[::]:443"));
        assert!(!has(&any, "127.0.0.1:8443"));
        let one = input(LiveScope::Addresses(vec!["10.0.0.1".parse().unwrap()]));
        assert!(has(&one, "10.0.0.1:443") && has(&one, "0.0.0.0:443") && has(&one, "[::]:443"));
        assert!(!has(&one, "10.0.0.2:443"));
    }

    #[test]
    fn processes_of_a_pod_are_those_of_all_of_its_containers() {
        let root = std::env::temp_dir().join(format!("shadow-agent-pods-{}", std::process::id()));
        let pod = root.join("kubepods/pod");
        fs::create_dir_all(pod.join("container")).unwrap();
        fs::create_dir_all(root.join("other")).unwrap();
        fs::write(pod.join("cgroup.procs"), "").unwrap();
        fs::write(pod.join("container/cgroup.procs"), "12\n34\n0\n").unwrap();
        fs::write(root.join("other/cgroup.procs"), "56\n").unwrap();
        let id = fs::metadata(&pod).unwrap().ino();
        let mut processes = PodProcesses::default();
        processes.find(&root, &HashSet::from([id]));
        let target = PodTarget {
            cgroup: PodCgroup { id, levels: 4 },
            ports: vec![443],
        };
        assert_eq!(processes.of(&[target]), HashSet::from([12, 34]));
        assert_eq!(processes.of(&[]), HashSet::new());
        fs::remove_dir_all(root).unwrap();
    }
}

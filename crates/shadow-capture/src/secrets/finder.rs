//! Finds the processes that are meant, and keeps up with those that start and end.
//!
//! A process is meant that has a listening socket of a server that is watched, and one that such a process started and
//! that runs the same executable: a worker that is handed connections.
//!
//! A look costs little while nothing changes: a list of processes, and the listening sockets of each network namespace.
//! The open files of a process are looked through when it is new, and those of all when somebody must have a listening
//! socket that nobody is known to have.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;

use super::procfs::{FileKey, Proc};
use super::selection::{PodProcesses, Selection};

/// Looks until a socket that nobody was found to have is looked for again, doubled each time: its process may be one that
/// may not be looked into, or that is somewhere else.
const FIRST_PATIENCE: u32 = 2;

/// The most that it becomes.
const MOST_PATIENCE: u32 = 64;

/// Processes that are selected at most: those that the kernel's map has room for.
const MOST_SELECTED: usize = shadow_common::MAX_SECRET_PROCESSES as usize;

/// Everything known of all processes.
pub struct Finder {
    proc: Proc,
    selection: Selection,
    known: HashMap<u32, Known>,
    selected: HashMap<u32, Selected>,
    pods: PodProcesses,
    /// Listening sockets of selected processes, with those that have each open.
    owned: HashMap<u64, HashSet<u32>>,
    /// Those that nobody was found to have.
    unowned: HashMap<u64, Patience>,
    /// Processes where there are such sockets that may not be looked into.
    hidden: HashSet<u32>,
}

/// A process.
struct Known {
    parent: u32,
    /// Its network namespace; `None` where that may not be seen.
    network: Option<u64>,
}

/// A selected process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Its name.
    pub name: String,
    started: u64,
    executable: Option<FileKey>,
}

/// In how many looks a socket's process is looked for again.
struct Patience {
    left: u32,
    next: u32,
}

/// Listening sockets of one look.
#[derive(Default)]
struct Sockets {
    /// Those that an input means.
    inputs: HashSet<u64>,
    /// Those that some pod may mean.
    pods: HashSet<u64>,
    /// The namespaces that have some.
    networks: HashSet<u64>,
    /// The processes of the pods.
    of_pods: HashSet<u32>,
}

/// Changes that a look has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Processes that are selected from now on.
    pub selected: Vec<u32>,
    /// Processes that are no longer.
    pub left: Vec<u32>,
}

impl Finder {
    /// Knows nothing yet.
    pub fn new(proc: Proc, selection: Selection) -> Self {
        Self {
            proc,
            selection,
            known: HashMap::new(),
            selected: HashMap::new(),
            pods: PodProcesses::default(),
            owned: HashMap::new(),
            unowned: HashMap::new(),
            hidden: HashSet::new(),
        }
    }

    /// Means other processes from the next look on.
    pub fn select(&mut self, selection: Selection) {
        self.selection = selection;
        self.known.clear();
        self.owned.clear();
        self.unowned.clear();
        self.hidden.clear();
    }

    /// Where processes are read.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    /// The selected processes.
    pub fn selected(&self) -> &HashMap<u32, Selected> {
        &self.selected
    }

    /// How many processes may not be looked into, of those that may have a listening socket that is meant and whose
    /// process was not found.
    pub fn hidden(&self) -> usize {
        if self.unowned.is_empty() {
            0
        } else {
            self.hidden.len()
        }
    }

    /// Looks at all processes.
    pub fn look(&mut self) -> Changes {
        let mut changes = Changes::default();
        let Ok(processes) = self.proc.processes() else {
            return changes;
        };
        // After another selection was made all are new, and those that are still meant stay selected all the while.
        let anew = self.known.is_empty();
        let present: HashSet<u32> = processes.iter().copied().collect();
        self.known.retain(|process, _| present.contains(process));
        self.hidden.retain(|process| present.contains(process));
        self.drop_ended(&present, &mut changes);
        let mut new = self.meet(&processes);
        new.extend(self.follow_networks());
        let sockets = self.sockets();
        let all = self.is_search_due(&sockets);
        let searched = if all {
            self.known.keys().copied().collect()
        } else {
            new.clone()
        };
        let mut meant = self.search(&searched, &sockets);
        if all {
            self.wait_for_owners(&sockets);
        }
        if anew {
            let before = std::mem::take(&mut self.selected);
            for (process, selected) in before {
                if meant.contains(&process) {
                    meant.remove(&process);
                    self.selected.insert(process, selected);
                } else {
                    changes.left.push(process);
                }
            }
        }
        self.take(meant, new, &mut changes);
        changes
    }

    /// Looks at one process that may be new.
    pub fn look_at(&mut self, process: u32) -> Changes {
        let mut changes = Changes::default();
        if self.selected.contains_key(&process) {
            return changes;
        }
        self.meet(&[process]);
        // A worker has its first handshake now: nothing is read for it that it can do without.
        self.take(HashSet::new(), vec![process], &mut changes);
        if changes.selected.is_empty() {
            if let Some(known) = self.known.get_mut(&process) {
                known.network = self.proc.network(process).ok();
            }
            let sockets = self.sockets();
            let meant = self.search(&[process], &sockets);
            self.take(meant, Vec::new(), &mut changes);
        }
        changes
    }

    /// Forgets the selected processes that have ended, whoever has their numbers now, and those that have become another
    /// program.
    fn drop_ended(&mut self, present: &HashSet<u32>, changes: &mut Changes) {
        let (proc, known) = (&self.proc, &mut self.known);
        self.selected.retain(|process, selected| {
            let lives = present.contains(process)
                && proc
                    .stat(*process)
                    .is_some_and(|stat| stat.started == selected.started)
                && proc.executable(*process) == selected.executable;
            if !lives {
                changes.left.push(*process);
                known.remove(process);
            }
            lives
        });
    }

    /// Enters those that are not known; which they are.
    fn meet(&mut self, processes: &[u32]) -> Vec<u32> {
        let mut new = Vec::new();
        for process in processes {
            if self.known.contains_key(process) {
                continue;
            }
            let Some(stat) = self.proc.stat(*process) else {
                continue;
            };
            let known = Known {
                parent: stat.parent,
                network: self.proc.network(*process).ok(),
            };
            self.known.insert(*process, known);
            new.push(*process);
        }
        new
    }

    /// Sees which processes have entered another network namespace since they were met: those that a container is made of are
    /// met before they enter its own.
    fn follow_networks(&mut self) -> Vec<u32> {
        let mut moved = Vec::new();
        for (process, known) in &mut self.known {
            let network = self.proc.network(*process).ok();
            if network != known.network {
                known.network = network;
                moved.push(*process);
            }
        }
        moved
    }

    /// The listening sockets that are meant, in all network namespaces that may be looked into.
    fn sockets(&mut self) -> Sockets {
        let mut sockets = Sockets::default();
        let selection = &self.selection;
        let mut read = HashSet::new();
        for (process, known) in &self.known {
            let Some(network) = known.network.filter(|network| !read.contains(network)) else {
                continue;
            };
            let before = sockets.inputs.len() + sockets.pods.len();
            let input = |address| selection.input_has(address);
            let pod = |address| selection.pod_has(address);
            let mut listeners = self.proc.listeners(*process, input, &mut sockets.inputs);
            if listeners.is_ok() && !selection.pods.is_empty() {
                listeners = self.proc.listeners(*process, pod, &mut sockets.pods);
            }
            // One that has just ended says nothing of its namespace; the next one does.
            if listeners.is_ok() {
                read.insert(network);
            }
            if sockets.inputs.len() + sockets.pods.len() > before {
                sockets.networks.insert(network);
            }
        }
        if !self.selection.pods.is_empty() {
            sockets.of_pods = self.pods.of(&self.selection.pods);
        }
        sockets
    }

    /// Whether there is a socket whose process is not known and may be found by now.
    fn is_search_due(&mut self, sockets: &Sockets) -> bool {
        let is_listening = |socket: &u64| sockets.inputs.contains(socket) || sockets.pods.contains(socket);
        let known = &self.known;
        // A socket outlives its process where it was handed to another.
        self.owned.retain(|socket, holders| {
            holders.retain(|process| known.contains_key(process));
            is_listening(socket) && !holders.is_empty()
        });
        self.unowned.retain(|socket, _| is_listening(socket));
        let mut due = false;
        for socket in sockets.inputs.union(&sockets.pods) {
            if self.owned.contains_key(socket) {
                continue;
            }
            due |= self.unowned.get_mut(socket).is_none_or(|patience| {
                patience.left = patience.left.saturating_sub(1);
                patience.left == 0
            });
        }
        due
    }

    /// Notes for which sockets nobody was found.
    fn wait_for_owners(&mut self, sockets: &Sockets) {
        for socket in sockets.inputs.union(&sockets.pods) {
            if self.owned.contains_key(socket) {
                self.unowned.remove(socket);
                continue;
            }
            let patience = self.unowned.entry(*socket).or_insert(Patience {
                left: 0,
                next: FIRST_PATIENCE,
            });
            if patience.left == 0 {
                patience.left = patience.next;
                patience.next = (patience.next * 2).min(MOST_PATIENCE);
            }
        }
    }

    /// Which of these processes have a listening socket that is meant.
    fn search(&mut self, processes: &[u32], sockets: &Sockets) -> HashSet<u32> {
        let mut meant = HashSet::new();
        for process in processes {
            match self.known.get(process).map(|known| known.network) {
                Some(Some(network)) if sockets.networks.contains(&network) => {}
                Some(None) => {
                    self.hidden.insert(*process);
                    continue;
                }
                _ => continue,
            }
            let mut held = self.proc.open_sockets(*process, &sockets.inputs);
            if sockets.of_pods.contains(process)
                && let Ok(held) = &mut held
            {
                held.extend(
                    self.proc
                        .open_sockets(*process, &sockets.pods)
                        .unwrap_or_default(),
                );
            }
            match held {
                Ok(held) if held.is_empty() => {}
                Ok(held) => {
                    for socket in held {
                        self.owned.entry(socket).or_default().insert(*process);
                    }
                    meant.insert(*process);
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    self.hidden.insert(*process);
                }
                // It has ended.
                Err(_) => {}
            }
        }
        meant
    }

    /// Selects those that are meant, and those of the new ones that a selected one started to do its work.
    fn take(&mut self, meant: HashSet<u32>, mut new: Vec<u32>, changes: &mut Changes) {
        for process in meant {
            self.enter(process, changes);
        }
        // Children have higher numbers than their parents, nearly always.
        new.sort_unstable();
        for process in new {
            let parent = self
                .known
                .get(&process)
                .and_then(|known| self.selected.get(&known.parent));
            let same = parent.is_some_and(|parent| {
                parent.executable.is_some() && parent.executable == self.proc.executable(process)
            });
            if same {
                self.enter(process, changes);
            }
        }
    }

    fn enter(&mut self, process: u32, changes: &mut Changes) {
        if self.selected.contains_key(&process) || self.selected.len() >= MOST_SELECTED {
            return;
        }
        let Some(stat) = self.proc.stat(process) else {
            return;
        };
        let selected = Selected {
            name: self.proc.name(process),
            started: stat.started,
            executable: self.proc.executable(process),
        };
        self.selected.insert(process, selected);
        changes.selected.push(process);
    }
}

#[cfg(test)]
#[path = "finder_tests.rs"]
mod tests;

//! Processes of a `/proc` that is made here: the order of what a container's start or a reload does is this test's own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;
use crate::settings::{LiveInput, LiveScope};

const HEADER: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
/// A server at 127.0.0.1:443, by the inode of its socket.
const LISTENS_IN: &str =
    "   0: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0\n";

/// A `/proc`, removed with it.
struct FakeProc(PathBuf);

impl FakeProc {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("shadow-agent-finder-{name}-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        Self(root)
    }

    fn finder(&self) -> Finder {
        let inputs = vec![LiveInput {
            scope: LiveScope::Any,
            ports: vec![443],
        }];
        let selection = Selection {
            inputs,
            ..Selection::default()
        };
        Finder::new(Proc::at(&self.0), selection)
    }

    /// A process that runs `program` in a namespace where so much listens.
    fn start(&self, process: u32, parent: u32, program: &str, network: u64, listeners: &str) {
        let folder = self.0.join(process.to_string());
        for name in ["ns", "fd", "net"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let zeros = "0 ".repeat(17);
        let stat = format!("{process} ({program}) S {parent} {zeros}{process} 0 0\n");
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(folder.join("comm"), program).unwrap();
        let executable = self.0.join(program);
        fs::write(&executable, "").unwrap();
        symlink(executable, folder.join("exe")).unwrap();
        self.enter(process, network, listeners);
    }

    fn enter(&self, process: u32, network: u64, listeners: &str) {
        let folder = self.0.join(process.to_string());
        let _ = fs::remove_file(folder.join("ns/net"));
        symlink(format!("net:[{network}]"), folder.join("ns/net")).unwrap();
        fs::write(folder.join("net/tcp"), format!("{HEADER}{listeners}")).unwrap();
    }

    fn open_socket(&self, process: u32) {
        symlink("socket:[77]", self.0.join(format!("{process}/fd/3"))).unwrap();
    }

    fn end(&self, process: u32) {
        fs::remove_dir_all(self.0.join(process.to_string())).unwrap();
    }
}

impl Drop for FakeProc {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.0));
    }
}

#[test]
fn who_enters_its_network_namespace_late_is_found() {
    let proc = FakeProc::new("late");
    let mut finder = proc.finder();
    proc.start(10, 1, "server", 1, "");
    assert_eq!(finder.look(), Changes::default());
    proc.enter(10, 2, LISTENS_IN);
    proc.open_socket(10);
    assert_eq!(finder.look().selected, [10]);
}

#[test]
fn a_stranger_in_another_namespace_by_now_is_found() {
    let proc = FakeProc::new("stranger");
    let mut finder = proc.finder();
    proc.start(10, 1, "server", 1, "");
    finder.look();
    proc.enter(10, 2, LISTENS_IN);
    proc.open_socket(10);
    assert_eq!(finder.look_at(10).selected, [10]);
}

#[test]
fn a_socket_that_was_handed_over_is_looked_for_again() {
    let proc = FakeProc::new("handed");
    let mut finder = proc.finder();
    proc.start(10, 1, "server", 1, LISTENS_IN);
    proc.open_socket(10);
    proc.start(11, 1, "other", 1, LISTENS_IN);
    assert_eq!(finder.look().selected, [10]);
    proc.open_socket(11);
    proc.end(10);
    let changes = finder.look();
    assert_eq!((changes.selected, changes.left), (vec![11], vec![10]));
}

#[test]
fn a_socket_stays_found_while_one_of_its_processes_lives() {
    let proc = FakeProc::new("workers");
    let mut finder = proc.finder();
    for (process, parent) in [(10, 1), (11, 10)] {
        proc.start(process, parent, "server", 1, LISTENS_IN);
        proc.open_socket(process);
    }
    finder.look();
    proc.end(11);
    assert_eq!(finder.look().left, [11]);
    assert_eq!(finder.hidden(), 0);
    assert!(finder.selected().contains_key(&10));
}

#[test]
fn a_worker_is_told_by_its_parent_and_its_program() {
    let proc = FakeProc::new("worker");
    let mut finder = proc.finder();
    proc.start(10, 1, "server", 1, LISTENS_IN);
    proc.open_socket(10);
    finder.look();
    proc.start(11, 10, "server", 1, LISTENS_IN);
    assert_eq!(finder.look_at(11).selected, [11]);
    proc.start(12, 10, "helper", 1, LISTENS_IN);
    assert_eq!(finder.look_at(12), Changes::default());
}

#[test]
fn one_that_ends_under_a_look_hides_nobody_of_its_namespace() {
    let proc = FakeProc::new("zombies");
    proc.start(10, 1, "server", 1, LISTENS_IN);
    proc.open_socket(10);
    for process in 11..40 {
        proc.start(process, 1, "true", 1, LISTENS_IN);
        // What the kernel shows of a process that is over and still has its number (`get_proc_task_net`).
        fs::remove_file(proc.0.join(format!("{process}/net/tcp"))).unwrap();
    }
    assert_eq!(proc.finder().look().selected, [10]);
}

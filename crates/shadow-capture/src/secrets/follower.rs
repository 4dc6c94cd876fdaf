//! The thread that keeps probes where the selected processes are. It keeps what that needs in reserve, raises what a look
//! needs for the look and what attaching needs for attaching, and looks into executables with nothing.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aya::maps::{MapData, MapError};
use caps::Capability;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shadow_core::privileges::{self, PrivilegeError};
use tracing::{debug, info, warn};

use super::finder::{Changes, Finder};
use super::found::{Found, Gathered};
use super::libraries::Libraries;
use super::procfs::{FileKey, Mapped};
use super::selection::Selection;

/// Between two looks: a process that has started is found within this time, or at its first handshake.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// The most looks of the start.
const LOOKS_AT_START: usize = 3;

/// Selected processes whose mappings are read anew in one look, in turn: libraries that are loaded later.
const REREAD: usize = 32;

/// Looks after which a process that called a probed function and was not meant may be told again: it may have been handed a
/// listening socket since, or another have its number.
const FORGET: u32 = 60;

/// Times that the mappings of a new process are read anew first: it may not have become the program that it will be.
const YOUNG: u32 = 3;

/// The work of the thread.
pub struct Follower {
    pub finder: Finder,
    pub libraries: Libraries,
    /// The kernel's map of selected processes; `None`: there is no probe.
    pub processes: Option<aya::maps::HashMap<MapData, u32, u32>>,
    /// Those that the kernel has told and does not tell again.
    pub strangers: Option<aya::maps::HashMap<MapData, u32, u32>>,
    /// Looks so far.
    pub looks: u32,
    /// Files that the selected processes run.
    pub mapped: HashMap<u32, Mappings>,
    pub held: Held,
    pub found: Arc<Mutex<Found>>,
}

/// The capabilities that are in reserve, as far as they were there at the start.
#[derive(Clone, Default)]
pub struct Held {
    /// Those for looking at processes, and for changing a map.
    pub to_look: Vec<Capability>,
    /// Those for attaching, with those for looking.
    pub to_attach: Vec<Capability>,
}

/// The files that a process runs code from.
#[derive(Default)]
pub struct Mappings {
    files: Vec<FileKey>,
    error: Option<String>,
    reads: u32,
}

impl Follower {
    /// The first look, with the files of all that it finds looked into, until `deadline`. What is put off then is looked at
    /// again a few times: a second later a server has had its first handshakes.
    pub fn start(&mut self, deadline: Instant) {
        for _ in 0..LOOKS_AT_START {
            self.look();
            while self.libraries.has_waiting() && Instant::now() < deadline {
                self.look_into_next();
            }
            if !self.libraries.has_put_off() {
                break;
            }
        }
        self.tell();
    }

    /// Looks again and again until the other end of `ears` is closed.
    pub fn run(&mut self, ears: &UnixStream, strangers: &Receiver<u32>, orders: &Receiver<Selection>) {
        let mut next = Instant::now() + INTERVAL;
        loop {
            let wait = if self.libraries.has_waiting() {
                Duration::ZERO
            } else {
                next.saturating_duration_since(Instant::now())
            };
            match rung(ears, wait) {
                Ok(Bell::Closed) => return,
                Ok(Bell::Rang | Bell::Silent) => {}
                Err(error) => return warn!(%error, "processes that start from now on give no TLS secrets"),
            }
            let mut due = Instant::now() >= next;
            for selection in orders.try_iter() {
                self.finder.select(selection);
                due = true;
            }
            for process in strangers.try_iter() {
                self.look_at(process);
            }
            if due {
                self.look();
                next = Instant::now() + INTERVAL;
            }
            self.look_into_next();
            if !self.libraries.has_waiting() {
                self.tell();
            }
        }
    }

    fn look(&mut self) {
        let run = self.mapped.iter();
        let run = run.flat_map(|(process, mappings)| mappings.files.iter().map(|file| (*process, file)));
        self.libraries.next_look(run);
        let to_look = self.held.to_look.clone();
        let looked = with(&to_look, || {
            let changes = self.finder.look();
            self.apply(changes);
            self.reread();
            self.looks = self.looks.wrapping_add(1);
            if self.looks.is_multiple_of(FORGET) {
                self.forget_strangers();
            }
        });
        if let Err(error) = looked {
            warn!(%error, "cannot look for processes");
        }
    }

    /// Looks at a process that called a probed function and was not selected then.
    fn look_at(&mut self, process: u32) {
        let to_look = self.held.to_look.clone();
        let looked = with(&to_look, || {
            let changes = self.finder.look_at(process);
            self.apply(changes);
        });
        if let Err(error) = looked {
            warn!(%error, "cannot look for processes");
        }
    }

    fn apply(&mut self, changes: Changes) {
        for process in changes.left {
            debug!(process, "is not meant any more");
            self.mapped.remove(&process);
            self.change(|map| map.remove(&process));
        }
        for process in changes.selected {
            debug!(process, "is meant");
            self.change(|map| map.insert(process, 1, 0));
            self.mapped.insert(process, Mappings::default());
            self.read_mappings(process);
        }
    }

    /// Changes the kernel's map. A process that has ended may be gone from it.
    fn change(
        &mut self,
        change: impl FnOnce(&mut aya::maps::HashMap<MapData, u32, u32>) -> Result<(), MapError>,
    ) {
        if let Some(processes) = &mut self.processes
            && let Err(error) = change(processes)
        {
            warn!(%error, "cannot change the kernel map PROCESSES");
        }
    }

    fn forget_strangers(&mut self) {
        if let Some(strangers) = &mut self.strangers {
            let told: Vec<u32> = strangers.keys().flatten().collect();
            for process in told {
                // The kernel may have forgotten it by itself.
                let _ = strangers.remove(&process);
            }
        }
    }

    /// Reads the mappings of those that are young, and of some others in turn.
    fn reread(&mut self) {
        let mut due: Vec<(u32, u32)> = self
            .mapped
            .iter()
            .map(|(process, mappings)| (mappings.reads, *process))
            .collect();
        due.sort_unstable();
        let young = due.iter().filter(|(reads, _)| *reads < YOUNG).count();
        for (_, process) in due.into_iter().take(young.max(REREAD)) {
            self.read_mappings(process);
        }
    }

    fn read_mappings(&mut self, process: u32) {
        let read = self.finder.proc().executables(process);
        let Some(mappings) = self.mapped.get_mut(&process) else {
            return;
        };
        mappings.reads += 1;
        match read {
            Ok(mapped) => {
                mappings.files = mapped.iter().map(|mapped: &Mapped| mapped.key).collect();
                mappings.error = None;
                self.libraries.meet(process, &mapped);
            }
            Err(error) => mappings.error = Some(format!("its memory may not be looked into: {error}")),
        }
    }

    /// Opens the next file that waits, looks into it, and attaches to it.
    fn look_into_next(&mut self) {
        let to_look = self.held.to_look.clone();
        let opened = with(&to_look, || self.libraries.open_next(self.finder.proc()));
        let Ok(Some((process, mapped, file))) = opened else {
            return;
        };
        let Some(found) = self.libraries.look_into(process, mapped, file) else {
            return;
        };
        let to_attach = self.held.to_attach.clone();
        if let Err(error) = with(&to_attach, || self.libraries.attach(self.finder.proc(), found)) {
            warn!(%error, "cannot attach to a TLS library");
        }
    }

    /// Leaves word of what is found, and says so when it has changed.
    fn tell(&mut self) {
        let mut gathered = Gathered::default();
        for (process, selected) in self.finder.selected() {
            let Some(mappings) = self.mapped.get(process) else {
                continue;
            };
            let files = mappings.files.iter();
            let files = match &mappings.error {
                Some(error) => Err(error.as_str()),
                None => Ok(files.filter_map(|key| self.libraries.get(*process, *key))),
            };
            gathered.add(&selected.name, files);
        }
        let found = gathered.finish(self.finder.hidden());
        let mut told = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let news = !told.says_as_much_as(&found);
        if *told != found {
            *told = found.clone();
        }
        if news {
            info!("TLS secrets: {found}");
        }
    }
}

/// Runs `f` with these capabilities effective; without any, as it is.
fn with<R>(capabilities: &[Capability], f: impl FnOnce() -> R) -> Result<R, PrivilegeError> {
    if capabilities.is_empty() {
        Ok(f())
    } else {
        privileges::with(capabilities, f)
    }
}

enum Bell {
    Rang,
    Silent,
    Closed,
}

/// Waits for the bell, and takes what rang.
fn rung(ears: &UnixStream, wait: Duration) -> Result<Bell, Errno> {
    use std::os::fd::AsFd;

    let mut descriptors = [PollFd::new(ears.as_fd(), PollFlags::POLLIN)];
    // Rounded up: what is due in less than a millisecond is not asked for again and again.
    let wait = u16::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
    match poll(&mut descriptors, PollTimeout::from(wait)) {
        Ok(0) | Err(Errno::EINTR) => return Ok(Bell::Silent),
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    let mut rings = [0; 256];
    match (&mut &*ears).read(&mut rings) {
        Ok(0) => Ok(Bell::Closed),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Bell::Silent),
        Ok(_) | Err(_) => Ok(Bell::Rang),
    }
}

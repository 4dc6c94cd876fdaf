//! The files that selected processes run code from: which have a TLS library, and a probe on each of those.
//!
//! Each file is looked into once, and attached to once for all processes that run it, also later ones. It is let go of a
//! while after the last selected process that ran it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shadow_common::HookKind;
use shadow_hooks::{HookPoint, Hooks, NoHook, Options, hook_points};
use tracing::debug;

use super::bpf;
use super::load::Programs;
use super::procfs::{FileKey, Mapped, Proc};
use crate::error::CaptureError;

/// Files that are known at most; a process has some tens.
const MOST_FILES: usize = 8192;

/// Looks that a file is kept for after the last process that ran it: a server that is restarted finds its probe there.
const KEPT_FOR: u64 = 60;

/// Everything known of a file.
pub struct Library {
    /// The last part of its path.
    pub name: String,
    /// Its fate.
    pub state: State,
    /// The look in which a process was last seen to run it; `None` for one that was named, which stays.
    used: Option<u64>,
}

#[cfg(test)]
impl Library {
    /// One of this name and state, for tests.
    pub fn of(name: &str, state: State) -> Self {
        Self {
            name: name.to_owned(),
            state,
            used: None,
        }
    }
}

/// Fate of a file.
pub enum State {
    /// It has been met, and is looked into soon.
    Waiting,
    /// Probes are attached.
    Hooked {
        /// The libraries in it, each with how its secrets are had.
        libraries: Vec<(String, HookKind)>,
        /// Libraries in it that cannot be had.
        refused: Vec<NoHook>,
        /// Libraries in it that the kernel did not attach to, with its reason.
        failed: Vec<(String, io::Error)>,
        /// Dropping these detaches.
        _probes: Vec<Arc<Probe>>,
    },
    /// There is no hook.
    NoHook(NoHook),
    /// It has one, and the kernel did not attach to it.
    Refused(io::Error),
}

/// A probe at a place in a file.
pub struct Probe {
    _link: OwnedFd,
    identity: ProbeIdentity,
}

/// Identity of a probe in a file: files of equal bytes at different paths or in different containers may be one
/// and the same to the kernel (lower layers of overlays).
#[derive(Clone, Debug, PartialEq, Eq)]
struct ProbeIdentity {
    size: u64,
    modified: i64,
    kind: HookKind,
    offset: u64,
}

/// Which files are met, and what is done with them.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Files that processes run are looked into, not only those that were named.
    pub automatic: bool,
    /// Wishes for the places of probes.
    pub options: Options,
    /// Each process has probes of its own.
    pub one_by_one: bool,
}

/// All files.
pub struct Libraries {
    /// `None`: nothing is attached.
    programs: Option<Programs>,
    rules: Rules,
    files: HashMap<Key, Library>,
    waiting: VecDeque<(u32, Mapped)>,
    /// A file was put off since this was last asked.
    put_off: bool,
    look: u64,
}

/// A file; with a process where each has probes of its own.
type Key = (FileKey, Option<u32>);

/// A file that has been looked into and is to be attached to.
pub struct Found {
    /// The process that runs it, and where; `None` for one that was named.
    mapped: Option<(u32, Mapped)>,
    path: PathBuf,
    file: File,
    hooks: Hooks,
}

impl Libraries {
    /// Knows no file yet.
    pub fn new(programs: Option<Programs>, rules: Rules) -> Self {
        Self {
            programs,
            rules,
            files: HashMap::new(),
            waiting: VecDeque::new(),
            put_off: false,
            look: 0,
        }
    }

    /// A file that a process runs.
    pub fn get(&self, process: u32, key: FileKey) -> Option<&Library> {
        self.files
            .get(&(key, self.alone(process)))
            .or_else(|| self.files.get(&(key, None)))
    }

    fn alone(&self, process: u32) -> Option<u32> {
        self.rules.one_by_one.then_some(process)
    }

    /// Whether some file is to be looked into.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Notes that a process runs code from these files. Those that look like TLS libraries are looked into first.
    pub fn meet(&mut self, process: u32, mapped: &[Mapped]) {
        if !self.rules.automatic {
            return;
        }
        for mapped in mapped {
            if self.get(process, mapped.key).is_some() {
                continue;
            }
            if self.files.len() >= MOST_FILES {
                debug!(path = %mapped.path.display(), "too many files are run: not looked into");
                continue;
            }
            let library = Library {
                name: file_name(&mapped.path),
                state: State::Waiting,
                used: Some(self.look),
            };
            if may_be_tls(&library.name) {
                self.waiting.push_front((process, mapped.clone()));
            } else {
                self.waiting.push_back((process, mapped.clone()));
            }
            self.files.insert((mapped.key, self.alone(process)), library);
        }
    }

    /// Whether a file was put off since this was last asked: whoever runs it is to be met again.
    pub fn has_put_off(&mut self) -> bool {
        std::mem::take(&mut self.put_off)
    }

    fn put_off(&mut self, key: &Key, error: &io::Error) {
        if let Some(library) = self.files.remove(key) {
            debug!(name = library.name, %error, "cannot be looked into now");
        }
        self.put_off = true;
    }

    /// Opens the next file that waits.
    pub fn open_next(&mut self, proc: &Proc) -> Option<(u32, Mapped, io::Result<File>)> {
        let (process, mapped) = self.waiting.pop_front()?;
        let file = proc.open(process, &mapped);
        Some((process, mapped, file))
    }

    /// Looks into a file: hostile input, so that no capability is effective meanwhile. What it gives is to be attached.
    pub fn look_into(&mut self, process: u32, mapped: Mapped, file: io::Result<File>) -> Option<Found> {
        let key = (mapped.key, self.alone(process));
        let file = match file {
            // The process may have ended, or the agent be short of something; whoever runs the file is met again.
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_passing(&error) => {
                self.put_off(&key, &error);
                return None;
            }
            file => file.map_err(NoHook::from),
        };
        let hooks = file.and_then(|file| hook_points(&file, self.rules.options).map(|hooks| (file, hooks)));
        match hooks {
            Ok((file, hooks)) => Some(Found {
                path: mapped.path.clone(),
                mapped: Some((process, mapped)),
                file,
                hooks,
            }),
            Err(NoHook::Read(error)) if is_passing(&error) => {
                self.put_off(&key, &error);
                None
            }
            Err(reason) => {
                debug!(path = %mapped.path.display(), %reason, "no secrets are had here");
                self.set(key, State::NoHook(reason));
                None
            }
        }
    }

    /// Attaches to a file that somebody named, for whoever is selected and runs it.
    pub fn attach_named(&mut self, path: &Path) -> Result<(), CaptureError> {
        let failed = |reason: String| CaptureError::Library {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(|error| failed(format!("cannot be opened: {error}")))?;
        let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
        let hooks = hook_points(&file, self.rules.options).map_err(|reason| failed(reason.to_string()))?;
        let found = Found {
            mapped: None,
            path: path.to_owned(),
            file,
            hooks,
        };
        let state = self.attached(&Proc::new(), found);
        if let State::Refused(error) = &state {
            return Err(failed(format!("the kernel refused the probe: {error}")));
        }
        let library = Library {
            name: file_name(path),
            state,
            used: None,
        };
        self.files.insert((FileKey::of(&metadata), None), library);
        Ok(())
    }

    /// Attaches to a file that has been looked into.
    pub fn attach(&mut self, proc: &Proc, found: Found) {
        if let Some((process, mapped)) = &found.mapped {
            let key = (mapped.key, self.alone(*process));
            match self.attached(proc, found) {
                State::Refused(error) if is_passing(&error) => self.put_off(&key, &error),
                state => self.set(key, state),
            }
        }
    }

    fn attached(&self, proc: &Proc, found: Found) -> State {
        let (mut probes, mut libraries, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for point in &found.hooks.points {
            let library = point.library.clone();
            match self.attach_at(proc, &found, point) {
                Ok(probe) => {
                    probes.extend(probe);
                    libraries.push((library, point.kind));
                }
                Err(error) => failed.push((library, error)),
            }
        }
        if libraries.is_empty() && !failed.is_empty() {
            return State::Refused(failed.swap_remove(0).1);
        }
        debug!(path = %found.path.display(), points = ?found.hooks.points, "TLS secrets are had here");
        State::Hooked {
            libraries,
            refused: found.hooks.refused,
            failed,
            _probes: probes,
        }
    }

    fn attach_at(&self, proc: &Proc, found: &Found, point: &HookPoint) -> io::Result<Option<Arc<Probe>>> {
        let Some(programs) = &self.programs else {
            return Ok(None);
        };
        let metadata = found.file.metadata()?;
        let identity = ProbeIdentity {
            size: metadata.size(),
            modified: metadata.mtime(),
            kind: point.kind,
            offset: point.offset,
        };
        let alone = found
            .mapped
            .as_ref()
            .and_then(|(process, _)| self.alone(*process));
        if alone.is_none()
            && let Some(probe) = self.probe_at(&identity)
            && is_changed(proc, found, point.offset)
        {
            return Ok(Some(probe));
        }
        let program = programs
            .get(point.kind)
            .ok_or_else(|| io::Error::other("no program for this kind of function"))?;
        let link = bpf::attach(programs.kind(), program, found.file.as_fd(), point.offset, alone)?;
        Ok(Some(Arc::new(Probe {
            _link: link,
            identity,
        })))
    }

    /// A probe that is there already.
    fn probe_at(&self, identity: &ProbeIdentity) -> Option<Arc<Probe>> {
        let probes = self.files.values().flat_map(|library| match &library.state {
            State::Hooked { _probes: probes, .. } => probes.as_slice(),
            _ => &[],
        });
        probes
            .into_iter()
            .find(|probe| probe.identity == *identity)
            .map(Arc::clone)
    }

    fn set(&mut self, key: Key, state: State) {
        if let Some(library) = self.files.get_mut(&key) {
            library.state = state;
        }
    }

    /// Begins another look, in which these processes run these files, and lets go of those that no selected process has
    /// run for long.
    pub fn next_look<'a>(&mut self, run: impl Iterator<Item = (u32, &'a FileKey)>) {
        self.look += 1;
        for (process, key) in run {
            let key = (*key, self.alone(process));
            if let Some(used) = self.files.get_mut(&key).and_then(|library| library.used.as_mut()) {
                *used = self.look;
            }
        }
        let oldest = self.look.saturating_sub(KEPT_FOR);
        self.files
            .retain(|_, library| library.used.is_none_or(|used| used >= oldest));
        let files: HashSet<Key> = self.files.keys().copied().collect();
        let one_by_one = self.rules.one_by_one;
        self.waiting
            .retain(|(process, mapped)| files.contains(&(mapped.key, one_by_one.then_some(*process))));
    }
}

/// Whether an error says what the agent or the kernel is short of for the moment, rather than what a file is.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN | libc::EINTR)
    )
}

/// Whether the process's memory differs from the file at the place of a probe, which is there already then.
fn is_changed(proc: &Proc, found: &Found, offset: u64) -> bool {
    let Some((process, mapped)) = &found.mapped else {
        return false;
    };
    let Ok(file) = byte_at(&found.file, offset) else {
        return false;
    };
    proc.byte_of(*process, mapped, offset)
        .is_ok_and(|memory| memory != file)
}

fn byte_at(file: &File, offset: u64) -> io::Result<u8> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)?;
    Ok(byte[0])
}

/// The last part of a path, for people.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    name.chars()
        .filter(|character| !character.is_control())
        .take(64)
        .collect()
}

/// Whether a name says that a file has a TLS library.
fn may_be_tls(name: &str) -> bool {
    ["ssl", "crypto", "tls", "rustls"]
        .iter()
        .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_not_be_opened_for_now_is_met_again() {
        let rules = Rules {
            automatic: true,
            options: Options::default(),
            one_by_one: false,
        };
        let mut libraries = Libraries::new(None, rules);
        let path = std::env::current_exe().unwrap();
        let mapped = Mapped {
            key: FileKey::of(&path.metadata().unwrap()),
            path,
            range: "0-1000".to_owned(),
            offset: 0,
        };
        for (error, again) in [(libc::EMFILE, true), (libc::ENOMEM, true), (libc::EACCES, false)] {
            libraries.meet(7, std::slice::from_ref(&mapped));
            assert!(libraries.has_waiting());
            libraries.waiting.clear();
            let opened = Err(io::Error::from_raw_os_error(error));
            assert!(libraries.look_into(7, mapped.clone(), opened).is_none());
            assert_eq!(libraries.has_put_off(), again);
            assert!(!libraries.has_put_off());
            libraries.meet(7, std::slice::from_ref(&mapped));
            assert_eq!(libraries.has_waiting(), again);
            libraries.waiting.clear();
            libraries
                .files
                .retain(|_, library| !again || !matches!(library.state, State::Waiting));
        }
    }

    #[test]
    fn names_are_for_people() {
        assert_eq!(file_name(Path::new("/usr/lib/libcrypto.so.3")), "libcrypto.so.3");
        assert_eq!(file_name(Path::new("/a/b\u{1b}[2J")), "b[2J");
        assert!(may_be_tls("libgnutls.so.30") && may_be_tls("libssl.so.1.1") && !may_be_tls("libz.so.1"));
    }
}

//! Where one end-to-end test takes place: alone, in a folder of its own, with what it needs at hand.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use nix::fcntl::{Flock, FlockArg};

use crate::{cgroup, netns, process};

/// Open files that tests with thousands of connections want.
const OPEN_FILES: u64 = 100_000;

/// One test's place. Only one stage is open at a time on a machine: the tests share `lo` and the processors.
/// When the test fails its folder is kept (its path is printed), else it is removed.
pub struct Stage {
    name: String,
    folder: PathBuf,
    next: AtomicU32,
    _alone: Flock<File>,
}

impl Stage {
    /// Opens the stage when everything in `needs` is here; otherwise says and counts that `test` is skipped.
    /// Use [`stage!`](crate::stage!).
    pub fn open(test: &str, needs: &[&str]) -> Option<Self> {
        let missing: Vec<_> = needs.iter().copied().filter(|need| !is_here(need)).collect();
        if missing.is_empty() {
            return Some(Self::new(test));
        }
        let skip = format!("{test}: needs {}", missing.join(", "));
        println!("SKIPPED {skip}");
        assert!(
            std::env::var_os("SHADOW_AGENT_FORBID_SKIPS").is_none_or(|value| value != "1"),
            "skips are forbidden here: {skip}"
        );
        if let Some(path) = std::env::var_os("SHADOW_AGENT_SKIPS") {
            let mut file = File::options()
                .append(true)
                .open(path)
                .expect("the file of skips");
            writeln!(file, "{skip}").expect("the file of skips");
        }
        None
    }

    /// Opens the stage without asking for anything.
    pub fn new(test: &str) -> Self {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(target().join("end-to-end.lock"))
            .expect("the lock of the end-to-end tests");
        let alone = Flock::lock(lock, FlockArg::LockExclusive).expect("the lock of the end-to-end tests");
        netns::delete_leftovers();
        cgroup::delete_leftovers();
        raise_open_files();
        let name = test.replace("::", "-");
        let folder = target().join("end-to-end").join(&name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the test's folder");
        Self {
            name,
            folder,
            next: AtomicU32::new(0),
            _alone: alone,
        }
    }

    /// The test's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path in the test's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A number that was not given before on this stage.
    pub fn number(&self) -> u32 {
        self.next.fetch_add(1, Relaxed)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "what the programs of this test wrote is in {}",
                self.folder.display()
            );
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Where cargo builds: tests write nowhere else.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    )
}

fn is_here(need: &str) -> bool {
    match need {
        "root" => nix::unistd::geteuid().is_root(),
        "agent" => crate::agent::binary().is_some(),
        "kubectl" => process::program(&crate::manifests::kubectl().to_string_lossy()).is_some(),
        "helm" => crate::manifests::helm().is_some() && process::program("python3").is_some(),
        program => process::program(program).is_some(),
    }
}

/// As far as this process may: in a container the hard limit cannot be raised.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(OPEN_FILES)), hard);
    }
}

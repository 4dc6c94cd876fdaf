//! The directory of one run.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use shadow_core::named_file::is_foreign_link;

use super::run::Run;

/// For its owner alone: pairs hold what production's users sent and got.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The run's own file.
const RUN: &str = "run.json";
/// While it is written.
const RUN_NEW: &str = ".run.json.new";

/// A directory that a run has for itself.
#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Makes it, or takes one that is empty. `run` is the first that stands in it: of two runs that start at once one
    /// alone can put it there.
    pub fn create(path: &Path, run: &Run) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        if is_foreign_link(&path) {
            bail!("this is a symbolic link made by another user in a world-writable directory; name another");
        }
        match DirBuilder::new().mode(DIRECTORY_MODE).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut entries = path.read_dir().context("it cannot be read")?;
                ensure!(
                    entries.next().is_none(),
                    "it is not empty: each run needs a directory of its own"
                );
                ensure!(
                    path.metadata()?.mode() & 0o022 == 0,
                    "others can write to it: use chmod 700"
                );
            }
            made => made.context("cannot create it")?,
        }
        let directory = Self(path);
        directory
            .create_file(RUN)
            .and_then(|mut file| file.write_all(&json(run)))
            .context("cannot write there")?;
        Ok(directory)
    }

    /// Puts another run in the place of the one that is there, as a whole.
    pub fn write_run(&self, run: &Run) -> io::Result<()> {
        let new = self.0.join(RUN_NEW);
        let written = self
            .create_file(RUN_NEW)
            .and_then(|mut file| file.write_all(&json(run)))
            .and_then(|()| std::fs::rename(&new, self.0.join(RUN)));
        if written.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        written
    }

    /// Makes a segment.
    pub fn create_segment(&self, number: u64) -> io::Result<File> {
        self.create_file(&segment_name(number))
    }

    /// Removes a segment.
    pub fn remove_segment(&self, number: u64) -> io::Result<()> {
        std::fs::remove_file(self.0.join(segment_name(number)))
    }

    /// Never through a link, nor over a file that is there.
    fn create_file(&self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(self.0.join(name))
    }
}

fn json(run: &Run) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(run).unwrap_or_default();
    text.push(b'\n');
    text
}

/// Where the run's own file is.
pub(super) fn run_file(directory: &Path) -> PathBuf {
    directory.join(RUN)
}

/// The name of a segment.
pub(super) fn segment_name(number: u64) -> String {
    format!("pairs-{number:08}.gz")
}

/// The number of a segment by its name.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("pairs-")?.strip_suffix(".gz")?;
    let number = digits.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

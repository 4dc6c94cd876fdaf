//! Reads the directory of a run.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use shadow_record::recording::{Opened, open};

use super::directory::{run_file, segment_name, segment_number};
use super::record::{Broken, Kept, RecordReader};
use super::run::{FORMAT, Run, SCHEMA};

/// Largest `run.json`, in bytes.
const MAX_RUN: u64 = 16 << 20;

/// Why a directory cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It, or a file in it, cannot be opened.
    #[error("'{}': {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no run in it.
    #[error("'{}' is not a directory of --compare-store: {why}", path.display())]
    NoRun {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// A run that was kept.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
    run: Run,
    /// Numbers of the segments there are, in order.
    segments: Vec<u64>,
}

impl Store {
    /// Opens it. One that is written meanwhile can be read as far as it is there.
    ///
    /// # Errors
    ///
    /// Where the directory or its run file cannot be read, or is of another format or version.
    pub fn open(directory: &Path) -> Result<Self, ReadError> {
        let path = run_file(directory);
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| ReadError::Io { path, error }
        };
        let mut text = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(MAX_RUN).read_to_end(&mut text))
            .map_err(io(&path))?;
        let run = serde_json::from_slice::<Run>(&text).map_err(|error| error.to_string());
        let run = run.and_then(|run| match (&*run.format, run.schema) {
            (FORMAT, SCHEMA) => Ok(run),
            (FORMAT, newer) => Err(format!(
                "it has version {newer} of the format, this program reads version {SCHEMA}"
            )),
            _ => Err("it has another format".to_owned()),
        });
        let run = run.map_err(|why| ReadError::NoRun { path, why })?;
        let mut segments = Vec::new();
        for entry in directory.read_dir().map_err(io(directory))? {
            let name = entry.map_err(io(directory))?.file_name();
            segments.extend(name.to_str().and_then(segment_number));
        }
        segments.sort_unstable();
        Ok(Self {
            directory: directory.to_owned(),
            run,
            segments,
        })
    }

    /// The run that is kept.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Its records, in the order in which they were compared.
    pub fn records(&self) -> Records {
        Records {
            directory: self.directory.clone(),
            segments: self.segments.clone().into_iter(),
            current: None,
            damage: Damage::default(),
        }
    }
}

/// The parts of a run that cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Segments of which the rest, or all, cannot be read.
    pub segments: u64,
    /// The first of them, and why.
    pub first: Option<String>,
}

/// Reads the records of a run one by one. A segment whose end cannot be read is left there, and counted.
pub struct Records {
    directory: PathBuf,
    segments: std::vec::IntoIter<u64>,
    current: Option<(u64, RecordReader<Opened>)>,
    damage: Damage,
}

impl Records {
    /// The parts that could not be read so far.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    fn damaged(&mut self, number: u64, why: &Broken) {
        self.damage.segments += 1;
        let first = || format!("{}: {why}", segment_name(number));
        self.damage.first.get_or_insert_with(first);
    }
}

impl Iterator for Records {
    type Item = Kept;

    fn next(&mut self) -> Option<Kept> {
        loop {
            let Some((number, reader)) = &mut self.current else {
                let number = self.segments.next()?;
                let path = self.directory.join(segment_name(number));
                match File::open(path).and_then(open) {
                    Ok(opened) => self.current = Some((number, RecordReader::new(opened))),
                    Err(error) => self.damaged(number, &error.into()),
                }
                continue;
            };
            let number = *number;
            match reader.next_record() {
                Ok(Some(kept)) => return Some(kept),
                Ok(None) => self.current = None,
                Err(why) => {
                    self.current = None;
                    self.damaged(number, &why);
                }
            }
        }
    }
}

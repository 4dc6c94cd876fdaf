//! Which of the capture files are one capture, and how they are opened.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::settings::{Limit, RawInput, Settings};

/// Capture files that are one capture: those of the same ports and limit.
pub(super) struct Captured<'a> {
    pub ports: &'a [u16],
    pub limit: Option<Limit>,
    pub paths: Vec<PathBuf>,
}

/// The captures among the inputs.
pub(super) fn captures(settings: &Settings) -> Vec<Captured<'_>> {
    let mut captures: Vec<Captured<'_>> = Vec::new();
    for input in settings.inputs() {
        let RawInput::File { path, ports } = input else {
            continue;
        };
        let limit = settings.mirrors.iter().find_map(|mirror| mirror.limits.of(input));
        let same = |other: &&mut Captured<'_>| other.ports == *ports && other.limit == limit;
        match captures.iter_mut().find(same) {
            Some(capture) => capture.paths.push(path.clone()),
            None => captures.push(Captured {
                ports,
                limit,
                paths: vec![path.clone()],
            }),
        }
    }
    captures
}

/// A capture file's bytes, without its compression.
pub(super) fn content(file: File) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(crate::recording::open(file)?))
}

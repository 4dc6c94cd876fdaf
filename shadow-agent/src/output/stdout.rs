//! `--output-stdout`: records in `GoReplay`'s format.
//!
//! After a write that fails nothing can be written any more without tearing a record, so all that follows is dropped as
//! [`DropReason::WriteError`]. On a full disk the agent lives. Where the reader of a pipe has gone ([`reader_gone`]) the run
//! ends, as programs do that write to one.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Instant;

use anyhow::Context;
use tokio::sync::Notify;

use super::writer::{Sink, Writer};
use crate::mirror::ledger::DropReason;
use crate::recording::{Recorded, write_gor};

/// Bytes written at once, roughly.
const BATCH: usize = 256 * 1024;

/// Told when nobody reads this process's standard output any more.
static READER_GONE: Notify = Notify::const_new();

/// Resolves when nobody reads this process's standard output any more, as far as writing to it has shown.
pub async fn reader_gone() {
    READER_GONE.notified().await;
}

/// Starts the writer on this process's standard output.
pub(super) fn start(queue_bytes: usize) -> anyhow::Result<Writer> {
    // The file behind it, not `io::stdout()`, which would look for line ends in every body.
    let file = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .context("--output-stdout: standard output is closed")?;
    Writer::start(
        "--output-stdout",
        Stream::new(File::from(file)),
        queue_bytes,
        None,
    )
}

/// A stream that cannot go back.
pub(super) struct Stream<W> {
    to: W,
    buffer: Vec<u8>,
    /// When the first of what is in the buffer came.
    since: Option<Instant>,
    broken: bool,
}

impl<W> Stream<W> {
    pub(super) fn new(to: W) -> Self {
        Self {
            to,
            buffer: Vec::new(),
            since: None,
            broken: false,
        }
    }
}

impl<W: Write + Send + 'static> Sink for Stream<W> {
    fn add(&mut self, recorded: &Recorded) -> Result<(), DropReason> {
        if self.broken {
            return Err(DropReason::WriteError);
        }
        for record in recorded.records() {
            write_gor(record, &mut self.buffer);
        }
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn due(&self) -> Option<Instant> {
        self.since
    }

    fn is_full(&self) -> bool {
        self.buffer.len() >= BATCH
    }

    fn commit(&mut self) -> Result<(), DropReason> {
        self.since = None;
        let written = if self.broken {
            Err(io::ErrorKind::BrokenPipe.into())
        } else {
            self.to.write_all(&self.buffer).and_then(|()| self.to.flush())
        };
        self.buffer.clear();
        self.buffer.shrink_to(BATCH * 2);
        written.map_err(|error| {
            if !self.broken && error.kind() == io::ErrorKind::BrokenPipe {
                tracing::info!("the reader of standard output has exited");
                READER_GONE.notify_one();
            } else if !self.broken {
                tracing::error!(%error, "cannot write to standard output: all further requests are dropped");
            }
            self.broken = true;
            DropReason::WriteError
        })
    }
}

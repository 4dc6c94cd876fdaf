//! The acknowledged form ([`crate::relay::protocol`]): a record is delivered when the other side says that it was taken.

use std::cell::Cell;
use std::io;
use std::pin::pin;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpUserTimeout;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout};

use super::bounded_io::{closed, in_time, write_all};
use super::lane_sender::{BATCH, LaneSender};
use super::silence::{Silence, TRIES};
use crate::mirror::ledger::DropReason;
use crate::output::http::connect::Link;
use crate::relay::protocol::{Lines, frame, hello, read_acknowledgment, read_answer};

/// Error for a receiver without acknowledgments.
const NOT_ACKNOWLEDGING: &str = "the peer does not acknowledge: it must be a shadow-agent with --input-tcp; for \
    GoReplay remove --output-tcp-ack";

/// How long nothing may be heard of what was sent, in times of `--output-tcp-timeout`. A receiver that waits for its outputs
/// says every [`SAY_AGAIN`](crate::relay::protocol::SAY_AGAIN) that it is there.
const PATIENCE: u32 = 3;

/// A receiver, or what stands between, that takes what it is sent and says nothing of it.
const SILENT: &str = "the peer does not acknowledge what it was sent";

/// The records that one lane has sent, over all its connections.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The highest sequence that ever was.
    highest: u64,
    silence: Silence,
}

impl Sent {
    /// A connection was silent, and everything up to `due` was to be sent on it.
    fn unheard(&mut self, lane: &LaneSender, due: u64) {
        let Some(up_to) = self.silence.another(due.max(self.highest)) else {
            return;
        };
        let records = lane.give_up(up_to, DropReason::Timeout);
        if records > 0 {
            tracing::warn!(
                output = lane.output,
                records,
                "dropped (timeout): nothing was acknowledged on {TRIES} connections in a row"
            );
        }
    }
}

/// Carries records over an acknowledged connection.
pub(super) async fn carry(lane: &LaneSender, mut link: Link, sent: &mut Sent) -> io::Result<()> {
    let due = lane.latest();
    // A host that is gone says nothing: without this the kernel waits for a quarter of an hour.
    let patience = u32::try_from(lane.timeout.as_millis()).unwrap_or(u32::MAX);
    setsockopt(link.transport.socket(), TcpUserTimeout, &patience)?;
    let (mut read, mut write) = tokio::io::split(&mut link.transport);
    write_all(lane.timeout, &mut write, hello(&lane.session).as_bytes()).await?;
    let mut lines = Lines::default();
    let answer = in_time(lane.timeout, next_line(&mut read, &mut lines))
        .await
        .and_then(|said| read_answer(&said).map_err(io::Error::other));
    let answer = match answer {
        Ok(answer) => answer,
        // Silence, or something else than an answer.
        Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Other) => {
            if error.kind() == io::ErrorKind::TimedOut {
                sent.unheard(lane, due);
            }
            return Err(io::Error::new(error.kind(), NOT_ACKNOWLEDGING));
        }
        Err(error) => return Err(error),
    };
    let highest = Cell::new(sent.highest);
    let heard = Cell::new(answer > lane.delivered_up_to());
    let was_silent = Cell::new(false);
    acknowledge(lane, &highest, answer)?;
    // What is not acknowledged goes again, from the first on.
    let mut after = answer;
    // Since when something that was sent has been waiting for the other side to say anything.
    let waits = Cell::new(None);
    let patience = lane.timeout * PATIENCE;
    let acknowledgments = async {
        loop {
            // Whoever is slow says so; a line is not lost when the wait for it is over.
            let Ok(said) = timeout(patience / 4, next_line(&mut read, &mut lines)).await else {
                if waits
                    .get()
                    .is_some_and(|since: Instant| since.elapsed() >= patience)
                {
                    was_silent.set(true);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, SILENT));
                }
                continue;
            };
            let taken = read_acknowledgment(&said?).map_err(io::Error::other)?;
            acknowledge(lane, &highest, taken)?;
            heard.set(true);
            waits.set((taken < highest.get()).then(Instant::now));
        }
    };
    let frames = async {
        let mut bytes = Vec::new();
        while lane.wait(after).await {
            bytes.clear();
            for (sequence, record) in lane.batch(after) {
                bytes.extend_from_slice(frame(sequence, record.len()).as_bytes());
                bytes.extend_from_slice(&record);
                after = sequence;
            }
            highest.set(highest.get().max(after));
            waits.set(waits.get().or_else(|| Some(Instant::now())));
            write_all(lane.timeout, &mut write, &bytes).await?;
            bytes.shrink_to(2 * BATCH);
        }
        Ok(())
    };
    let acknowledgments = pin!(acknowledgments);
    let carried = tokio::select! {
        biased;
        lost = acknowledgments => lost,
        ended = frames => ended,
    };
    sent.highest = highest.get();
    if heard.get() {
        sent.silence.broken();
    }
    if was_silent.get() {
        sent.unheard(lane, due);
    }
    carried
}

/// The other side has taken all up to `taken`. It cannot have taken what was never sent.
fn acknowledge(lane: &LaneSender, highest: &Cell<u64>, taken: u64) -> io::Result<()> {
    if taken > highest.get() {
        return Err(io::Error::other("the peer acknowledges what was never sent"));
    }
    lane.delivered(taken);
    Ok(())
}

async fn next_line(read: &mut (impl AsyncRead + Unpin), lines: &mut Lines) -> io::Result<Vec<u8>> {
    let mut bytes = [0; 1024];
    loop {
        if let Some(line) = lines.next_line().map_err(io::Error::other)? {
            return Ok(line);
        }
        match read.read(&mut bytes).await? {
            0 => return Err(closed()),
            count => lines.push(&bytes[..count]),
        }
    }
}

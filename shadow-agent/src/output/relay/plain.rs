//! Records one behind the other, as `GoReplay` has them. A record is delivered when the socket has taken it: what the
//! other side makes of it is not known, and what was on its way when a connection is lost is lost with it.

use std::future::Future;
use std::io;
use std::pin::pin;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::worker::{BATCH, Worker, closed, stalled};
use crate::output::http::connect::Link;
use crate::recording::SEPARATOR;

/// Carries records over a plain connection.
pub(super) async fn carry(worker: &Worker, mut link: Link) -> io::Result<()> {
    // What TLS has taken may not have left yet.
    let buffered = worker.settings.tls.is_some();
    let (read, mut write) = tokio::io::split(&mut link.transport);
    let mut ended = pin!(until_closed(read));
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    loop {
        tokio::select! {
            biased;
            error = &mut ended => return Err(error),
            more = worker.lanes.wait(worker.lane, 0) => if !more {
                return Ok(());
            }
        }
        bytes.clear();
        ends.clear();
        for (sequence, record) in worker.lanes.batch(worker.lane, 0, BATCH) {
            bytes.extend_from_slice(&record);
            bytes.extend_from_slice(SEPARATOR);
            ends.push((bytes.len(), sequence));
        }
        let mut arrived = ends.iter().peekable();
        let mut written = 0;
        while written < bytes.len() {
            written += tokio::select! {
                biased;
                error = &mut ended => return Err(error),
                taken = in_time(worker, write.write(&bytes[written..])) => taken?,
            };
            while let Some((_, sequence)) = arrived.next_if(|(end, _)| !buffered && *end <= written) {
                worker.lanes.delivered(worker.lane, *sequence);
            }
        }
        if let Some((_, sequence)) = ends.last() {
            in_time(worker, write.flush()).await?;
            worker.lanes.delivered(worker.lane, *sequence);
        }
        bytes.shrink_to(2 * BATCH);
    }
}

/// Reads what nobody asked for until there is no more: tickets of TLS are in it, and the end.
pub(super) async fn until_closed(mut read: impl AsyncRead + Unpin) -> io::Error {
    let mut bytes = [0; 512];
    loop {
        match read.read(&mut bytes).await {
            Ok(0) => return closed(),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// Bounds a step of the writer.
pub(super) async fn in_time<T>(worker: &Worker, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(worker.settings.timeout, step)
        .await
        .unwrap_or_else(|_| Err(stalled()))
}

/// Writes all of it, each step in time.
pub(super) async fn write_all(
    worker: &Worker,
    write: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        written += in_time(worker, write.write(&bytes[written..])).await?;
    }
    in_time(worker, write.flush()).await
}

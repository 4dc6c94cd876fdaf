//! Records one behind the other, as `GoReplay` has them. A record is delivered when the socket has taken it: what the
//! other side makes of it is not known, and what was on its way when a connection is lost is lost with it.

use std::io;
use std::pin::pin;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::bounded_io::{closed, in_time};
use super::lane_sender::{BATCH, LaneSender};
use crate::output::http::connect::Link;
use crate::recording::SEPARATOR;

/// Carries records over a plain connection. `buffered`: what the connection has taken may not have left yet.
pub(super) async fn carry(lane: &LaneSender, mut link: Link, buffered: bool) -> io::Result<()> {
    let (read, mut write) = tokio::io::split(&mut link.transport);
    let mut ended = pin!(until_closed(read));
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    loop {
        tokio::select! {
            biased;
            error = &mut ended => return Err(error),
            more = lane.wait(0) => if !more {
                return Ok(());
            }
        }
        bytes.clear();
        ends.clear();
        for (sequence, record) in lane.batch(0) {
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
                taken = in_time(lane.timeout, write.write(&bytes[written..])) => taken?,
            };
            while let Some((_, sequence)) = arrived.next_if(|(end, _)| !buffered && *end <= written) {
                lane.delivered(*sequence);
            }
        }
        if let Some((_, sequence)) = ends.last() {
            in_time(lane.timeout, write.flush()).await?;
            lane.delivered(*sequence);
        }
        bytes.shrink_to(2 * BATCH);
    }
}

/// Reads what nobody asked for until there is no more: tickets of TLS are in it, and the end.
async fn until_closed(mut read: impl AsyncRead + Unpin) -> io::Error {
    let mut bytes = [0; 512];
    loop {
        match read.read(&mut bytes).await {
            Ok(0) => return closed(),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

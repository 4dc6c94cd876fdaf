//! WebSocket: each binary message is a header line and a payload, without the separator of files. A record is delivered
//! when the socket has taken it, as in the plain form.

use std::io;
use std::pin::pin;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::bounded_io::{closed, in_time, write_all};
use super::lane_sender::{BATCH, LaneSender};
use super::websocket::{Handshake, Kind, read_frame, write_frame};
use crate::output::http::connect::Link;
use crate::secret::Secret;

/// Carries records over a WebSocket. `url` is without userinfo.
pub(super) async fn carry(
    lane: &LaneSender,
    mut link: Link,
    url: &str,
    authorization: Option<&Secret>,
) -> io::Result<()> {
    let (read, mut write) = tokio::io::split(&mut link.transport);
    let mut incoming = Incoming {
        read,
        bytes: Vec::new(),
        pong: None,
    };
    let handshake = Handshake::new(url, authorization.map(|Secret(value)| value.as_str()))?;
    write_all(lane.timeout, &mut write, &handshake.request).await?;
    in_time(lane.timeout, incoming.shake_hands(&handshake)).await?;
    let mut frame = Vec::new();
    loop {
        let more = tokio::select! {
            biased;
            pinged = incoming.until_pinged() => pinged.map(|()| true)?,
            more = lane.wait(0) => more,
        };
        if !more {
            frame.clear();
            write_frame(Kind::Close, &[], &mut frame)?;
            return write_all(lane.timeout, &mut write, &frame).await;
        }
        for (sequence, record) in lane.batch(0) {
            frame.clear();
            write_frame(Kind::Binary, &record, &mut frame)?;
            let mut sending = pin!(write_all(lane.timeout, &mut write, &frame));
            loop {
                tokio::select! {
                    biased;
                    pinged = incoming.until_pinged() => pinged?,
                    sent = &mut sending => break sent?,
                }
            }
            lane.delivered(sequence);
        }
        if let Some(payload) = incoming.pong.take() {
            frame.clear();
            write_frame(Kind::Pong, &payload, &mut frame)?;
            write_all(lane.timeout, &mut write, &frame).await?;
        }
        frame.shrink_to(2 * BATCH);
    }
}

/// The stream from the other side.
struct Incoming<R> {
    read: R,
    /// Bytes that were read and are no whole frame yet.
    bytes: Vec<u8>,
    /// The payload that the last ping is to be answered with; those before it need no answer (section 5.5.3).
    pong: Option<Vec<u8>>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    async fn shake_hands(&mut self, handshake: &Handshake) -> io::Result<()> {
        loop {
            if let Some(length) = handshake.answered(&self.bytes)? {
                self.bytes.drain(..length);
                return Ok(());
            }
            self.more().await?;
        }
    }

    /// Reads until a ping has come. Never ends well otherwise; may be dropped and called again.
    async fn until_pinged(&mut self) -> io::Result<()> {
        loop {
            while let Some((frame, length)) = read_frame(&self.bytes)? {
                match frame.kind {
                    Some(Kind::Close) => return Err(closed()),
                    Some(Kind::Ping) => self.pong = Some(frame.payload.to_vec()),
                    _ => {}
                }
                let pinged = frame.kind == Some(Kind::Ping);
                self.bytes.drain(..length);
                if pinged {
                    return Ok(());
                }
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.read.read_buf(&mut self.bytes).await? {
            0 => Err(closed()),
            _ => Ok(()),
        }
    }
}

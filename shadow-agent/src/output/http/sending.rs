//! A request on its way into a socket: what the socket did not take yet.

use std::io;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};

use super::transport::Transport;

/// The rest of a request that is being written.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// The part of the head that was not taken at once.
    head: Vec<u8>,
    head_sent: usize,
    /// The part of the body that was not taken yet.
    body: Bytes,
    /// Bytes of the request that the socket took.
    taken: usize,
    failed: bool,
}

impl Sending {
    /// Begins with a request, outside of a task: writes what the socket takes at once. `head` may hold the heads of requests
    /// behind it, if it has no body.
    pub(super) fn begin(&mut self, transport: &mut Transport, head: &[u8], body: Bytes) {
        self.body = body;
        self.head.clear();
        self.head_sent = 0;
        self.failed = false;
        self.taken = match transport.try_write(head, &self.body) {
            Ok(taken) => taken,
            Err(error) => {
                self.failed = error.kind() != io::ErrorKind::WouldBlock;
                0
            }
        };
        if self.taken < head.len() {
            self.head.extend_from_slice(&head[self.taken..]);
        } else {
            self.body.advance(self.taken - head.len());
        }
    }

    /// Writes what the socket takes now, and wakes the task when it takes more. Whether the last byte was taken by this call.
    pub(super) fn poll(&mut self, transport: &mut Transport, cx: &mut Context<'_>) -> bool {
        if self.failed {
            return false;
        }
        let mut completed = false;
        while !self.is_whole() {
            match transport.poll_write(cx, &self.head[self.head_sent..], &self.body) {
                Poll::Pending => break,
                Poll::Ready(Ok(taken)) if taken > 0 => {
                    self.taken += taken;
                    let head = taken.min(self.head.len() - self.head_sent);
                    self.head_sent += head;
                    self.body.advance(taken - head);
                    completed = self.is_whole();
                }
                Poll::Ready(_) => {
                    self.failed = true;
                    return false;
                }
            }
        }
        if let Poll::Ready(Err(_)) = transport.poll_flush(cx) {
            self.failed = true;
        }
        completed
    }

    /// Whether nothing is left to be written.
    pub(super) fn is_whole(&self) -> bool {
        self.head_sent == self.head.len() && self.body.is_empty()
    }

    /// Whether the shadow does not take the rest; its answer may be there all the same.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the socket took any byte of it.
    pub(super) fn has_begun(&self) -> bool {
        self.taken > 0
    }

    /// A request that the socket took whole.
    #[cfg(test)]
    pub(super) fn sent() -> Self {
        Self {
            taken: 1,
            ..Self::default()
        }
    }
}

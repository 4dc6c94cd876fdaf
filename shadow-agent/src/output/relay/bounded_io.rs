//! Steps of writing and reading that the other side must make possible in time, and what is said of one that does not.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The other side closed the connection.
pub(super) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed the connection")
}

/// The other side takes nothing.
fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")
}

/// Bounds a step.
pub(super) async fn in_time<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, step).await.unwrap_or_else(|_| Err(stalled()))
}

/// Writes all of it, each step in time.
pub(super) async fn write_all(
    limit: Duration,
    write: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        written += in_time(limit, write.write(&bytes[written..])).await?;
    }
    in_time(limit, write.flush()).await
}

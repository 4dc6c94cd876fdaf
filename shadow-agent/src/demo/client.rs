//! The demo's client connection: writes requests, one or several behind each other, and reads their answers to the end.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::requests::DemoRequest;

/// Header fields of an answer at most.
const MAX_FIELDS: usize = 32;

/// A connection to the shop.
pub struct Connection {
    stream: TcpStream,
    host: String,
    read: BytesMut,
}

impl Connection {
    /// Connects.
    pub async fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server)
            .await
            .with_context(|| format!("cannot connect to {server}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: server.to_string(),
            read: BytesMut::new(),
        })
    }

    /// Sends all of them at once, and reads the answers one after another.
    pub async fn exchange(&mut self, requests: &[DemoRequest]) -> anyhow::Result<()> {
        let bytes: Vec<u8> = requests
            .iter()
            .flat_map(|request| request.bytes(&self.host))
            .collect();
        self.stream.write_all(&bytes).await?;
        for request in requests {
            self.answer(request.method == "HEAD").await?;
        }
        Ok(())
    }

    /// Reads an answer; one without a length has no body.
    async fn answer(&mut self, to_head: bool) -> anyhow::Result<()> {
        let (head, length) = loop {
            if let Some(found) = head(&self.read)? {
                break found;
            }
            self.fill().await?;
        };
        let all = head + if to_head { 0 } else { length };
        while self.read.len() < all {
            self.fill().await?;
        }
        self.read.advance(all);
        Ok(())
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        ensure!(
            self.stream.read_buf(&mut self.read).await? > 0,
            "the server closed the connection inside a response"
        );
        Ok(())
    }
}

/// Bytes of a whole head, and its content length.
fn head(bytes: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = response.parse(bytes)? else {
        return Ok(None);
    };
    let named = |name| {
        let mut fields = response.headers.iter();
        fields.find(move |field| field.name.eq_ignore_ascii_case(name))
    };
    if named("transfer-encoding").is_some() {
        bail!("the shop answers with a length");
    }
    let length = match named("content-length") {
        Some(field) => std::str::from_utf8(field.value)?.parse()?,
        None => 0,
    };
    Ok(Some((head, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap(), None);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(head(answer).unwrap(), Some((38, 5)));
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), Some((27, 0)));
        assert!(head(b"nonsense").is_err());
    }
}

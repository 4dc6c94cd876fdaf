//! openssl's own client: what of TLS no other client can be told to do.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

use super::Version;
use crate::{DEADLINE, Netns};

/// A connection that `openssl s_client` holds. Dropping it closes it.
pub struct SClient {
    child: Child,
    stdin: ChildStdin,
    output: Receiver<Vec<u8>>,
    said: String,
}

impl SClient {
    /// Connects from `netns`, with more of `s_client`'s options, and waits for the handshake's end.
    pub fn open(netns: &Netns, to: SocketAddr, version: Version, options: &[&str]) -> Self {
        let version = match version {
            Version::Tls12 => "-tls1_2",
            Version::Tls13 => "-tls1_3",
        };
        let mut command = netns.command("openssl");
        command
            .args(["s_client", version, "-connect", &to.to_string()])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("openssl starts");
        let stdin = child.stdin.take().expect("its input");
        let (sender, output) = channel();
        // It says on one what the server sends, and on the other what it does itself.
        collect(child.stdout.take().expect("its output"), sender.clone());
        collect(child.stderr.take().expect("its errors"), sender);
        let mut client = Self {
            child,
            stdin,
            output,
            said: String::new(),
        };
        client.wait_for("Verify return code:", 1);
        client
    }

    /// Sends a request, waits for the end of its answer, and gives the answer.
    pub fn get(&mut self, uri: &str, id: &str) -> String {
        let before = self.said.len();
        // One write: it looks for commands at the start of what it reads only.
        self.write(&format!(
            "GET {uri} HTTP/1.1\r\nHost: production.test\r\nX-Id: {id}\r\n\r\n"
        ));
        self.wait_for_answer(before);
        self.said[before..].to_owned()
    }

    /// Asks for new keys in both directions (RFC 8446, 4.6.3).
    pub fn update_keys(&mut self) {
        self.write("K\n");
        self.wait_for("KEYUPDATE", 1);
        self.said.clear();
    }

    /// Waits for the answer to early data, which the server took as such, of a session that it resumed.
    ///
    /// nginx says `1` behind that (`$ssl_early_data`) where it came to the request before the handshake was over: either may be first.
    pub fn is_answered_early(&mut self) {
        self.wait_for_answer(0);
        for text in ["\nEarly data was accepted\n", "\r\nTLSv1.3 r "] {
            assert!(self.said.contains(text), "{text:?} in:\n{}", self.said);
        }
    }

    /// Waits for its session's ticket, which comes behind the handshake in TLS 1.3, and closes.
    pub fn close(mut self) {
        self.write("Q\n");
        self.child.wait().expect("openssl ends");
    }

    fn write(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).expect("openssl reads");
        self.stdin.flush().expect("openssl reads");
    }

    /// The end of a body of the tests' nginx: its page, or what `/tls` says.
    fn wait_for_answer(&mut self, from: usize) {
        self.read_until("a whole answer", |said| {
            let answer = said.get(from..)?;
            let (head, body) = answer
                .split_at(answer.find("HTTP/1.1 200")?)
                .1
                .split_once("\r\n\r\n")?;
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))?;
            (body.len() >= length.parse().ok()?).then_some(())
        });
    }

    fn wait_for(&mut self, text: &str, times: usize) {
        self.read_until(text, |said| (said.matches(text).count() >= times).then_some(()));
    }

    fn read_until(&mut self, what: &str, done: impl Fn(&str) -> Option<()>) {
        let deadline = Instant::now() + DEADLINE;
        while done(&self.said).is_none() {
            match self
                .output
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.said.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => {
                    let state = match error {
                        RecvTimeoutError::Disconnected => "ended",
                        RecvTimeoutError::Timeout => "ran on",
                    };
                    panic!("openssl {state} without {what:?}; it said:\n{}", self.said);
                }
            }
        }
    }
}

fn collect(mut from: impl Read + Send + 'static, into: Sender<Vec<u8>>) {
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            if into.send(chunk[..count].to_vec()).is_err() {
                return;
            }
        }
    });
}

impl Drop for SClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A call of gRPC that lasts for as long as a test wants, by `tests/fixtures/grpc/talk.py`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A call that lasts. Dropping it kills its client.
pub struct Talk {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Talk {
    /// Begins the call that a command makes.
    pub(crate) fn begin(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("its client starts");
        let said = child.stdout.take().expect("its output is piped");
        Self {
            child,
            said: BufReader::new(said),
        }
    }

    /// Sends a message.
    pub fn say(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("it has not ended");
        writeln!(input, "{text}").expect("its client reads");
    }

    /// Waits for what the client says next: an answer, or `over`.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("its client writes");
        assert!(!line.is_empty(), "its client has ended");
        line.trim().to_owned()
    }

    /// Ends its side, or cancels it, and waits until it is over.
    pub fn end(mut self) {
        drop(self.child.stdin.take());
        while self.hear() != "over" {}
        let status = self.child.wait().expect("its client ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

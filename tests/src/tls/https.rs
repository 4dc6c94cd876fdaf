//! Load over HTTPS by curl, whose every request is known: as [`load`](crate::load) is for plain HTTP.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::Version;
use crate::{Netns, Stage, process};

/// A number of requests from `netns` to an HTTPS server.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    /// Where curl's files go.
    pub stage: &'a Stage,
    /// Where the clients are.
    pub netns: &'a Netns,
    /// The server.
    pub to: SocketAddr,
    /// The version that is spoken.
    pub version: Version,
    /// Where clients write their secrets (`SSLKEYLOGFILE`).
    pub key_log: Option<&'a Path>,
}

impl<'a> Load<'a> {
    /// Load that leaves no secrets behind.
    pub fn new(stage: &'a Stage, netns: &'a Netns, to: SocketAddr, version: Version) -> Self {
        Self {
            stage,
            netns,
            to,
            version,
            key_log: None,
        }
    }

    /// The same, whose clients write their secrets into a file.
    #[must_use]
    pub fn logging_keys(self, file: &'a Path) -> Self {
        Self {
            key_log: Some(file),
            ..self
        }
    }

    /// `clients` at once, each sending `each` requests one after another over one connection. Gives the number of requests.
    pub fn keep_alive(&self, clients: usize, each: usize) -> u64 {
        self.run("keep-alive", clients, each, "")
    }

    /// The same with a connection, and a whole handshake, for each request.
    pub fn closing(&self, clients: usize, each: usize) -> u64 {
        self.run(
            "closing",
            clients,
            each,
            "header = \"Connection: close\"\nno-sessionid\n",
        )
    }

    /// The same where each client resumes the session of its first connection.
    pub fn resuming(&self, clients: usize, each: usize) -> u64 {
        self.run("resuming", clients, each, "header = \"Connection: close\"\n")
    }

    /// All three. Gives the number of requests.
    pub fn mixed(&self) -> u64 {
        self.keep_alive(4, 20) + self.closing(3, 5) + self.resuming(3, 5)
    }

    fn run(&self, kind: &str, clients: usize, each: usize, options: &str) -> u64 {
        std::thread::scope(|scope| {
            for client in 0..clients {
                scope.spawn(move || self.client(kind, client, each, options));
            }
        });
        (clients * each) as u64
    }

    fn client(&self, kind: &str, client: usize, each: usize, options: &str) {
        let number = self.stage.number();
        let discarded = self.stage.path(&format!("answer-{number}"));
        let version = match self.version {
            Version::Tls12 => "1.2",
            Version::Tls13 => "1.3",
        };
        let mut text = String::new();
        for request in 0..each {
            let _ = write!(
                text,
                "url = \"https://{}/{kind}/{version}/{client}/{request}\"\nheader = \"X-Id: {number}-{request}\"\n\
                 output = \"{}\"\nwrite-out = \"%{{http_code}}\\n\"\ntlsv{version}\ntls-max = {version}\nhttp1.1\n\
                 insecure\nsilent\nshow-error\nmax-time = 60\n{options}next\n",
                self.to,
                discarded.display(),
            );
        }
        let file = self.stage.path(&format!("curl-{number}"));
        std::fs::write(&file, text.trim_end_matches("next\n")).expect("curl's options");
        let mut curl = self.netns.command("curl");
        curl.args(["-q", "-K"]).arg(&file);
        if let Some(key_log) = self.key_log {
            curl.env("SSLKEYLOGFILE", key_log);
        }
        let answers = process::check(&mut curl);
        assert_eq!(answers, "200\n".repeat(each), "{kind}");
    }
}

/// Gets a page, with more of curl's options, and gives what it says.
pub fn get(netns: &Netns, url: &str, options: &[&str]) -> String {
    let common = [
        "-q",
        "-sS",
        "-g",
        "--insecure",
        "--http1.1",
        "--max-time",
        "60",
        url,
    ];
    netns.run("curl", &[&common, options].concat())
}

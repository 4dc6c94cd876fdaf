//! The load generator h2load of nghttp2: HTTP/2 over several connections, with many streams at once on each.

use std::fmt::Write as _;

use crate::{Netns, Stage, process};

/// One run of h2load, which asks each of a number of targets in turn on each connection.
#[derive(Clone, Copy, Debug)]
pub struct H2Load {
    /// Connections it keeps open.
    pub connections: u32,
    /// Streams that are open at once on each, at most.
    pub streams: u32,
    /// Requests, a multiple of the connections.
    pub requests: u32,
    /// Requests a second over all of them; as fast as it goes where `None`.
    pub rate: Option<u32>,
}

impl H2Load {
    /// Requests targets below `base`, an `http://` or `https://` URL, from `netns`: all are answered with 2xx. Gives their number.
    pub fn run(&self, stage: &Stage, netns: &Netns, base: &str) -> u64 {
        let number = stage.number();
        let mut targets = String::new();
        for target in 0..self.requests / self.connections {
            let _ = writeln!(targets, "{base}/load/{number}/{target}?x={}", target % 7);
        }
        let file = stage.path(&format!("targets-{number}"));
        std::fs::write(&file, targets).expect("h2load's targets");
        let mut command = netns.command("h2load");
        command
            .args(["-p", "h2c", "-c", &self.connections.to_string()])
            .args(["-m", &self.streams.to_string(), "-n", &self.requests.to_string()])
            .arg("-i")
            .arg(&file);
        if let Some(rate) = self.rate {
            command.arg(format!("--rps={}", rate / self.connections));
        }
        let text = process::check(&mut command);
        let good = format!("status codes: {} 2xx, 0 3xx, 0 4xx, 0 5xx", self.requests);
        assert!(text.contains(&good), "{text}");
        u64::from(self.requests)
    }
}

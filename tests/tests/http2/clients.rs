//! Clients that nobody here wrote, each with habits of its own.

use shadow_tests::{Netns, Stage, process};

/// Clients of one server.
pub struct Clients<'a> {
    stage: &'a Stage,
    netns: &'a Netns,
    /// The server, without a path.
    url: String,
    /// Whether requests have bodies, too.
    bodies: bool,
}

impl<'a> Clients<'a> {
    /// Those that ask `url` from `netns`.
    pub fn new(stage: &'a Stage, netns: &'a Netns, url: String) -> Self {
        Self {
            stage,
            netns,
            url,
            bodies: true,
        }
    }

    /// The same for a server that answers before it has read a body, and resets the stream: what was cut short is not mirrored.
    pub fn without_bodies(self) -> Self {
        Self {
            bodies: false,
            ..self
        }
    }

    /// curl: a connection for each request, with a body of known length, of unknown length, and without. Gives their number.
    pub fn curl(&self) -> u64 {
        let with: [&[&str]; 4] = [
            &[],
            &["-H", "Cookie: a=1; b=2"],
            &["--data-binary", "a=b"],
            &["--data-binary", "a=b", "-H", "Content-Length:"],
        ];
        let with = if self.bodies { &with[..] } else { &with[..2] };
        for (number, options) in with.iter().enumerate() {
            let (id, url) = (
                format!("X-Id: curl-{number}"),
                format!("{}/page?curl={number}", self.url),
            );
            let common = [
                "-q",
                "-sS",
                "--http2-prior-knowledge",
                "--insecure",
                "--max-time",
                "60",
                "-o",
                "/dev/null",
                "-w",
                "%{http_version} %{http_code}",
                "-H",
                &id,
            ];
            let answer = self.netns.run("curl", &[&common, *options, &[&url]].concat());
            assert_eq!(answer, "2 200", "{options:?}");
        }
        with.len() as u64
    }

    /// nghttp: streams at once with priorities, with bodies and trailers, without a table of fields, and with small windows.
    /// Gives their number.
    pub fn nghttp(&self) -> u64 {
        let plain = self.streams(&[])
            + self.streams(&["--padding=100", "--no-dep"])
            + self.streams(&["--encoder-header-table-size=0"]);
        if !self.bodies {
            return plain;
        }
        let body = self.body();
        plain
            + self.streams(&["--data", &body, "--trailer=x-trailer: 1"])
            + self.streams(&["--window-bits=10", "--connection-window-bits=16", "--data", &body])
    }

    /// nghttp with padded bodies, which haproxy 2.6 takes for an error. Gives their number.
    pub fn padded(&self) -> u64 {
        self.streams(&["--padding=100", "--data", &self.body()])
    }

    /// A body that is sent before any server answers.
    fn body(&self) -> String {
        let body = self.stage.path("nghttp-body");
        std::fs::write(&body, "x".repeat(2000)).expect("a body");
        body.to_string_lossy().into_owned()
    }

    /// Streams of nghttp, all at once over one connection, with these options. Gives their number.
    fn streams(&self, options: &[&str]) -> u64 {
        const STREAMS: u64 = 20;
        let number = self.stage.number();
        let id = format!("--header=x-id: nghttp-{number}");
        let multiply = format!("--multiply={STREAMS}");
        let mut nghttp = self.netns.command("nghttp");
        nghttp.args(["--null-out", "--no-verify-peer", "--timeout=60", &id, &multiply]);
        process::check(
            nghttp
                .args(options)
                .arg(format!("{}/page?nghttp={number}", self.url)),
        );
        STREAMS
    }

    /// h2load: four connections of 50 streams at once each. Gives the number of requests.
    pub fn h2load(&self) -> u64 {
        const REQUESTS: u64 = 400;
        let requests = REQUESTS.to_string();
        let mut h2load = self.netns.command("h2load");
        h2load.args(["-c4", "-m50", "-n", &requests, "--header=x-id: h2load"]);
        let said = process::check(h2load.arg(format!("{}/page?h2load", self.url)));
        let good = format!("status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx");
        assert!(said.contains(&good), "{said}");
        REQUESTS
    }
}

//! Production that speaks HTTP/2, a shadow, and a client: on one host, or each in a namespace.

use std::net::{Ipv4Addr, SocketAddr};

use shadow_tests::tls::Certificate;
use shadow_tests::{Agent, Finished, H2Load, Ledger, Netns, Nginx, NginxSetup, Stage, Veth};

/// The way a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    H2c,
    /// HTTP/2, and HTTP/1.1, over TLS, chosen by ALPN.
    H2,
}

/// The stage of a test. The agent is up to the test.
pub struct Scene<'a> {
    pub stage: &'a Stage,
    pub production: Nginx,
    pub shadow: Nginx,
    /// Production's port.
    pub port: u16,
    /// Production as the client reaches it.
    pub url: String,
    /// The shadow as production's host reaches it.
    pub shadow_url: String,
    /// The version that it is asked in.
    version: &'static str,
    _veths: Vec<Veth>,
    /// Where the client is.
    pub client: Netns,
    /// Where production and the agent are.
    pub server: Netns,
    _other: Netns,
}

impl<'a> Scene<'a> {
    /// All on this host's `lo`.
    pub fn on_lo(stage: &'a Stage, production: Speaks, shadow: Speaks) -> Self {
        let at = Ipv4Addr::LOCALHOST;
        let hosts = [(); 3].map(|()| Netns::host());
        Self::of(stage, hosts, Vec::new(), (at, at), production, shadow)
    }

    /// Three namespaces: client - production and agent - shadow, joined by veth pairs.
    pub fn across(stage: &'a Stage, production: Speaks, shadow: Speaks) -> Self {
        let [client, server, other] = [(); 3].map(|()| Netns::new());
        let (front, back) = (Veth::new(&server, &client), Veth::new(&server, &other));
        let to = (front.left.v4, back.right.v4);
        Self::of(
            stage,
            [client, server, other],
            vec![front, back],
            to,
            production,
            shadow,
        )
    }

    fn of(
        stage: &'a Stage,
        [client, server, other]: [Netns; 3],
        veths: Vec<Veth>,
        to: (Ipv4Addr, Ipv4Addr),
        production: Speaks,
        shadow: Speaks,
    ) -> Self {
        let start = |netns: &Netns, role: &str, speaks: Speaks| {
            let port = netns.free_port();
            let (plain, setup) = setup(stage, netns, port, speaks);
            (port, Nginx::start_with(stage, netns, role, &[plain], &setup))
        };
        let url = |speaks: Speaks, at: SocketAddr| match speaks {
            Speaks::H2 => format!("https://{at}"),
            Speaks::Http1 | Speaks::H2c => format!("http://{at}"),
        };
        let (port, production_nginx) = start(&server, "production", production);
        let (shadow_port, shadow_nginx) = start(&other, "shadow", shadow);
        Self {
            stage,
            production: production_nginx,
            shadow: shadow_nginx,
            port,
            url: url(production, (to.0, port).into()),
            // One of HTTP/1.1 would log the question whether it takes HTTP/2.
            version: if shadow == Speaks::Http1 { "1.1" } else { "auto" },
            shadow_url: url(shadow, (to.1, shadow_port).into()),
            _veths: veths,
            client,
            server,
            _other: other,
        }
    }

    /// Starts the agent beside production, mirroring to the shadow, with `more` flags.
    pub fn mirror(&self, more: &[&str]) -> Agent {
        let input = format!(":{}", self.port);
        let common = [
            "--input-raw",
            &input,
            "--output-http",
            &self.shadow_url,
            "--output-http-version",
            self.version,
        ];
        Agent::start(self.stage, &self.server, &[&common, more].concat())
    }

    /// Requests of known names by curl, each over a connection of its own: curl 7.88 fails where it uses one of prior knowledge
    /// again. Gives their number.
    pub fn curl(&self, requests: u32) -> u64 {
        let number = self.stage.number();
        let discarded = self.stage.path(&format!("answer-{number}"));
        for request in 0..requests {
            let answer = self.client.run(
                "curl",
                &[
                    "-q",
                    "-sS",
                    "--http2-prior-knowledge",
                    "--insecure",
                    "--max-time",
                    "60",
                    "-H",
                    &format!("X-Id: {number}-{request}"),
                    "-H",
                    &format!("Cookie: a={request}; b=2"),
                    "-o",
                    &discarded.to_string_lossy(),
                    "-w",
                    "%{http_version} %{http_code}",
                    &format!("{}/curl/{number}/{request}?q=%C3%A9", self.url),
                ],
            );
            assert_eq!(answer, "2 200");
        }
        u64::from(requests)
    }

    /// Requests over connections with many streams at once. Gives their number.
    pub fn h2load(&self, load: H2Load) -> u64 {
        load.run(self.stage, &self.client, &self.url)
    }

    /// Some of both.
    pub fn mixed(&self) -> u64 {
        let load = H2Load {
            connections: 4,
            streams: 100,
            requests: 2000,
            rate: None,
        };
        self.curl(10) + self.h2load(load)
    }

    /// Ends everything in the order that loses nothing, and gives the ledger and both access logs.
    pub fn finish(self, agent: Agent) -> Finished {
        self.finish_by(|| agent.stop())
    }

    /// The same of an agent that compares, whatever it thinks of it.
    pub fn finish_judged(self, agent: Agent) -> Finished {
        self.finish_by(|| agent.stop_to_judge().1)
    }

    fn finish_by(self, stop: impl FnOnce() -> Ledger) -> Finished {
        let production = self.production.finish();
        let ledger = stop();
        let shadow = self.shadow.finish();
        ledger.assert_closed();
        Finished {
            production,
            shadow,
            ledger,
        }
    }
}

/// An nginx that speaks so on `port`, and the port for its first `listen` directive.
fn setup(stage: &Stage, netns: &Netns, port: u16, speaks: Speaks) -> (u16, NginxSetup) {
    let setup = NginxSetup {
        workers: 2,
        ..NginxSetup::default()
    };
    match speaks {
        Speaks::Http1 => (port, setup),
        Speaks::H2c => {
            let listen = "http2".to_owned();
            (port, NginxSetup { listen, ..setup })
        }
        Speaks::H2 => {
            let Certificate { certificate, key, .. } = Certificate::new(stage);
            let server = format!(
                "listen {port} ssl http2 backlog=16384; ssl_certificate {}; ssl_certificate_key {};",
                certificate.display(),
                key.display()
            );
            (netns.free_port(), NginxSetup { server, ..setup })
        }
    }
}

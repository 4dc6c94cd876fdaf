//! Production over HTTPS on any stack, a plain shadow, and a client: on one host, or each in a namespace.

use std::net::{Ipv4Addr, SocketAddr};

use shadow_tests::tls::https::Load;
use shadow_tests::tls::{Https, Stack, Version};
use shadow_tests::{Agent, Finished, Netns, Nginx, Stage, Veth};

/// The stage of a test. The agent is up to the test.
pub struct Scene<'a> {
    pub stage: &'a Stage,
    pub production: Https,
    pub shadow: Nginx,
    /// Production's port.
    pub port: u16,
    /// Production as the client reaches it.
    pub to: SocketAddr,
    /// The shadow as production's host reaches it.
    pub shadow_url: String,
    _veths: Vec<Veth>,
    /// Where the client is.
    pub client: Netns,
    /// Where production and the agent are.
    pub server: Netns,
    _other: Netns,
}

impl<'a> Scene<'a> {
    /// All on this host's `lo`: clients use the same TLS library as production.
    pub fn on_lo(stage: &'a Stage, stack: Stack) -> Self {
        let host = Netns::host();
        let (port, shadow_port) = (host.free_port(), host.free_port());
        Self {
            stage,
            production: Https::start(stage, &host, stack, port),
            shadow: Nginx::start(stage, &host, "shadow", shadow_port),
            port,
            to: (Ipv4Addr::LOCALHOST, port).into(),
            shadow_url: format!("http://127.0.0.1:{shadow_port}"),
            _veths: Vec::new(),
            client: Netns::host(),
            server: host,
            _other: Netns::host(),
        }
    }

    /// Three namespaces: client - production and agent - shadow, joined by veth pairs.
    pub fn across(stage: &'a Stage, stack: Stack) -> Self {
        let (client, server, other) = (Netns::new(), Netns::new(), Netns::new());
        let front = Veth::new(&server, &client);
        let back = Veth::new(&server, &other);
        let (port, shadow_port) = (server.free_port(), other.free_port());
        Self {
            stage,
            production: Https::start(stage, &server, stack, port),
            shadow: Nginx::start(stage, &other, "shadow", shadow_port),
            port,
            to: (front.left.v4, port).into(),
            shadow_url: format!("http://{}:{shadow_port}", back.right.v4),
            _veths: vec![front, back],
            client,
            server,
            _other: other,
        }
    }

    /// Starts the agent beside production, reading its port's TLS and mirroring to the shadow, with `more` flags.
    pub fn mirror(&self, more: &[&str]) -> Agent {
        self.mirror_by(&["--input-raw-tls", "auto"], more)
    }

    /// Likewise, reading TLS as these flags say.
    pub fn mirror_by(&self, tls: &[&str], more: &[&str]) -> Agent {
        let input = format!(":{}", self.port);
        let common = ["--input-raw", &input, "--output-http", &self.shadow_url];
        Agent::start(self.stage, &self.server, &[&common, tls, more].concat())
    }

    /// Load from the client.
    pub fn load(&self, version: Version) -> Load<'_> {
        Load::new(self.stage, &self.client, self.to, version)
    }

    /// Every way of connecting by both versions. Gives the number of requests.
    pub fn mixed(&self) -> u64 {
        Version::ALL
            .map(|version| self.load(version).mixed())
            .iter()
            .sum()
    }

    /// Ends production, which had no request yet, and starts it anew.
    #[must_use]
    pub fn restarted(self, stack: Stack) -> Self {
        assert_eq!(self.production.finish().len(), 0);
        Self {
            production: Https::start(self.stage, &self.server, stack, self.port),
            ..self
        }
    }

    /// Ends everything in the order that loses nothing, and gives the ledger and both access logs.
    pub fn finish(self, agent: Agent) -> Finished {
        let production = self.production.finish();
        let ledger = agent.stop();
        let shadow = self.shadow.finish();
        ledger.assert_closed();
        Finished {
            production,
            shadow,
            ledger,
        }
    }
}

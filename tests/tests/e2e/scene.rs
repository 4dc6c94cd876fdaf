//! The scenes most tests play in: production, a shadow and a client, on one host or each in a namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use shadow_tests::{Agent, Finished, Netns, Nginx, NginxSetup, Stage, Veth};

/// Production and a shadow, both nginx, and where they are reached from. The agent is up to the test.
pub struct Scene<'a> {
    pub stage: &'a Stage,
    pub production: Nginx,
    pub shadow: Nginx,
    /// Production's port.
    pub port: u16,
    /// The shadow's port.
    pub shadow_port: u16,
    /// Production as the client reaches it.
    pub v4: SocketAddr,
    /// The same by IPv6.
    pub v6: SocketAddr,
    /// The shadow as production's host reaches it.
    pub shadow_url: String,
    pub veths: Vec<Veth>,
    /// Where the client is.
    pub client: Netns,
    /// Where production and the agent are.
    pub server: Netns,
    /// Where the shadow is.
    pub other: Netns,
}

impl<'a> Scene<'a> {
    /// All on this host's `lo`.
    pub fn on_lo(stage: &'a Stage) -> Self {
        Self::on_lo_with(stage, &NginxSetup::default())
    }

    /// All on this host's `lo`, both nginx set up as told.
    pub fn on_lo_with(stage: &'a Stage, setup: &NginxSetup) -> Self {
        let host = Netns::host();
        let (port, shadow_port) = (host.free_port(), host.free_port());
        Self {
            stage,
            production: Nginx::start_with(stage, &host, "production", &[port], setup),
            shadow: Nginx::start_with(stage, &host, "shadow", &[shadow_port], setup),
            port,
            shadow_port,
            v4: (Ipv4Addr::LOCALHOST, port).into(),
            v6: (Ipv6Addr::LOCALHOST, port).into(),
            shadow_url: format!("http://127.0.0.1:{shadow_port}"),
            veths: Vec::new(),
            client: Netns::host(),
            server: Netns::host(),
            other: Netns::host(),
        }
    }

    /// Three namespaces: client - production and agent - shadow, joined by veth pairs.
    pub fn across(stage: &'a Stage) -> Self {
        let (client, server, other) = (Netns::new(), Netns::new(), Netns::new());
        let front = Veth::new(&server, &client);
        let back = Veth::new(&server, &other);
        let (port, shadow_port) = (server.free_port(), other.free_port());
        Self {
            stage,
            production: Nginx::start(stage, &server, "production", port),
            shadow: Nginx::start(stage, &other, "shadow", shadow_port),
            port,
            shadow_port,
            v4: SocketAddr::new(IpAddr::from(front.left.v4), port),
            v6: SocketAddr::new(IpAddr::from(front.left.v6), port),
            shadow_url: format!("http://{}:{shadow_port}", back.right.v4),
            veths: vec![front, back],
            client,
            server,
            other,
        }
    }

    /// Two namespaces: client - production, agent and shadow on one host with an address of its own.
    pub fn beside(stage: &'a Stage) -> Self {
        let (client, server) = (Netns::new(), Netns::new());
        let front = Veth::new(&server, &client);
        let (port, shadow_port) = (server.free_port(), server.free_port());
        Self {
            stage,
            production: Nginx::start(stage, &server, "production", port),
            shadow: Nginx::start(stage, &server, "shadow", shadow_port),
            port,
            shadow_port,
            v4: SocketAddr::new(IpAddr::from(front.left.v4), port),
            v6: SocketAddr::new(IpAddr::from(front.left.v6), port),
            shadow_url: format!("http://{}:{shadow_port}", front.left.v4),
            veths: vec![front],
            client,
            server,
            other: Netns::host(),
        }
    }

    /// Starts the agent beside production, capturing its port and mirroring to the shadow, with `more` flags.
    pub fn mirror(&self, more: &[&str]) -> Agent {
        self.mirror_from(&format!(":{}", self.port), more)
    }

    /// Likewise, capturing what `input` says.
    pub fn mirror_from(&self, input: &str, more: &[&str]) -> Agent {
        let arguments = [&["--input-raw", input, "--output-http", &self.shadow_url], more].concat();
        Agent::start(self.stage, &self.server, &arguments)
    }

    /// Ends everything in the order that loses nothing, and gives the ledger and both access logs.
    pub fn finish(self, agent: Agent) -> Finished {
        self.finish_with(agent, 0)
    }

    /// Likewise, with an agent that must give this exit status.
    pub fn finish_with(self, agent: Agent, status: i32) -> Finished {
        let production = self.production.finish();
        let ledger = agent.stop_with(status);
        let shadow = self.shadow.finish();
        ledger.assert_closed();
        Finished {
            production,
            shadow,
            ledger,
        }
    }
}

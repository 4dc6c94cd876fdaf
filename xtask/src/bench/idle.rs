//! The agent's memory with 100,000 connections that are open, were used once, and are idle now.
//!
//! They are real ones, each with a request and its response, held at both ends by a few processes: a process may
//! have only so many files open, and a client's address only so many ports. Each process serves an address of
//! its own in 127.0.0.0/8, all of which are this machine's.

use std::io::{BufRead, Read, Write, stdin};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;

use super::agent::{Agent, Ledger};
use super::process::{self, Running};
use super::sockets;
use super::stage::Stage;
use super::stat::Memory;

/// Connections that are held.
pub const CONNECTIONS: u32 = 100_000;

/// Connections of one process: fewer than the ports that Linux gives out by default (28,232).
const PER_PROCESS: u32 = 25_000;

/// Files of a process that are no connections, and to spare.
const OTHER_FILES: u32 = 100;

/// Connections opened before they are accepted: fewer than the backlog of a listening socket of Rust's (128).
const BATCH: usize = 100;

/// For the agent to have read all that was captured: many times its longest interval between two looks.
const SETTLE: Duration = Duration::from_secs(1);

/// The word that a holder of connections prints when all are open and used.
const READY: &str = "ready";

const REQUEST: &[u8] =
    b"GET /idle HTTP/1.1\r\nHost: idle\r\nUser-Agent: shadow-agent-bench\r\nAccept: */*\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// Arguments of a process that holds connections.
#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    connections: usize,
}

/// The figures of this measurement.
#[derive(Clone, Debug, Serialize)]
pub struct IdleMemory {
    /// Connections held.
    pub connections: u32,
    /// The agent's memory before.
    pub before: Memory,
    /// The agent's memory with all of them.
    pub after: Memory,
    /// Its ledger.
    pub ledger: Ledger,
}

/// Measures it.
pub fn measure(stage: &Stage) -> anyhow::Result<IdleMemory> {
    process::progress(&format!("memory with {CONNECTIONS} idle connections"));
    let (_, files) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let files = u32::try_from(files).unwrap_or(u32::MAX);
    let most = (files.saturating_sub(OTHER_FILES) / 2).min(PER_PROCESS);
    ensure!(
        most > 0,
        "only {files} open files are allowed: no room for connections"
    );

    let agent = Agent::start(
        stage,
        &format!(":{}", sockets::IDLE),
        &["--output-null".to_owned()],
    )?;
    let before = Memory::of(agent.pid())?;
    let mut holders = Vec::new();
    for (index, first) in (0..CONNECTIONS).step_by(most as usize).enumerate() {
        holders.push(hold(index, most.min(CONNECTIONS - first))?);
    }
    for holder in &mut holders {
        let mut line = String::new();
        holder.stdout()?.read_line(&mut line)?;
        if line.trim() != READY {
            bail!("the connections could not be opened: {}", holder.said());
        }
    }
    // The last records may still be in the rings.
    std::thread::sleep(SETTLE);
    let after = Memory::of(agent.pid())?;
    let ledger = agent.stop()?;
    for holder in holders {
        holder.finish()?;
    }
    Ok(IdleMemory {
        connections: CONNECTIONS,
        before,
        after,
        ledger,
    })
}

/// Starts a process that holds so many.
fn hold(index: usize, connections: u32) -> anyhow::Result<Running> {
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + u32::try_from(index)?);
    let address = SocketAddr::from((address, sockets::IDLE));
    let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
    command.args(["bench", "idle", "--address", &address.to_string()]);
    command.args(["--connections", &connections.to_string()]);
    Running::start("a holder of connections", &mut command)
}

/// The process: opens the connections, uses each once, and holds them until its standard input ends.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (_, files) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, files, files).context("cannot raise the limit on open files")?;
    let listener = TcpListener::bind(arguments.address)
        .with_context(|| format!("cannot listen on {}", arguments.address))?;
    let mut held = Vec::with_capacity(2 * arguments.connections);
    let mut buffer = [0; 1024];
    while held.len() < 2 * arguments.connections {
        let batch = BATCH.min(arguments.connections - held.len() / 2);
        let start = held.len();
        for _ in 0..batch {
            held.push(TcpStream::connect(arguments.address).context("cannot connect")?);
        }
        for _ in 0..batch {
            held.push(listener.accept().context("cannot accept")?.0);
        }
        let (clients, servers) = held[start..].split_at_mut(batch);
        for client in &mut *clients {
            client.write_all(REQUEST)?;
        }
        for server in servers {
            server.read_exact(&mut buffer[..REQUEST.len()])?;
            server.write_all(RESPONSE)?;
        }
        for client in clients {
            client.read_exact(&mut buffer[..RESPONSE.len()])?;
        }
    }
    println!("{READY}");
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

//! The agent's memory with 100,000 connections that are open, were used once, and are idle now.
//!
//! They are real ones to the real nginx, from a process of its own that holds their other ends. There are fewer
//! ports than that on a client's address, but every address of 127.0.0.0/8 is this machine's: the connections
//! spread over several of the server's.

use std::io::{BufRead, Read, Write, stdin};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use anyhow::{Context, bail};
use nix::sys::resource::{Resource, setrlimit};
use serde::Serialize;

use super::agent::{Agent, Ledger};
use super::nginx::PAGE;
use super::process::{self, Running};
use super::sockets;
use super::stage::Stage;
use super::stat::Memory;

/// Connections that are held.
pub const CONNECTIONS: u32 = 100_000;

/// Connections to one address of the server, fewer than the ports that Linux gives out by default (28,232).
const PER_ADDRESS: u32 = 25_000;

/// Connections opened before their requests are sent: fewer than a listening socket's backlog.
const BATCH: u32 = 500;

/// What the holder of the connections prints when all are open and used.
const READY: &str = "ready";

/// Arguments of the process that holds the connections.
#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    connections: u32,
}

/// What was measured.
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
    let port = sockets::PRODUCTION;
    let agent = Agent::start(stage, &format!(":{port}"), &["--output-null".to_owned()])?;
    let before = Memory::of(agent.pid())?;
    let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
    command.args([
        "bench",
        "idle",
        "--port",
        &port.to_string(),
        "--connections",
        &CONNECTIONS.to_string(),
    ]);
    let mut holder = Running::start("the holder of the connections", &mut command)?;
    let mut line = String::new();
    holder.stdout()?.read_line(&mut line)?;
    if line.trim() != READY {
        bail!(
            "the connections could not be opened: {}",
            holder.finish().map_or_else(|e| e.to_string(), |e| e.stdout)
        );
    }
    let after = Memory::of(agent.pid())?;
    let ledger = agent.stop()?;
    holder.finish()?;
    Ok(IdleMemory {
        connections: CONNECTIONS,
        before,
        after,
        ledger,
    })
}

/// The process: opens the connections, uses each once, and holds them until its standard input ends.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let files = u64::from(arguments.connections) + 100;
    setrlimit(Resource::RLIMIT_NOFILE, files, files)
        .with_context(|| format!("cannot have {files} files open"))?;
    let mut held = Vec::with_capacity(arguments.connections as usize);
    let mut response = [0; 4096];
    for first in (0..arguments.connections).step_by(BATCH as usize) {
        let batch = first..(first + BATCH).min(arguments.connections);
        for index in batch.clone() {
            let address = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + index / PER_ADDRESS);
            let to = SocketAddr::from((address, arguments.port));
            held.push(TcpStream::connect(to).with_context(|| format!("connection {index}, to {to}"))?);
        }
        let opened = &mut held[batch.start as usize..];
        for stream in &mut *opened {
            stream.write_all(format!("GET {PAGE} HTTP/1.1\r\nHost: idle\r\n\r\n").as_bytes())?;
        }
        for stream in opened {
            // The page comes at once and whole on the loopback device; how much of it is read does not matter.
            if stream.read(&mut response)? == 0 {
                bail!("the server closed a connection");
            }
        }
    }
    println!("{READY}");
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

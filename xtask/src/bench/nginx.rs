//! An nginx of the benchmark's own, that counts its requests and connections.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::process::Running;
use super::sockets::{self, local};
use super::stat;
use crate::setup;

/// How long it may take to start, or to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The page that is served: 1 KiB.
pub const PAGE: &str = "/page";
const PAGE_BYTES: usize = 1024;

/// A running nginx.
pub struct Nginx {
    process: Running,
    status: SocketAddr,
    /// Requests (each on its own connection) made to learn its counts.
    asked: Cell<u64>,
}

/// Counts of an nginx, without those who asked for the counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Requests received.
    pub requests: u64,
}

impl Nginx {
    /// Production: plain on one port, with the `mirror` directive as nginx documents it on another.
    pub fn production(folder: &Path) -> anyhow::Result<Self> {
        let servers = format!(
            "server {{ listen {} backlog=4096; location = {PAGE} {{ }} }}
  server {{
    listen {} backlog=4096;
    location = {PAGE} {{ mirror /mirror; }}
    location = /mirror {{ internal; proxy_pass http://{}$request_uri; }}
  }}",
            sockets::PRODUCTION,
            local(sockets::PRODUCTION_MIRROR),
            local(sockets::SHADOW),
        );
        Self::start(folder, "production", &servers, sockets::PRODUCTION_STATUS)
    }

    /// The shadow: as production plain.
    pub fn shadow(folder: &Path) -> anyhow::Result<Self> {
        let servers = format!(
            "server {{ listen {}; location = {PAGE} {{ }} }}",
            local(sockets::SHADOW)
        );
        Self::start(folder, "shadow", &servers, sockets::SHADOW_STATUS)
    }

    /// Starts one with these servers, named for its role, that counts at a port.
    ///
    /// No access log in any variant: it would be the same work in each. `worker_processes` and `sendfile` are
    /// those of Debian's package, and connections are never closed for their age.
    pub fn start(folder: &Path, role: &str, servers: &str, status: u16) -> anyhow::Result<Self> {
        let folder = folder.join(role);
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        std::fs::write(folder.join("page"), "x".repeat(PAGE_BYTES))?;
        let status = local(status);
        let configuration = folder.join("nginx.conf");
        let home = folder.display();
        let text = format!(
            "daemon off; user root; worker_processes auto;
pid {home}/nginx.pid; error_log stderr notice;
events {{ worker_connections 4096; }}
http {{
  access_log off; default_type text/plain; sendfile on; open_file_cache max=10; root {home};
  keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{ listen {status}; location / {{ stub_status; }} }}
  {servers}
}}
"
        );
        std::fs::write(&configuration, text)?;
        let program = setup::program("nginx").context("nginx is not installed")?;
        let mut command = std::process::Command::new(program);
        command
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&configuration)
            .args(["-e", "stderr"]);
        let mut process = Running::start(&format!("nginx ({role})"), &mut command)?;
        // Said once the listening sockets are open.
        process.wait_for_line("start worker process ", PATIENCE)?;
        Ok(Self {
            process,
            status,
            asked: Cell::new(0),
        })
    }

    /// Reads its counts so far.
    pub fn counts(&self) -> anyhow::Result<Counts> {
        self.asked.set(self.asked.get() + 1);
        let asked = self.asked.get();
        let raw = ask(self.status).with_context(|| format!("no counts from nginx at {}", self.status))?;
        Ok(Counts {
            connections: raw.connections.saturating_sub(asked),
            requests: raw.requests.saturating_sub(asked),
        })
    }

    /// Processor time of its workers.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        stat::children_cpu(self.process.pid())
    }
}

impl Counts {
    /// The counts since `earlier`.
    pub fn since(self, earlier: Counts) -> Counts {
        Counts {
            connections: self.connections.saturating_sub(earlier.connections),
            requests: self.requests.saturating_sub(earlier.requests),
        }
    }
}

fn ask(status: SocketAddr) -> anyhow::Result<Counts> {
    let mut stream = TcpStream::connect(status)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    parse(&text).with_context(|| format!("not a stub_status: {text}"))
}

/// The line of three numbers: connections accepted, connections handled, requests.
fn parse(text: &str) -> Option<Counts> {
    let line = text
        .lines()
        .skip_while(|line| !line.starts_with("server accepts"))
        .nth(1)?;
    let mut numbers = line.split_whitespace().map_while(|number| number.parse().ok());
    Some(Counts {
        connections: numbers.next()?,
        requests: numbers.nth(1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_status_is_understood() {
        let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n\
                    Active connections: 1 \nserver accepts handled requests\n 65 64 1000 \n\
                    Reading: 0 Writing: 1 Waiting: 0 \n";
        assert_eq!(
            parse(text),
            Some(Counts {
                connections: 65,
                requests: 1000
            })
        );
        assert_eq!(parse("HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }
}

//! Shadows that misbehave, each in its own way, in threads of the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::{Netns, client};

/// How a server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens: connects are refused.
    Dead,
    /// Listens and never accepts.
    NeverAccepts,
    /// Accepts, reads and never answers.
    NeverAnswers,
    /// Accepts and resets at the first byte.
    Resets,
    /// Answers with bytes that are not HTTP.
    Garbage,
    /// Answers correctly, each request after so long.
    Slow(Duration),
    /// Answers each request with a head that promises 4 GiB, and sends them as long as they are read.
    Huge,
    /// Answers with half a response, and closes.
    HalfAnswer,
}

/// A server with a fault. Its threads end with the value.
pub struct FaultServer {
    /// Where it listens (or would).
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    connections: AtomicU64,
}

impl FaultServer {
    /// Starts one on a free port of `address` in `netns`.
    pub fn start(netns: &Netns, address: std::net::IpAddr, fault: Fault) -> Self {
        let listener = netns
            .enter(|| TcpListener::bind((address, netns.free_port())))
            .expect("a port for the server");
        let address = listener.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared::default());
        match fault {
            Fault::Dead => drop(listener),
            Fault::NeverAccepts => {
                // A backlog of 0 is full at once: what comes later is not even greeted.
                nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).expect("a backlog"))
                    .expect("to listen");
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    while !shared.ended.load(Relaxed) {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    drop(listener);
                });
            }
            _ => {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || accept(&listener, fault, &shared));
            }
        }
        Self { address, shared }
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        // Wakes accept; fails in a namespace, where the thread ends with the test's process instead.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_millis(100));
    }
}

fn accept(listener: &TcpListener, fault: Fault, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.connections.fetch_add(1, Relaxed);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // How the agent takes it is what is tested; that it goes away is no news here.
            let _ = serve(stream, fault, &shared);
        });
    }
}

fn serve(mut stream: TcpStream, fault: Fault, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_mins(2)))?;
    let mut pending = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk)?;
        if count == 0 || shared.ended.load(Relaxed) {
            return Ok(());
        }
        pending.extend_from_slice(&chunk[..count]);
        // Faults are tried with requests that have no body.
        while let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            pending.drain(..end + 4);
            match fault {
                Fault::Dead | Fault::NeverAccepts | Fault::NeverAnswers => {}
                Fault::Resets => {
                    client::reset_on_close(&stream);
                    return Ok(());
                }
                Fault::Garbage => stream.write_all(&client::noise(512, end as u64))?,
                Fault::Slow(delay) => {
                    std::thread::sleep(delay);
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
                }
                Fault::Huge => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4294967296\r\n\r\n")?;
                    let piece = vec![b'x'; 64 * 1024];
                    for _ in 0..65_536 {
                        stream.write_all(&piece)?;
                    }
                }
                Fault::HalfAnswer => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
                    return Ok(());
                }
            }
        }
    }
}

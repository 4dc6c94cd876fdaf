//! The demo's servers and load, on a thread of their own beside the agent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::calls;
use super::faults::Faults;
use super::load::{self, Load};
use super::server::{Count, Counters, serve};
use crate::privileges;

/// The servers, and the load that starts when told.
pub struct Scene {
    /// Where production listens.
    pub production: SocketAddr,
    /// Where its next release listens.
    pub shadow: SocketAddr,
    /// Where another instance of production listens.
    pub control: SocketAddr,
    /// Dropping it ends the servers.
    servers: oneshot::Sender<()>,
    thread: JoinHandle<Option<anyhow::Result<Served>>>,
}

/// Final counts of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Production's counts.
    pub production: Count,
    /// The shadow's.
    pub shadow: Count,
    /// The control's.
    pub control: Count,
    /// Whether the agent ended before the load did.
    pub interrupted: bool,
}

/// Channels of the thread.
struct Cues {
    addresses: mpsc::Sender<[SocketAddr; 3]>,
    capturing: oneshot::Receiver<()>,
    stop: oneshot::Sender<()>,
    servers: oneshot::Receiver<()>,
}

impl Scene {
    /// Starts the servers on loopback ports that are free, the shadow with `faults`. The sender starts the load; the
    /// receiver is told when it has ended.
    pub fn start(
        load: Load,
        calls: Load,
        faults: Faults,
    ) -> anyhow::Result<(Self, oneshot::Sender<()>, oneshot::Receiver<()>)> {
        let (addresses, bound) = mpsc::channel();
        let (start, capturing) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let (servers, ended) = oneshot::channel();
        let cues = Cues {
            addresses,
            capturing,
            stop,
            servers: ended,
        };
        let thread = privileges::thread("demo", &[], move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(play(cues, [load, calls], faults))
        })
        .context("cannot start a thread for the demo's servers")?;
        match bound.recv() {
            Ok([production, shadow, control]) => {
                let scene = Self {
                    production,
                    shadow,
                    control,
                    servers,
                    thread,
                };
                Ok((scene, start, stopped))
            }
            Err(_) => Err(join(thread)
                .err()
                .unwrap_or_else(|| anyhow!("the demo's servers did not start"))),
        }
    }

    /// Ends the servers and gives their counts.
    pub fn finish(self) -> anyhow::Result<Served> {
        drop(self.servers);
        join(self.thread)
    }
}

fn join(thread: JoinHandle<Option<anyhow::Result<Served>>>) -> anyhow::Result<Served> {
    let served = thread.join().ok().flatten();
    served.unwrap_or_else(|| Err(anyhow!("the demo's servers failed")))
}

async fn play(cues: Cues, [load, calls]: [Load; 2], faults: Faults) -> anyhow::Result<Served> {
    let mut addresses = Vec::new();
    let mut counters = Vec::new();
    for faults in [Faults::none(), faults, Faults::none()] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("cannot listen on 127.0.0.1 for the demo")?;
        addresses.push(listener.local_addr()?);
        let counts = Arc::new(Counters::default());
        counters.push(Arc::clone(&counts));
        tokio::spawn(serve(listener, Arc::new(faults), counts));
    }
    let production = addresses[0];
    let _ = cues.addresses.send([production, addresses[1], addresses[2]]);

    let mut stop = cues.stop;
    let mut interrupted = true;
    if cues.capturing.await.is_ok() {
        tokio::select! {
            load = both(production, load, calls) => {
                interrupted = false;
                load.context("the demo's load failed")?;
            }
            // The agent has gone: nobody is left to be shown anything.
            () = stop.closed() => {}
            // The agent has it too, and drains: no load that it does not see.
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    let _ = stop.send(());
    // The shadow answers until the agent has drained.
    let _ = cues.servers.await;
    Ok(Served {
        production: counters[0].get(),
        shadow: counters[1].get(),
        control: counters[2].get(),
        interrupted,
    })
}

/// Requests to the shop, and calls of its service beside them.
async fn both(production: SocketAddr, load: Load, calls: Load) -> anyhow::Result<()> {
    tokio::try_join!(load::run(production, load), calls::run(production, calls))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than any test waits for.
    const ENDLESS: Load = Load {
        requests: u64::MAX,
        rate: 100,
    };

    #[test]
    fn the_load_starts_when_told_and_production_counts_all_of_it() {
        let load = Load {
            requests: 500,
            rate: 5000,
        };
        let calls = Load {
            requests: 100,
            rate: 1000,
        };
        let (scene, start, stopped) = Scene::start(load, calls, Faults::all()).unwrap();
        start.send(()).unwrap();
        stopped.blocking_recv().unwrap();
        let served = scene.finish().unwrap();
        assert_eq!(
            (
                served.production.requests,
                served.production.errors,
                served.shadow.requests
            ),
            (600, 0, 0)
        );
        assert!(!served.interrupted);
    }

    #[test]
    fn the_load_ends_when_the_agent_goes() {
        let (scene, start, stopped) = Scene::start(ENDLESS, ENDLESS, Faults::none()).unwrap();
        start.send(()).unwrap();
        drop(stopped);
        assert!(scene.finish().unwrap().interrupted);
    }

    #[test]
    fn without_capture_there_is_no_load() {
        let (scene, start, _stopped) = Scene::start(ENDLESS, ENDLESS, Faults::none()).unwrap();
        drop(start);
        let served = scene.finish().unwrap();
        assert_eq!((served.production.requests, served.interrupted), (0, true));
    }
}

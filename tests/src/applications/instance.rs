//! One instance of a release: a process with data of its own, on a port of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Release, packages};
use crate::wait::until_within;
use crate::{Netns, Process, Stage};

/// How long an application may take to make its data and listen: Django makes a database, which took 24 s on a machine
/// whose disk was busy.
const START: Duration = Duration::from_secs(90);

/// A running instance. Dropping it kills it.
pub struct Instance {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Instance {
    /// Starts one on a free port of the host's loopback that has given `issued` ids away before; it need not be ready yet.
    pub(super) fn start(stage: &Stage, release: &Release, role: &str, issued: u32) -> Self {
        let packages = packages::folder(release);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, Netns::host().free_port()));
        let mut command = python(&packages);
        command
            .arg(packages::fixtures().join("serve.py"))
            .arg(release.application)
            .arg(&packages)
            .arg(address.port().to_string())
            .arg(stage.path(&format!("{role}-{}", stage.number())))
            .arg(issued.to_string())
            .stdout(Stdio::null());
        Self {
            process: Process::start(release.name, &mut command),
            address,
        }
    }

    /// Waits until it takes connections.
    pub(super) fn wait(&mut self) {
        until_within(START, "the application listens", || {
            assert!(self.process.is_running(), "{}", self.process.stderr());
            TcpStream::connect(self.address).is_ok()
        });
    }

    /// As an output names it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A Python that finds these packages and the fixtures, and leaves no compiled files among the sources.
pub(super) fn python(packages: &std::path::Path) -> Command {
    let mut command = Netns::host().command("python3");
    let path = std::env::join_paths([packages.to_owned(), packages::fixtures()]);
    command
        .env("PYTHONPATH", path.expect("paths without colons"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

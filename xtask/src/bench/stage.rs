//! Where it all happens: a network namespace without neighbours, a temporary folder, and the two nginx.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use nix::sched::{CloneFlags, unshare};

use super::folder::Folder;
use super::nginx::Nginx;
use super::process;
use crate::setup;

/// The stage. Dropping it ends what runs on it.
pub struct Stage {
    /// Production.
    pub production: Nginx,
    /// The second nginx.
    pub shadow: Nginx,
    /// The agent's binary.
    pub agent: PathBuf,
    /// Arguments that it is given besides those of the variants.
    pub agent_arguments: Vec<String>,
    /// For files of the run. Last, so that it goes after those who write to it.
    pub folder: Folder,
}

impl Stage {
    /// Leaves the host's network for one of its own, with a loopback device and nothing else, and starts both
    /// nginx in it. The namespace ends with the last process in it.
    pub fn set(agent: PathBuf, agent_arguments: Vec<String>) -> anyhow::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
        let ip = setup::program("ip").context("ip is not installed (package iproute2)")?;
        process::run("ip", Command::new(ip).args(["link", "set", "lo", "up"]))?;
        let folder = Folder::new()?;
        let shadow = Nginx::shadow(folder.path())?;
        let production = Nginx::production(folder.path())?;
        Ok(Self {
            production,
            shadow,
            agent,
            agent_arguments,
            folder,
        })
    }
}

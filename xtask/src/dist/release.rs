//! What a release holds for one architecture, beside where each way of installing puts it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::arch::Arch;
use crate::setup;

/// One architecture's files, in memory.
pub struct Release {
    pub arch: Arch,
    pub version: &'static str,
    /// Seconds since 1970: the time of everything in it.
    pub time: u64,
    pub binary: Vec<u8>,
    pub man: Vec<u8>,
    /// Each shell with its script.
    pub completions: [(&'static str, Vec<u8>); 3],
    /// Files of the repository, by their path in it.
    pub documents: Vec<(&'static str, Vec<u8>)>,
}

/// Files of the repository that releases take.
const DOCUMENTS: [&str; 8] = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "docs/deploy.md",
    "deploy/systemd/shadow-agent.service",
    "deploy/systemd/shadow-agent.env",
    "deploy/systemd/nsswitch.conf",
];

#[cfg(test)]
impl Release {
    /// One for tests of what is made of it.
    pub fn sample(arch: Arch) -> Self {
        Self {
            arch,
            version: "1.2.3",
            time: 1_709_210_096,
            binary: arch.name().as_bytes().to_vec(),
            man: b"manual".to_vec(),
            completions: ["bash", "fish", "zsh"].map(|shell| (shell, shell.as_bytes().to_vec())),
            documents: DOCUMENTS.map(|name| (name, name.as_bytes().to_vec())).to_vec(),
        }
    }
}

impl Release {
    /// Reads the files and asks the binary for its man page and completions.
    pub fn gather(binary: &Path, arch: Arch, time: u64) -> Result<Self> {
        let printed = |arguments: &[&str]| -> Result<Vec<u8>> {
            Ok(super::output(arch.command(binary)?.args(arguments))?.into_bytes())
        };
        let completions = |shell| -> Result<_> { Ok((shell, printed(&["completions", shell])?)) };
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let documents = DOCUMENTS
            .iter()
            .map(|name| Ok((*name, read(&setup::workspace().join(name))?)));
        Ok(Self {
            arch,
            version: env!("CARGO_PKG_VERSION"),
            time,
            binary: read(binary)?,
            man: printed(&["man"])?,
            completions: [completions("bash")?, completions("fish")?, completions("zsh")?],
            documents: documents.collect::<Result<_>>()?,
        })
    }

    /// A file of the repository.
    pub fn document(&self, name: &str) -> Result<&[u8]> {
        self.documents
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, bytes)| bytes.as_slice())
            .with_context(|| format!("{name} is not part of a release"))
    }
}

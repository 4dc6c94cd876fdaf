//! The files of a release for one architecture, beside where each way of installing puts it.

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
    /// Man pages by file name: the program's, and those that it names.
    pub man: Vec<(String, Vec<u8>)>,
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
            man: vec![
                ("shadow-agent.1".to_owned(), b"manual".to_vec()),
                ("shadow-agent-demo.1".to_owned(), b"demo".to_vec()),
            ],
            completions: ["bash", "fish", "zsh"].map(|shell| (shell, shell.as_bytes().to_vec())),
            documents: DOCUMENTS.map(|name| (name, name.as_bytes().to_vec())).to_vec(),
        }
    }
}

impl Release {
    /// Reads the files and asks the binary for its man pages and completions.
    pub fn gather(binary: &Path, arch: Arch, time: u64) -> Result<Self> {
        let printed = |arguments: &[&str]| -> Result<Vec<u8>> {
            Ok(super::output(arch.command(binary)?.args(arguments))?.into_bytes())
        };
        let completions = |shell| -> Result<_> { Ok((shell, printed(&["completions", shell])?)) };
        let page = printed(&["man"])?;
        let commands = named_commands(&String::from_utf8_lossy(&page));
        let mut man = vec![("shadow-agent.1".to_owned(), page)];
        for command in commands {
            man.push((format!("shadow-agent-{command}.1"), printed(&["man", &command])?));
        }
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let documents = DOCUMENTS
            .iter()
            .map(|name| Ok((*name, read(&setup::workspace().join(name))?)));
        Ok(Self {
            arch,
            version: env!("CARGO_PKG_VERSION"),
            time,
            binary: read(binary)?,
            man,
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

/// The commands whose pages a man page names: lines such as `shadow\-agent\-demo(1)`.
fn named_commands(page: &str) -> Vec<String> {
    let page = page.replace("\\-", "-");
    let lines = page.lines().filter_map(|line| line.strip_suffix("(1)"));
    lines
        .filter_map(|line| line.strip_prefix("shadow-agent-"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_that_the_main_page_names_are_found() {
        let page = ".SH SUBCOMMANDS\n.TP\nshadow\\-agent\\-demo(1)\nShow it\n.TP\nshadow\\-agent\\-man(1)\nsee cron(1)\n";
        assert_eq!(named_commands(page), ["demo", "man"]);
    }
}

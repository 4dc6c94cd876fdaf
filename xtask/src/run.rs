//! `cargo xtask run`: builds the agent from source, quickly, and becomes it; as root by sudo where it must be.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, bail};

use crate::setup;

/// Arguments of the chore.
#[derive(clap::Args)]
pub struct Arguments {
    /// Arguments of the agent, after `--`; none: the demo.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    agent: Vec<OsString>,
}

/// Runs the chore; comes back only when the agent cannot be started.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let agent = setup::build_agent(setup::Profile::Source)?;
    let mut typed = arguments.agent.clone();
    if typed.is_empty() {
        typed.push("demo".into());
    }
    let mut command = if setup::is_root() || !needs_root(&typed) {
        Command::new(&agent)
    } else if setup::program("sudo").is_some() {
        eprintln!("capturing live traffic needs root: starting the agent by sudo");
        let mut sudo = Command::new("sudo");
        sudo.arg("--preserve-env=RUST_LOG").arg("--").arg(&agent);
        sudo
    } else {
        bail!(
            "capturing live traffic needs root, and there is no sudo here: run this as root, or replay a file \
             with `cargo xtask run -- --input-raw FILE.pcap --output-stdout`"
        );
    };
    let error = command.args(&typed).exec();
    Err(error).with_context(|| format!("cannot start {}", agent.display()))
}

/// Whether these arguments capture live traffic: the demo does, and every `--input-raw` that is not a file.
fn needs_root(typed: &[OsString]) -> bool {
    let typed: Vec<_> = typed.iter().map(|word| word.to_string_lossy()).collect();
    let mut live = typed.first().is_some_and(|first| first == "demo");
    for (at, word) in typed.iter().enumerate() {
        let flag = word.trim_start_matches('-');
        let address = match flag.split_once('=') {
            Some(("input-raw", address)) => Some(address),
            None if flag == "input-raw" && word.starts_with('-') => typed.get(at + 1).map(AsRef::as_ref),
            _ => None,
        };
        live |= address.is_some_and(|address| !is_file(address));
    }
    live && !typed
        .iter()
        .any(|word| matches!(word.as_ref(), "--help" | "-h" | "--version" | "-V"))
}

/// Whether an input address names a capture file (`file.pcap`, `file.pcapng:80`).
fn is_file(address: &str) -> bool {
    let name = address.rsplit_once(':').map_or(address, |(name, _)| name);
    [address, name]
        .iter()
        .any(|name| name.ends_with("pcap") || name.ends_with("pcapng"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(typed: &[&str]) -> bool {
        needs_root(&typed.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn live_capture_needs_root() {
        assert!(needs(&["demo"]));
        assert!(needs(&["--input-raw", ":80", "--output-null"]));
        assert!(needs(&["--input-raw=eth0:80", "--output-null"]));
        assert!(needs(&["-input-raw", ":80"]));
    }

    #[test]
    fn files_and_questions_do_not() {
        assert!(!needs(&["doctor"]));
        assert!(!needs(&["--help"]));
        assert!(!needs(&["demo", "--help"]));
        assert!(!needs(&["--input-raw", "day.pcap:80", "--output-stdout"]));
        assert!(!needs(&["--input-raw=day.pcapng", "--output-stdout"]));
    }

    #[test]
    fn one_live_input_among_files_is_enough() {
        assert!(needs(&["--input-raw", "day.pcap", "--input-raw", ":80"]));
    }
}

//! `cargo xtask run`: builds the agent from source, quickly, and becomes it; as root by sudo where it must be.
//!
//! The client of a Kubernetes cluster is a third of what there is to build. It is left out where the arguments ask for
//! nothing of a cluster, unless it is built already (`cargo xtask test` does): then one build of the agent serves both.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::setup;

/// Bytes of a file that is named, as far as they are looked through for a cluster: the most that a configuration file has.
const MAX_FILE: u64 = 1024 * 1024;

/// Arguments of the chore.
#[derive(clap::Args)]
pub struct Arguments {
    /// Arguments of the agent, after `--`; none: the demo.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    agent: Vec<OsString>,
}

/// Runs the chore; comes back only when the agent cannot be started.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let features = if needs_cluster(&arguments.agent) || setup::has_cluster(setup::Profile::Source) {
        setup::Features::All
    } else {
        eprintln!("building without Kubernetes (the feature `cluster`): no argument asks for it");
        setup::Features::WithoutCluster
    };
    let agent = setup::build_agent(setup::Profile::Source, features)?;
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

/// Whether these arguments, or a file that they name, ask something of a Kubernetes cluster: k8s:// inputs, routes, and
/// what is told of pods.
fn needs_cluster(typed: &[OsString]) -> bool {
    typed.iter().any(|word| {
        let word = word.to_string_lossy();
        let value = word.split_once('=').map_or(&*word, |(_, value)| value);
        names_cluster(&word) || file_names_cluster(Path::new(value))
    })
}

fn names_cluster(text: &str) -> bool {
    ["k8s", "http-pod-header"].iter().any(|word| text.contains(word))
}

fn file_names_cluster(file: &Path) -> bool {
    let mut text = Vec::new();
    // What is no regular file might wait for a writer.
    file.is_file()
        && File::open(file).is_ok_and(|file| file.take(MAX_FILE).read_to_end(&mut text).is_ok())
        && names_cluster(&String::from_utf8_lossy(&text))
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

    fn words(typed: &[&str]) -> Vec<OsString> {
        typed.iter().map(OsString::from).collect()
    }

    fn needs(typed: &[&str]) -> bool {
        needs_root(&words(typed))
    }

    #[test]
    fn inputs_and_flags_of_a_cluster_need_its_client() {
        let needs = |typed: &[&str]| needs_cluster(&words(typed));
        assert!(needs(&["--input-raw", "k8s://shop/deployment/web:80"]));
        assert!(needs(&["--input-raw=k8s://shop/deployment/web:80"]));
        assert!(needs(&["--input-k8s-routes", "*"]));
        assert!(needs(&["-k8s-pod-labels", "app"]));
        assert!(needs(&["--http-pod-header"]));
        assert!(!needs(&[]));
        assert!(!needs(&["--input-raw", ":80", "--output-http", "http://staging"]));
    }

    #[test]
    fn a_file_that_asks_for_a_cluster_needs_its_client() {
        let folder = std::env::temp_dir().join(format!("xtask-run-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).unwrap();
            file.into_os_string()
        };
        let pods = file(
            "pods.toml",
            "[mirror.web]\ninput-raw = 'k8s://shop/deployment/web:80'\n",
        );
        let ports = file("ports.toml", "[mirror.web]\ninput-raw = ':80'\n");
        let mut joined = OsString::from("--config=");
        joined.push(&pods);
        assert!(needs_cluster(&["--config".into(), pods]));
        assert!(needs_cluster(&[joined]));
        assert!(!needs_cluster(&["--config".into(), ports]));
        std::fs::remove_dir_all(&folder).unwrap();
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

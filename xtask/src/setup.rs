//! Preparations that several chores need: a build of the agent, and the programs the tests drive.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

/// Programs that the end-to-end tests and the benchmark drive, each with the Debian package that brings it.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("nginx", "nginx"),
    ("wrk", "wrk"),
    ("curl", "curl"),
    ("haproxy", "haproxy"),
    ("openssl", "openssl"),
    ("tshark", "tshark"),
    ("tcpdump", "tcpdump"),
    ("ip", "iproute2"),
    ("bpftool", "bpftool"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("systemd-analyze", "systemd"),
    ("python3", "python3"),
    ("pip3", "python3-pip"),
    ("apache2", "apache2-bin"),
    ("h2load", "nghttp2-client"),
    ("nghttp", "nghttp2-client"),
    ("nghttpd", "nghttp2-server"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("chromium", "chromium"),
    ("containerd", "containerd"),
    ("podman", "podman"),
];

/// Whether this process may capture and make network namespaces.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or(manifest.clone(), PathBuf::from)
}

/// The cargo that runs this chore.
///
/// Without what `cargo run` said of the chore's own package: build scripts that read such variables (ring's does) would take
/// them for a change, and be built with all that needs them whenever cargo is called by a chore and by hand in turn.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    for (name, _) in std::env::vars_os() {
        if is_of_a_package(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether cargo tells an executable of a package by this variable (the Cargo Book, "Environment variables Cargo sets for
/// crates").
fn is_of_a_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || matches!(
            name,
            "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR"
        )
}

/// A profile of the workspace's `Cargo.toml` that the agent is built with.
#[derive(Clone, Copy)]
pub enum Profile {
    /// As users get it: what figures are measured on.
    Release,
    /// Nearly as fast, in half of the time: what is run while it is developed.
    Source,
}

impl Profile {
    /// Its name, which is also that of its folder in cargo's target folder.
    const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Source => "source",
        }
    }
}

/// Features that the agent is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Features {
    /// As users get it.
    All,
    /// Without the feature `cluster`, whose crates are a third of what there is to build.
    WithoutCluster,
}

/// Whether the crates of the feature `cluster` are built already.
pub fn has_cluster(profile: Profile) -> bool {
    let crates = std::fs::read_dir(target().join(profile.name()).join("deps"));
    crates
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libkube_client-"))
}

/// Builds the agent and gives its path.
pub fn build_agent(profile: Profile, features: Features) -> anyhow::Result<PathBuf> {
    let without: &[&str] = match features {
        Features::All => &[],
        Features::WithoutCluster => &["--no-default-features"],
    };
    let status = cargo()
        .args(["build", "--profile", profile.name()])
        .args(["--package", "shadow-agent", "--bin", "shadow-agent"])
        .args(without)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the agent does not build");
    }
    Ok(target().join(profile.name()).join("shadow-agent"))
}

/// The agent that the tests run: with their own features and profile, so that no crate is built twice for them. It is there once they are
/// built (`shadow-agent/tests/executable.rs`).
pub fn tested_agent() -> PathBuf {
    target().join("debug/shadow-agent")
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// Looks a program up as a shell would, and where system programs stand when `PATH` does not name it.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Installs what is missing of `programs` where that can be done without asking anybody: as root, with apt.
/// Says by name what is still missing afterwards.
pub fn install(programs: &[(&'static str, &'static str)]) {
    let missing = absent(programs);
    if missing.is_empty() {
        return;
    }
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    if is_root() && program("apt-get").is_some() {
        println!(
            "installing what this drives: apt-get install {}",
            packages.join(" ")
        );
        if let Err(error) = apt_install(&packages) {
            eprintln!("apt-get did not install them: {error:#}");
        }
    }
    let missing: Vec<_> = absent(programs).iter().map(|(program, _)| *program).collect();
    if !missing.is_empty() {
        println!(
            "not installed: {}; what needs them cannot run (install them, or run this as root on Debian)",
            missing.join(", ")
        );
    }
}

fn absent(programs: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    programs
        .iter()
        .filter(|(name, _)| program(name).is_none())
        .copied()
        .collect()
}

fn apt_install(packages: &[&str]) -> anyhow::Result<()> {
    let apt = |arguments: &[&str]| -> anyhow::Result<()> {
        let status = Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .arg("-qq")
            .args(arguments)
            .status()
            .context("cannot start apt-get")?;
        if !status.success() {
            bail!("apt-get {} failed ({status})", arguments.join(" "));
        }
        Ok(())
    };
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_not_told_of_the_chores_own_package() {
        for (name, is_one) in [
            ("CARGO_PKG_NAME", true),
            ("CARGO_MANIFEST_DIR", true),
            ("OUT_DIR", true),
            ("CARGO_HOME", false),
            ("CARGO_TERM_COLOR", false),
            ("PATH", false),
        ] {
            assert_eq!(is_of_a_package(name), is_one, "{name}");
        }
        // Cargo tells this test of them, so there is something to remove.
        let removed: Vec<_> = cargo()
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_owned())
            .collect();
        assert!(removed.contains(&"CARGO_MANIFEST_DIR".into()), "{removed:?}");
    }
}

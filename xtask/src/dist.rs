//! `cargo xtask dist`: what users install, for each architecture: a static binary, a Debian package, a tarball, and one
//! container image for all of them, with checksums.
//!
//! Nothing here needs Docker. The same commit gives the same bytes: times come from the commit,
//! paths of this machine are kept out of the binary, and archives are written here in a fixed order. What does depend
//! on the machine: its C library, compiler for C and list of certificate authorities.

mod arch;
mod check;
mod compile;
mod debian;
mod image;
mod release;
mod tar;
mod tarball;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::setup;
use arch::Arch;
use release::Release;

/// Arguments of the chore.
#[derive(clap::Args)]
pub struct Arguments {
    /// Build for this architecture only.
    #[arg(long, value_name = "ARCH", conflicts_with = "no_arm64")]
    target: Option<Arch>,

    /// Leave arm64 out; it needs a cross-compiler and Rust's own source.
    #[arg(long)]
    no_arm64: bool,

    /// Where the files go; what is in the way there is replaced. By default target/dist.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the chore.
pub fn run(arguments: &Arguments) -> Result<()> {
    let arches = match arguments.target {
        Some(arch) => vec![arch],
        None if arguments.no_arm64 => vec![Arch::Amd64],
        None => vec![Arch::Amd64, Arch::Arm64],
    };
    setup::install(&[
        ("dpkg-deb", "dpkg"),
        ("gzip", "gzip"),
        ("sha256sum", "coreutils"),
        ("update-ca-certificates", "ca-certificates"),
    ]);
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| setup::target().join("dist"));
    fs::create_dir_all(&out).with_context(|| format!("--out {}: cannot be made", out.display()))?;
    let commit_time = commit_time()?;

    let mut files = Vec::new();
    let mut releases = Vec::new();
    for arch in arches {
        println!("== {arch}");
        let binary = compile::static_binary(arch)?;
        check::runs(&binary, arch)?;
        let release = Release::gather(&binary, arch, commit_time)?;
        files.push(tarball::write(&release, &out)?);
        files.push(debian::write(&release, &out)?);
        releases.push(release);
    }
    println!("== image");
    files.push(image::write(&releases, &out)?);
    files.push(write_checksums(&files, &out)?);
    list(&files)
}

/// Seconds since 1970 of the commit that is built, unless `SOURCE_DATE_EPOCH` says otherwise
/// (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn commit_time() -> Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => output(
            Command::new("git")
                .args(["log", "-1", "--format=%ct"])
                .current_dir(setup::workspace()),
        )
        .context("without git, set SOURCE_DATE_EPOCH to the time of the release in seconds since 1970")?,
    };
    text.trim()
        .parse()
        .with_context(|| format!("SOURCE_DATE_EPOCH {text:?} is no number of seconds"))
}

fn write_checksums(files: &[PathBuf], out: &Path) -> Result<PathBuf> {
    let names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
    let sums = output(Command::new("sha256sum").args(names).current_dir(out))?;
    let path = out.join("SHA256SUMS");
    fs::write(&path, sums).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn list(files: &[PathBuf]) -> Result<()> {
    println!();
    for file in files {
        let size = fs::metadata(file)
            .with_context(|| format!("cannot read {}", file.display()))?
            .len();
        println!("{size:>12}  {}", file.display());
    }
    Ok(())
}

/// The program `name`, which [`setup::install`] was asked for.
fn tool(name: &str) -> Result<Command> {
    let path = setup::program(name).with_context(|| format!("{name} is not installed"))?;
    Ok(Command::new(path))
}

/// Runs a command that must succeed.
fn run_command(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}

/// Runs a command that must succeed, and gives what it prints.
fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs a command that must succeed on `input`, and gives what it makes of it.
fn filter(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let mut stdin = child.stdin.take().context("a program that reads nothing")?;
    // Written from beside, so that neither waits for the other with a full pipe.
    let output = std::thread::scope(|scope| {
        let writer = scope.spawn(move || stdin.write_all(input));
        let output = child.wait_with_output();
        writer.join().map_err(|_| anyhow::anyhow!("a thread died"))??;
        anyhow::Ok(output?)
    })?;
    ensure!(output.status.success(), "{command:?} failed ({})", output.status);
    Ok(output.stdout)
}

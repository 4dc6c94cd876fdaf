//! `cargo xtask fuzz`: builds the fuzz targets with coverage instrumentation, on stable Rust and without
//! cargo-fuzz, and runs each for a bounded time.
//!
//! Corpora grow in `fuzz/corpus`, starting from the seeds in `fuzz/seeds`; what makes a target fail is left
//! in `fuzz/artifacts`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, anyhow, bail, ensure};

/// The LLVM pass and options that cargo-fuzz hands to rustc as well. libFuzzer needs nothing unstable.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions --cfg fuzzing";
/// Largest input in bytes: more than any limit in the targets, small enough to be quick.
const MAX_LEN: &str = "-max_len=4096";
/// Memory beyond which a target has failed, in MiB.
const RSS_LIMIT: &str = "-rss_limit_mb=512";
/// Time for one input beyond which a target has failed, in seconds.
const TIMEOUT: &str = "-timeout=10";

/// Arguments of the chore.
#[derive(clap::Args)]
pub struct Arguments {
    /// Targets to run; all when none is named.
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// How many targets run at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Build the targets and run none.
    #[arg(long)]
    build_only: bool,
}

/// Runs the chore.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz")
        .canonicalize()?;
    let known = targets(&fuzz)?;
    for target in &arguments.targets {
        ensure!(
            known.contains(target),
            "no fuzz target {target}; there are: {}",
            known.join(", ")
        );
    }
    let chosen = if arguments.targets.is_empty() {
        &known
    } else {
        &arguments.targets
    };
    let binaries = build(&fuzz, chosen)?;
    if arguments.build_only {
        return Ok(());
    }
    // Each thread takes the next target; the first failure of each ends it, and all are told.
    let waiting = Mutex::new(chosen.iter());
    let next = || waiting.lock().ok()?.next();
    let failures: Vec<anyhow::Error> = thread::scope(|scope| {
        let run_all = || -> anyhow::Result<()> {
            while let Some(target) = next() {
                fuzz_one(&fuzz, &binaries.join(target), target, arguments.seconds)?;
            }
            Ok(())
        };
        let jobs: Vec<_> = (0..arguments.jobs).map(|_| scope.spawn(run_all)).collect();
        jobs.into_iter()
            .filter_map(|job| {
                job.join()
                    .unwrap_or_else(|_| Err(anyhow!("a fuzzing thread panicked")))
                    .err()
            })
            .collect()
    });
    for failure in &failures {
        eprintln!("{failure:#}");
    }
    ensure!(failures.is_empty(), "fuzzing found faults");
    Ok(())
}

fn targets(fuzz: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(fuzz.join("targets"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds the targets, and returns the folder they are in.
fn build(fuzz: &Path, targets: &[String]) -> anyhow::Result<PathBuf> {
    let host = host()?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(fuzz.join("Cargo.toml"));
    // With a target named, cargo leaves build scripts and procedural macros uninstrumented.
    cargo
        .args(["--target", &host, "--target-dir"])
        .arg(fuzz.join("target"));
    for target in targets {
        cargo.args(["--bin", target]);
    }
    let status = cargo
        .env("RUSTFLAGS", RUSTFLAGS)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()?;
    ensure!(status.success(), "the fuzz targets do not build");
    Ok(fuzz.join("target").join(host).join("release"))
}

fn host() -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("cannot run rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

fn fuzz_one(fuzz: &Path, binary: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let corpus = fuzz.join("corpus").join(target);
    let artifacts = fuzz.join("artifacts").join(target);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let seeds = fuzz.join("seeds").join(target);
    // The folder that comes first takes new inputs, the others are only read.
    let mut command = Command::new(binary);
    command.arg(&corpus);
    if seeds.is_dir() {
        command.arg(&seeds);
    }
    let output = command
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        .args([MAX_LEN, RSS_LIMIT, TIMEOUT])
        .output()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        let done = log.lines().rfind(|line| line.contains("DONE"));
        eprintln!("fuzz {target}: {seconds} s  {}", done.unwrap_or("done"));
        return Ok(());
    }
    let tail: Vec<&str> = log.lines().rev().take(60).collect();
    for line in tail.iter().rev() {
        eprintln!("  {line}");
    }
    let file = log
        .lines()
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, file)| file);
    match file {
        Some(file) => bail!(
            "fuzz target {target} failed; to see it again: {} {file}",
            binary.display()
        ),
        None => bail!(
            "fuzz target {target} failed ({}) and left no input",
            output.status
        ),
    }
}

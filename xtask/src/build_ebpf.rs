//! `cargo xtask build-ebpf`: the committed kernel objects from their source.
//!
//! They are committed so that users build with stable Rust alone. What makes them the same bytes wherever they are
//! built: the pinned compiler and linker, one profile without debug information, and no flags from outside.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};

/// The compiler of `rust-toolchain.toml`.
const RUST: &str = "1.95.0";

/// Links with rustc's own LLVM.
const BPF_LINKER: &str = "0.10.3";

const TARGET: &str = "bpfel-unknown-none";
const PROFILE: &str = "ebpf";

/// The objects: what capture loads, and what is loaded besides where secrets of TLS are taken.
const OBJECTS: [&str; 2] = ["shadow-ebpf", "shadow-secrets"];

/// Where the objects are committed, below the root of the repository.
const COMMITTED: &str = "crates/shadow-capture/src";

/// Arguments of the chore.
#[derive(clap::Args)]
pub struct Arguments {
    /// Write nothing; fail when a committed object is not what the source gives.
    #[arg(long, conflicts_with = "log")]
    check: bool,

    /// Build one that logs what becomes of each selected packet, for debugging, into target/. A debug build of the
    /// agent loads it from `SHADOW_AGENT_EBPF_OBJECT` and shows its log with `RUST_LOG=debug`.
    #[arg(long)]
    log: bool,
}

/// Runs the chore.
pub fn run(arguments: &Arguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask stands in the workspace")?;
    check_compiler(root)?;
    provide_rust_src(root)?;
    provide_linker()?;
    let built = build(root, arguments.log)?;
    if arguments.log {
        let object = built.join(OBJECTS[0]);
        println!("built {}: SHADOW_AGENT_EBPF_OBJECT={0}", object.display());
        return Ok(());
    }
    for object in OBJECTS {
        let committed = format!("{COMMITTED}/{object}.o");
        bring(&built.join(object), root, &committed, arguments.check)?;
    }
    Ok(())
}

/// Commits what was built, or compares it with what is committed.
fn bring(built: &Path, root: &Path, committed: &str, check: bool) -> Result<()> {
    let new = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    let old = fs::read(root.join(committed)).unwrap_or_default();
    if new == old {
        println!("{committed} is what the source gives ({} bytes)", old.len());
        return Ok(());
    }
    ensure!(
        !check,
        "{committed} ({} bytes) is not what shadow-ebpf gives ({} bytes): run `cargo xtask build-ebpf` and commit it",
        old.len(),
        new.len()
    );
    fs::write(root.join(committed), &new).with_context(|| format!("cannot write {committed}"))?;
    println!("wrote {committed} ({} bytes, was {})", new.len(), old.len());
    Ok(())
}

/// Another compiler gives other bytes.
fn check_compiler(root: &Path) -> Result<()> {
    let version = output(Command::new("rustc").arg("--version").current_dir(root))?;
    ensure!(
        version.split(' ').nth(1) == Some(RUST),
        "the kernel object is built with Rust {RUST}, not {version}: rustup toolchain install {RUST}"
    );
    Ok(())
}

/// Rust's own source, for targets that it has no compiled form of `core` or `std` for.
pub fn provide_rust_src(root: &Path) -> Result<()> {
    let sysroot = output(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(root),
    )?;
    let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library/core/Cargo.toml");
    if source.exists() {
        return Ok(());
    }
    println!("rust-src is missing: rustup component add rust-src");
    let added = Command::new("rustup")
        .args(["component", "add", "rust-src", "--toolchain", RUST])
        .status();
    if added.is_ok_and(|status| status.success()) && source.exists() {
        return Ok(());
    }
    bail!(
        "the source of Rust's core library is not in {}: \
         rustup component add rust-src --toolchain {RUST}; \
         without rustup, install your distribution's rust-src of the very same version \
         (Debian: apt-get install rust-src, then link /usr/lib/rustlib/src there)",
        source.display()
    )
}

fn provide_linker() -> Result<()> {
    let found = output(Command::new("bpf-linker").arg("--version")).unwrap_or_default();
    if found == format!("bpf-linker {BPF_LINKER}") {
        return Ok(());
    }
    println!(
        "bpf-linker {BPF_LINKER} is missing{}: installing it (about a minute)",
        if found.is_empty() {
            String::new()
        } else {
            format!(" (there is {found})")
        }
    );
    let install = Command::new(cargo())
        .args([
            "install",
            &format!("bpf-linker@{BPF_LINKER}"),
            "--locked",
            "--force",
        ])
        .status()
        .context("cannot run cargo install")?;
    ensure!(
        install.success(),
        "bpf-linker cannot be installed: cargo install bpf-linker@{BPF_LINKER} --locked; \
         `cargo install` must put programs in a folder of PATH (~/.cargo/bin)"
    );
    Ok(())
}

fn build(root: &Path, log: bool) -> Result<PathBuf> {
    // Its own folder: what is built here with unstable features allowed must not be taken for what is built without.
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = std::path::absolute(target)?.join(if log { "ebpf-log" } else { "ebpf" });
    let mut command = Command::new(cargo());
    command
        .current_dir(root)
        .args([
            "build",
            "--package",
            "shadow-ebpf",
            "--profile",
            PROFILE,
            "--locked",
        ])
        .args(["-Z", "build-std=core", "--target", TARGET, "--target-dir"])
        .arg(&target)
        // `-Z build-std` and the BPF target's inline assembly are unstable; the compiler is pinned instead.
        .env("RUSTC_BOOTSTRAP", "1")
        // Takes the place of all flags from outside.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Clinker=bpf-linker")
        .env_remove("RUSTFLAGS")
        // It would overrule the profile, and make other bytes.
        .env_remove("CARGO_INCREMENTAL")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    if log {
        command.args(["--features", "log"]);
    }
    let status = command.status().context("cannot run cargo build")?;
    ensure!(status.success(), "the kernel programs do not build");
    Ok(target.join(TARGET).join(PROFILE))
}

/// The cargo that runs this.
fn cargo() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a command and gives what it prints, without the line's end.
fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

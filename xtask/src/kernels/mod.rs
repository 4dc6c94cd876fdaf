//! `cargo xtask test --kernels`: the agent on Debian's kernels, each booted in an emulated machine.
//!
//! A guest has the kernel, its modules, the agent and a few real programs (nginx, curl, ip, bpftool) in memory and nothing
//! else. What it checks stands in `guest/`; it says each result in one line on its serial console, which is read
//! here. The processor is emulated (TCG), so that no rights and no particular host are needed, and everything is slow:
//! the checks count, they do not time.

mod console;
mod cpio;
mod image;
mod package;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::setup;

use console::{Guest, Outcome};

/// The version that is tried where none is given: the stable release's predecessor, with filters of clsact.
pub const DEFAULT: &str = "6.1";

/// Programs of the host that this needs, each with its Debian package.
const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("modinfo", "kmod"),
    ("xz", "xz-utils"),
    ("strip", "binutils"),
    ("ldd", "libc-bin"),
    ("nginx", "nginx"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("bpftool", "bpftool"),
    ("setpriv", "util-linux"),
    ("jq", "jq"),
];

/// The whole of a guest's life may take so long. Emulated and on a busy machine; alone it is a minute or two.
const LIMIT: Duration = Duration::from_mins(15);

/// Boots each of these kernels ("6.1", "5.10", ...) and prints what held. Fails when something did not.
pub fn run(kernels: &[String], install: bool) -> Result<()> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the kernels are Debian's for x86-64, and the agent is built for this machine"
    );
    if install {
        setup::install(PROGRAMS);
    }
    let agent = match std::env::var_os("SHADOW_AGENT_BIN") {
        Some(agent) => PathBuf::from(agent),
        None => setup::build_agent(setup::Profile::Source, setup::Features::All)?,
    };
    let folder = setup::target().join("kernels");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;

    let mut rows = Vec::new();
    for wanted in kernels {
        rows.push(one(wanted, &folder, &agent).with_context(|| format!("Linux {wanted}"))?);
    }
    let failed = report(&rows)?;
    if failed > 0 {
        bail!("{failed} checks failed");
    }
    Ok(())
}

/// The result of one kernel.
struct Row {
    release: String,
    took: Duration,
    outcome: Outcome,
}

fn one(wanted: &str, folder: &Path, agent: &Path) -> Result<Row> {
    let kernel = package::provide(wanted, folder)?;
    let initramfs = folder.join(format!("initramfs-{}", kernel.release));
    image::write(&initramfs, &kernel, agent)?;
    println!("== Linux {}", kernel.release);
    let start = Instant::now();
    let outcome = Guest {
        kernel: &kernel.image,
        initramfs: &initramfs,
        log: &folder.join(format!("console-{}.log", kernel.release)),
        limit: LIMIT,
    }
    .run()?;
    std::fs::remove_file(&initramfs).context("cannot remove the initramfs")?;
    Ok(Row {
        release: kernel.release,
        took: start.elapsed(),
        outcome,
    })
}

/// Prints the sum; the number of checks that failed.
fn report(rows: &[Row]) -> Result<usize> {
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    let (mut passed, mut failed) = (0, 0);
    for Row {
        release,
        took,
        outcome,
    } in rows
    {
        passed += outcome.passed;
        failed += outcome.failures.len();
        writeln!(
            out,
            "Linux {release}: {} passed, {} failed, {} s",
            outcome.passed,
            outcome.failures.len(),
            took.as_secs()
        )?;
        for figure in &outcome.figures {
            writeln!(out, "  {figure}")?;
        }
        for failure in &outcome.failures {
            writeln!(out, "FAILED {release}: {failure}")?;
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(failed)
}

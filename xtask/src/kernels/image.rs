//! The image that a guest boots from, all in its memory: the checks, the agent, programs with the libraries they load, and kernel
//! modules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::cpio::Cpio;
use super::package::Kernel;
use crate::setup;

/// The guest's scripts, by the path that they have there.
const SCRIPTS: &[(&str, &str)] = &[
    ("/init", include_str!("guest/init.sh")),
    ("/checks.sh", include_str!("guest/checks.sh")),
    ("/scene.sh", include_str!("guest/scene.sh")),
    ("/etc/passwd", "root:x:0:0:root:/:/bin/sh\n"),
    ("/etc/group", "root:x:0:\n"),
];

/// Programs of this machine that the checks drive.
const PROGRAMS: &[&str] = &["nginx", "curl", "ip", "tc", "bpftool", "setpriv", "jq"];

/// Modules that the checks load one by one; what they depend on comes along.
const MODULES: &[&str] = &["veth", "sch_ingress", "cls_bpf"];

/// Writes the archive.
pub fn write(path: &Path, kernel: &Kernel, agent: &Path) -> Result<()> {
    let mut archive = Cpio::default();
    for folder in [
        "/dev",
        "/proc",
        "/sys",
        "/run",
        "/tmp",
        "/var/lib/nginx",
        "/var/log/nginx",
    ] {
        archive.folder(folder);
    }
    for (path, script) in SCRIPTS {
        archive.file(path, script.as_bytes());
    }
    let mut files = BTreeSet::new();
    let busybox = find("busybox")?;
    archive.file("/bin/busybox", &read(&busybox)?);
    archive.link("/bin/sh", "busybox");
    for name in PROGRAMS {
        let program = find(name)?;
        libraries(&program, &mut files)?;
        archive.file(&format!("/bin/programs/{name}"), &read(&program)?);
    }
    let stripped = strip(agent, path)?;
    libraries(&stripped, &mut files)?;
    archive.file("/bin/programs/shadow-agent", &read(&stripped)?);
    std::fs::remove_file(&stripped)?;
    for library in &files {
        archive.file(&library.display().to_string(), &read(library)?);
    }
    let mut order = Vec::new();
    for module in MODULES {
        module_with_dependencies(module, kernel, &mut archive, &mut order)?;
    }
    std::fs::write(path, archive.finish()).with_context(|| format!("cannot write {}", path.display()))
}

fn find(name: &str) -> Result<PathBuf> {
    setup::program(name).with_context(|| format!("{name} is not installed"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A debug build is large with its debugging information, and the guest holds it in memory.
fn strip(agent: &Path, beside: &Path) -> Result<PathBuf> {
    let stripped = beside.with_extension("agent");
    let status = Command::new("strip")
        .arg("--strip-debug")
        .arg("-o")
        .args([&stripped, &agent.to_path_buf()])
        .status()
        .context("cannot start strip")?;
    ensure!(status.success(), "{} cannot be stripped", agent.display());
    Ok(stripped)
}

/// Adds what a program loads when it starts.
fn libraries(program: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("cannot start ldd")?;
    // A static program has none, and ldd says so by its exit status.
    files.extend(loaded(&String::from_utf8_lossy(&output.stdout)));
    Ok(())
}

/// The absolute paths in what ldd prints.
fn loaded(text: &str) -> impl Iterator<Item = PathBuf> {
    text.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
}

/// Adds a module behind those it depends on, as `/modules/NAME.ko`; nothing where it is built into the kernel. `/modules/NAME`
/// lists what to load for it, in order.
fn module_with_dependencies(
    name: &str,
    kernel: &Kernel,
    archive: &mut Cpio,
    done: &mut Vec<String>,
) -> Result<Vec<String>> {
    let mut order = Vec::new();
    if let Some(file) = module_file(name, &kernel.modules)? {
        let asked = Command::new("modinfo")
            .args(["--field", "depends"])
            .arg(&file)
            .output()
            .context("cannot start modinfo")?;
        ensure!(asked.status.success(), "modinfo cannot read {}", file.display());
        let depends = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        for other in depends.split(',').filter(|other| !other.is_empty()) {
            order.extend(module_with_dependencies(other, kernel, archive, done)?);
        }
        order.push(name.to_owned());
        if done.iter().all(|other| other != name) {
            archive.file(&format!("/modules/{name}.ko"), &decompressed(&file)?);
            archive.file(&format!("/modules/{name}"), order.join("\n").as_bytes());
            done.push(name.to_owned());
        }
    }
    Ok(order)
}

/// Finds a module's file, whose name may have hyphens for underscores and be compressed.
fn module_file(name: &str, folder: &Path) -> Result<Option<PathBuf>> {
    let mut folders = vec![folder.join("kernel")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Some((stem, _)) = entry.file_name().to_string_lossy().split_once(".ko")
                && stem.replace('-', "_") == name
            {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}

fn decompressed(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_none_or(|extension| extension != "xz") {
        return read(file);
    }
    let output = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(file)
        .output()
        .context("cannot start xz")?;
    ensure!(output.status.success(), "xz cannot read {}", file.display());
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_the_paths_that_ldd_prints() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let found: Vec<_> = loaded(text).collect();
        assert_eq!(
            found,
            [
                Path::new("/lib/x86_64-linux-gnu/libc.so.6"),
                Path::new("/lib64/ld-linux-x86-64.so.2")
            ]
        );
        assert_eq!(loaded("\tnot a dynamic executable\n").count(), 0);
    }
}

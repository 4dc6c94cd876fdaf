//! The binary: static, so that one file runs on any distribution and alone in an image.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::arch::Arch;
use crate::{build_ebpf, setup};

/// Builds the agent for `arch` and gives the binary's path.
pub fn static_binary(arch: Arch) -> Result<PathBuf> {
    let needs = arch.needs();
    setup::install(needs);
    for (need, package) in needs {
        ensure!(
            setup::program(need).is_some(),
            "{arch} cannot be built without {need}: apt-get install {package}"
        );
    }
    let sysroot = super::output(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(setup::workspace()),
    )?;
    let sysroot = Path::new(sysroot.trim());

    let mut command = setup::cargo();
    let mut target = setup::target();
    command
        .args(["build", "--release", "--locked", "--package", "shadow-agent"])
        .args(["--bin", "shadow-agent", "--target", arch.triple()])
        // Takes the place of all flags from outside.
        .env("CARGO_ENCODED_RUSTFLAGS", flags(sysroot)?.join("\u{1f}"))
        .env_remove("RUSTFLAGS");
    if arch.is_foreign() {
        let linker = arch.triple().to_uppercase().replace('-', "_");
        command.env(format!("CARGO_TARGET_{linker}_LINKER"), arch.gcc());
        if !sysroot
            .join("lib/rustlib")
            .join(arch.triple())
            .join("lib")
            .is_dir()
        {
            build_ebpf::provide_rust_src(&setup::workspace())?;
            // Its own folder: what is built with unstable features allowed must not be taken for what is built without.
            target = target.join("build-std");
            command
                .args(["-Z", "build-std=std,panic_abort", "--target-dir"])
                .arg(&target)
                // `-Z build-std` is unstable; the compiler is pinned instead.
                .env("RUSTC_BOOTSTRAP", "1");
        }
    }
    super::run_command(&mut command)?;
    let binary = target.join(arch.triple()).join("release/shadow-agent");
    check_static(&binary)?;
    Ok(binary)
}

/// Names of functions stay for backtraces; line tables, which would be most of the file, do not.
fn flags(sysroot: &Path) -> Result<Vec<String>> {
    let workspace = setup::workspace();
    let cargo_home = match (std::env::var_os("CARGO_HOME"), std::env::var_os("HOME")) {
        (Some(home), _) => PathBuf::from(home),
        (None, Some(home)) => Path::new(&home).join(".cargo"),
        (None, None) => bail!("neither CARGO_HOME nor HOME is set"),
    };
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    Ok(vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Cstrip=debuginfo".to_owned(),
        remap(&workspace, "/shadow-agent"),
        remap(&cargo_home.join("registry/src"), "/crates"),
        remap(&sysroot.join("lib/rustlib/src/rust"), "/rust"),
    ])
}

/// A binary that asks for an interpreter does not start in an empty image.
fn check_static(binary: &Path) -> Result<()> {
    let bytes = std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    ensure!(
        is_static(&bytes).context("the binary is not a 64-bit little-endian ELF file")?,
        "{} is not linked statically",
        binary.display()
    );
    Ok(())
}

/// Whether an ELF file has no `PT_INTERP` program header (elf(5)).
fn is_static(elf: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = elf.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    };
    if elf.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        let at = usize::try_from(start.checked_add(index.checked_mul(size)?)?).ok()?;
        if number(at, 4)? == u64::from(PT_INTERP) {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::is_static;

    fn elf(types: &[u8]) -> Vec<u8> {
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[32], elf[54], elf[56]) = (64, 56, types.len() as u8);
        for kind in types {
            elf.push(*kind);
            elf.extend([0; 55]);
        }
        elf
    }

    #[test]
    fn a_binary_with_an_interpreter_is_not_static() {
        assert_eq!(is_static(&elf(&[1, 2])), Some(true));
        assert_eq!(is_static(&elf(&[1, 3, 2])), Some(false));
    }

    #[test]
    fn what_is_not_elf_or_cut_off_is_refused() {
        assert_eq!(is_static(b"#!/bin/sh"), None);
        assert_eq!(is_static(&elf(&[1, 2])[..100]), None);
        assert_eq!(is_static(b""), None);
    }
}

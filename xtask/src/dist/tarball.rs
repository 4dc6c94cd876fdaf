//! The tarball: everything in one folder, to be copied by hand.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::release::Release;
use super::tar::Tar;

/// Writes `shadow-agent-VERSION-linux-ARCH.tar.gz` into `out` and gives its path.
pub fn write(release: &Release, out: &Path) -> Result<PathBuf> {
    let name = format!("shadow-agent-{}-linux-{}", release.version, release.arch);
    let path = out.join(format!("{name}.tar.gz"));
    // -n: neither name nor time in its header.
    let packed = super::filter(super::tool("gzip")?.args(["-n", "-9"]), &archive(release, &name)?)?;
    std::fs::write(&path, packed).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn archive(release: &Release, folder: &str) -> Result<Vec<u8>> {
    let mut tar = Tar::new(release.time);
    tar.file(&format!("{folder}/shadow-agent"), 0o755, &release.binary)?;
    for (name, page) in &release.man {
        tar.file(&format!("{folder}/man/{name}"), 0o644, page)?;
    }
    for (shell, script) in &release.completions {
        tar.file(&format!("{folder}/completions/{shell}"), 0o644, script)?;
    }
    for (name, contents) in &release.documents {
        tar.file(&format!("{folder}/{name}"), 0o644, contents)?;
    }
    Ok(tar.finish())
}

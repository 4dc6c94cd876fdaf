//! Kernels as Debian builds them: found by version in one of its suites, downloaded with apt, unpacked into `target/`.
//!
//! The mirror is the one this machine installs from; the suites are not the machine's own, so apt gets a list and folders
//! of this chore's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Which suite has which kernel: what a version begins with, the suite, and whether it has a security archive, whose
/// kernels are newer.
const SUITES: &[(&str, &str, bool)] = &[
    ("5.10.", "bullseye", true),
    ("6.1.", "bookworm", true),
    ("6.12.", "trixie", true),
    // All else: what is being built for the next release.
    ("", "sid", false),
];

/// A kernel that can be booted.
pub struct Kernel {
    /// The release, as `uname -r` says it.
    pub release: String,
    /// The compressed image.
    pub image: PathBuf,
    /// Where its modules stand.
    pub modules: PathBuf,
}

/// Gives a kernel whose version begins with `wanted`, such as "6.1"; the one that was unpacked before, if there is one.
pub fn provide(wanted: &str, folder: &Path) -> Result<Kernel> {
    ensure!(
        wanted.split('.').all(|part| part.parse::<u16>().is_ok()),
        "{wanted:?} is no version of a kernel, such as 6.1 or 7"
    );
    let kept = folder.join(wanted);
    if !kept.exists() {
        download(&format!("{wanted}."), folder, &kept)?;
    }
    unpacked(&kept)
}

/// The kernel in a folder of unpacked packages. Where `/lib` was merged into `/usr/lib`, both occur.
fn unpacked(folder: &Path) -> Result<Kernel> {
    for library in ["usr/lib/modules", "lib/modules"] {
        let Ok(mut found) = std::fs::read_dir(folder.join(library)) else {
            continue;
        };
        if let Some(modules) = found.next() {
            let modules = modules?.path();
            let release = modules
                .file_name()
                .context("a folder has a name")?
                .to_string_lossy()
                .into_owned();
            let images = [
                folder.join(format!("boot/vmlinuz-{release}")),
                modules.join("vmlinuz"),
            ];
            let image = images
                .into_iter()
                .find(|image| image.is_file())
                .with_context(|| format!("no image of {release} in {}", folder.display()))?;
            return Ok(Kernel {
                release,
                image,
                modules,
            });
        }
    }
    bail!(
        "no kernel in {}; delete it to have it downloaded again",
        folder.display()
    )
}

fn download(version: &str, folder: &Path, kept: &Path) -> Result<()> {
    let (_, suite, security) = SUITES
        .iter()
        .find(|(prefix, ..)| version.starts_with(prefix))
        .context("the last one fits all")?;
    let apt = Apt::new(folder, suite, *security)?;
    let newest = apt.newest(version)?;
    println!("downloading {newest} ({suite})");
    let partial = folder.join(format!("partial-{}", std::process::id()));
    std::fs::create_dir_all(&partial)?;
    for package in apt.parts(&newest)? {
        apt.unpack(&package, &partial)?;
    }
    std::fs::rename(&partial, kept).with_context(|| format!("cannot make {}", kept.display()))
}

/// apt with lists of its own.
struct Apt {
    config: PathBuf,
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path, suite: &str, security: bool) -> Result<Self> {
        let folder = folder.join(format!("apt-{suite}"));
        for part in ["lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        let mut sources = vec![format!("deb {} {suite} main\n", archive("Debian")?)];
        if security {
            sources.push(format!(
                "deb {} {suite}-security main\n",
                archive("Debian-Security")?
            ));
        }
        let list = folder.join("sources.list");
        std::fs::write(&list, sources.concat())?;
        let config = folder.join("apt.conf");
        std::fs::write(
            &config,
            format!(
                "Dir::Etc::sourcelist \"{list}\";\nDir::Etc::sourceparts \"-\";\nDir::State::lists \"{folder}/lists\";\n\
                 Dir::Cache \"{folder}/cache\";\nAcquire::Languages \"none\";\nAPT::Sandbox::User \"root\";\n\
                 Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n",
                list = list.display(),
                folder = folder.display()
            ),
        )?;
        let apt = Self { config, folder };
        apt.ask("apt-get", &["--quiet=2", "update"])?;
        Ok(apt)
    }

    /// The newest kernel for all machines whose version begins with `version`.
    fn newest(&self, version: &str) -> Result<String> {
        let pattern = format!(r"^linux-image-{}[0-9.+a-z-]*-amd64$", version.replace('.', r"\."));
        let found = self.ask("apt-cache", &["search", "--names-only", &pattern])?;
        newest(&found).with_context(|| format!("the mirror has no kernel {version}*"))
    }

    /// The packages that make up a kernel: one, or since 7.0 several.
    fn parts(&self, image: &str) -> Result<Vec<String>> {
        let mut parts = vec![image.to_owned()];
        let depends = self.ask("apt-cache", &["depends", "--important", image])?;
        let version = image.trim_start_matches("linux-image-");
        for part in ["linux-binary", "linux-modules"].map(|part| format!("{part}-{version}")) {
            if depends
                .lines()
                .any(|line| line.trim() == format!("Depends: {part}"))
            {
                parts.push(part);
            }
        }
        Ok(parts)
    }

    fn unpack(&self, package: &str, into: &Path) -> Result<()> {
        let downloads = self.folder.join("downloads");
        std::fs::create_dir_all(&downloads)?;
        self.ask_in(&downloads, "apt-get", &["--quiet=2", "download", package])?;
        for file in std::fs::read_dir(&downloads)? {
            let file = file?.path();
            let status = Command::new("dpkg-deb")
                .arg("--extract")
                .args([&file, into])
                .status()
                .context("cannot start dpkg-deb")?;
            ensure!(status.success(), "{} does not unpack", file.display());
            std::fs::remove_file(&file)?;
        }
        Ok(())
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> Result<String> {
        self.ask_in(&self.folder, program, arguments)
    }

    fn ask_in(&self, folder: &Path, program: &str, arguments: &[&str]) -> Result<String> {
        output(
            Command::new(program)
                .args(arguments)
                .current_dir(folder)
                .env("APT_CONFIG", &self.config),
        )
    }
}

/// Where this machine gets packages with this label from.
fn archive(label: &str) -> Result<String> {
    let targets = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    let prefix = format!("Debian|{label}|");
    let found = targets.lines().find_map(|line| line.strip_prefix(&prefix));
    found
        .map(str::to_owned)
        .with_context(|| format!("apt of this machine knows no archive of {label} (apt-get update?)"))
}

fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(
        output.status.success(),
        "{program} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The newest of the packages that `apt-cache search` lists, without those for clouds or real time.
fn newest(listed: &str) -> Option<String> {
    listed
        .lines()
        .filter_map(|line| line.split_once(" - "))
        .map(|(name, _)| name)
        .filter(|name| {
            !["-cloud-", "-rt-", "unsigned"]
                .iter()
                .any(|other| name.contains(other))
        })
        .max_by_key(|name| numbers(name))
        .map(str::to_owned)
}

/// The numbers in a name, in their order, by which versions compare.
fn numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_for_all_machines_is_taken() {
        let listed = "linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)\n\
                      linux-image-6.1.0-50-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)\n\
                      linux-image-6.1.0-48-amd64 - Linux 6.1 for 64-bit PCs (signed)\n\
                      linux-image-6.1.0-49-rt-amd64 - Linux 6.1 for 64-bit PCs, PREEMPT_RT (signed)\n";
        assert_eq!(newest(listed).as_deref(), Some("linux-image-6.1.0-48-amd64"));
        assert_eq!(newest(""), None);
    }

    #[test]
    fn what_is_no_version_is_refused() {
        let folder = Path::new("/dev/null");
        for wanted in ["", "6.x", "../6", "six"] {
            assert!(provide(wanted, folder).is_err(), "{wanted}");
        }
    }
}

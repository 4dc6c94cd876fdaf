//! A temporary folder that goes when it is dropped.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// The folder.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    pub fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("shadow-agent-bench-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

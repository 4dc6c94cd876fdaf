//! The source files of the agent's crates, by their `mod` declarations. Those of tests are left out.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::source::{self, Source};

/// One of the crates that the agent is made of.
#[derive(Debug)]
pub struct Crate {
    /// As Rust names it.
    pub name: &'static str,
    /// Its folder, below the root of the repository.
    pub folder: &'static str,
    /// The room that it is; `None` where its modules are rooms.
    pub room: Option<&'static str>,
}

impl Crate {
    /// The module that its root is.
    pub fn module(&self) -> Vec<String> {
        self.room.iter().map(|&room| room.to_owned()).collect()
    }
}

/// A source file.
#[derive(Debug)]
pub struct File {
    /// Below the root of the repository.
    pub path: String,
    /// The module that it is: its room, and behind it the modules of that.
    pub module: Vec<String>,
    /// Its source, as read.
    pub source: Source,
}

/// Reads these crates below `base`.
pub fn read_crates(base: &Path, crates: &[Crate]) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for one in crates {
        read_crate(base, one, crates, &mut files)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read_crate(base: &Path, one: &Crate, crates: &[Crate], files: &mut Vec<File>) -> anyhow::Result<()> {
    let root = one.module();
    let mut next = vec![(Path::new(one.folder).join("src/lib.rs"), root.clone())];
    while let Some((path, module)) = next.pop() {
        let shown = path.display().to_string();
        let text =
            std::fs::read_to_string(base.join(&path)).with_context(|| format!("cannot read {shown}"))?;
        let source = source::read(&text, &module, &root, crates);
        let beside = path.parent().unwrap_or(Path::new(""));
        let below = match path.file_stem() {
            Some(stem) if stem != "mod" && stem != "lib" => beside.join(stem),
            _ => beside.to_owned(),
        };
        for child in &source.modules {
            let file = if let Some(path) = &child.path {
                beside.join(path)
            } else {
                let folder: PathBuf = below.join(child.name.iter().collect::<PathBuf>());
                let file = folder.with_extension("rs");
                if base.join(&file).exists() {
                    file
                } else {
                    folder.join("mod.rs")
                }
            };
            let names = module.iter().chain(&child.name).cloned().collect();
            next.push((file, names));
        }
        files.push(File {
            path: shown,
            module,
            source,
        });
    }
    Ok(())
}

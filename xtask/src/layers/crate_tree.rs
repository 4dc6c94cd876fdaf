//! The source files of a crate, by its `mod` declarations. Those of tests are left out.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::source::{self, Source};

/// A source file.
#[derive(Debug)]
pub struct File {
    /// Below the root of the repository.
    pub path: String,
    /// The module that it is, from the root of the crate.
    pub module: Vec<String>,
    /// What it says.
    pub source: Source,
}

/// Reads the crate that begins with the file `root`, below `base`.
pub fn read_crate(base: &Path, root: &str) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut next = vec![(PathBuf::from(root), Vec::new())];
    while let Some((path, module)) = next.pop() {
        let shown = path.display().to_string();
        let text =
            std::fs::read_to_string(base.join(&path)).with_context(|| format!("cannot read {shown}"))?;
        let source = source::read(&text, &module);
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
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

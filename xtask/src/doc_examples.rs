//! Whether there are examples in the docs of items, which `cargo test --doc` would run.
//!
//! For these, cargo builds every library once more, with other features than the tests: most of a minute, for nothing where
//! there are none.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// Words behind a fence that say it is no Rust, or nothing to run (rustdoc's book, "Attributes"; those that the docs have).
const NOT_RUN: &[&str] = &["text", "toml", "proto", "json", "sh", "console", "ignore"];

/// Whether a source below a folder has one. Build output is not looked at.
///
/// # Errors
///
/// A folder or a file that cannot be read.
pub fn are_below(folder: &Path) -> anyhow::Result<bool> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let has_one = if path.is_symlink() || name == "target" || name.as_encoded_bytes().starts_with(b".") {
            false
        } else if path.is_dir() {
            are_below(&path)?
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            are_in(&source)
        } else {
            false
        };
        if has_one {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a source has one.
fn are_in(source: &str) -> bool {
    let docs = source.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))
    });
    let mut is_open = false;
    for words in docs.filter_map(|line| line.trim().strip_prefix("```")) {
        let is_run = !is_open && !words.split(',').any(|word| NOT_RUN.contains(&word.trim()));
        if is_run {
            return true;
        }
        is_open = !is_open;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_what_rustdoc_would_run() {
        for (source, is_one) in [
            ("/// Adds.\nfn add() {}", false),
            ("/// ```text\n/// a -> b\n/// ```\nfn add() {}", false),
            ("//! ```toml\n//! a = 1\n//! ```\n", false),
            ("    /// ```\n    /// add();\n    /// ```\nfn add() {}", true),
            (
                "/// ```text\n/// a\n/// ```\n/// ```no_run\n/// add();\n/// ```",
                true,
            ),
            ("/// ```should_panic\n/// add();\n/// ```", true),
            ("// ```\n// no docs\n// ```", false),
        ] {
            assert_eq!(are_in(source), is_one, "{source}");
        }
    }
}

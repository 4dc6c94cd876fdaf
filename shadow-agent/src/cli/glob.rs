//! Names of files with wildcards, as shells and GoReplay read them: `*`, `?` and `[a-z]` within one component.

use std::io;
use std::path::{Path, PathBuf};

/// Most files that a pattern may stand for.
pub const MAX_FILES: usize = 100_000;

/// The files that `pattern` stands for, in no particular order. A file of that very name is taken as it is.
///
/// # Errors
///
/// Where more files match than are taken in, or listing a folder breaks off. That none matches is none.
pub fn expand(pattern: &str) -> io::Result<Vec<PathBuf>> {
    if Path::new(pattern).exists() {
        return Ok(vec![pattern.into()]);
    }
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = vec![PathBuf::from(start)];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let mut deeper = Vec::new();
        for folder in found {
            if !has_wildcard(component) {
                let path = folder.join(component);
                if path.symlink_metadata().is_ok() {
                    deeper.push(path);
                }
                continue;
            }
            let listed = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                &folder
            };
            let Ok(entries) = std::fs::read_dir(listed) else {
                continue;
            };
            for entry in entries {
                let name = entry?.file_name();
                let Some(text) = name.to_str() else { continue };
                // As in shells, hidden files must be meant.
                let hidden = text.starts_with('.') && !component.starts_with('.');
                if !hidden && matches(component.as_bytes(), text.as_bytes()) {
                    deeper.push(folder.join(&name));
                }
            }
            if deeper.len() > MAX_FILES {
                return Err(io::Error::other(format!(
                    "it matches more than {MAX_FILES} files"
                )));
            }
        }
        found = deeper;
    }
    Ok(found)
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a name matches. Goes back to the last `*` only, so that it takes no more than pattern times name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            back = Some((p, n));
        } else if let Some(length) = one(&pattern[p..], name[n]) {
            p += length;
            n += 1;
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            (p, n) = (star, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Bytes of the pattern that stand for this one byte of a name.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [b'[', class @ ..] => {
            let negated = matches!(class.first(), Some(b'^' | b'!'));
            let class = &class[usize::from(negated)..];
            // A bracket that comes first is itself.
            let end = class.iter().skip(1).position(|byte| *byte == b']')? + 1;
            let mut rest = &class[..end];
            let mut hit = false;
            while let Some(first) = rest.first() {
                if let [low, b'-', high, behind @ ..] = rest {
                    hit |= (low..=high).contains(&&byte);
                    rest = behind;
                } else {
                    hit |= *first == byte;
                    rest = &rest[1..];
                }
            }
            (hit != negated).then_some(1 + usize::from(negated) + end + 1)
        }
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards_match_within_a_name() {
        for (pattern, name, expected) in [
            ("*", "a.gor", true),
            ("a_*.gor", "a_12.gor", true),
            ("a_*.gor", "a_12.gor.gz", false),
            ("a_?.gor", "a_12.gor", false),
            ("a_[0-9].gor", "a_3.gor", true),
            ("a_[!0-9].gor", "a_3.gor", false),
            ("[]x]", "]", true),
            ("[", "[", false),
            ("\\*", "*", true),
            ("*a*b*", "xxaxxbxx", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn patterns_are_expanded_in_any_component() {
        let root = std::env::temp_dir().join(format!("shadow-agent-glob-{}", std::process::id()));
        for folder in ["a", "b"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
            for file in ["x_0.gor", "x_1.gor", ".x_2.gor", "y"] {
                std::fs::write(root.join(folder).join(file), "").unwrap();
            }
        }
        let mut found = expand(&format!("{}/*/x_*.gor", root.display())).unwrap();
        found.sort();
        let expected = ["a/x_0.gor", "a/x_1.gor", "b/x_0.gor", "b/x_1.gor"].map(|name| root.join(name));
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn any_pattern_matches_or_does_not(pattern in "[a-c*?!\\\\\\[\\]-]{0,12}", name in "[a-c]{0,12}") {
            matches(pattern.as_bytes(), name.as_bytes());
        }
    }
}

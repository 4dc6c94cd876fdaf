//! Circles of files: of two that import each other, neither can be read, tested or moved without the other.
//!
//! A module and those below it are one idea in parts, so that what a file takes from a module around it is no import here;
//! what that module only hands on, from another file, is one.

use std::collections::{BTreeMap, BTreeSet};

use super::crate_tree::File;
use super::table::CIRCLES;

/// Circles that are not among the known ones, and known ones that are gone.
pub fn faults(files: &[File]) -> Vec<String> {
    let found = circles(files);
    let known = |circle: &Vec<&str>| CIRCLES.iter().any(|known| known == circle);
    let new = found.iter().filter(|circle| !known(circle)).map(|circle| {
        format!(
            "{} import each other in a circle: move what they share into a file below them",
            circle.join(", ")
        )
    });
    let gone = CIRCLES
        .iter()
        .filter(|known| !found.iter().any(|circle| circle == *known))
        .map(|known| {
            format!(
                "xtask/src/layers/table.rs: there is no circle of {} any more: take it out",
                known.join(", ")
            )
        });
    new.chain(gone).collect()
}

/// The largest sets of files of which each leads to each other, in the order of their paths.
fn circles(files: &[File]) -> Vec<Vec<&str>> {
    let edges = edges(files);
    let reached: Vec<BTreeSet<usize>> = (0..files.len()).map(|from| reach(&edges, from)).collect();
    let mut circles: Vec<Vec<&str>> = Vec::new();
    let mut done = BTreeSet::new();
    for from in 0..files.len() {
        if !reached[from].contains(&from) || !done.insert(from) {
            continue;
        }
        let both: Vec<usize> = reached[from]
            .iter()
            .copied()
            .filter(|to| reached[*to].contains(&from))
            .collect();
        done.extend(&both);
        circles.push(both.iter().map(|file| files[*file].path.as_str()).collect());
    }
    circles
}

/// All that can be got to from a file.
fn reach(edges: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<usize> = edges[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(&edges[file]);
        }
    }
    reached
}

/// Of each file, those that it imports something from.
fn edges(files: &[File]) -> Vec<BTreeSet<usize>> {
    let modules: BTreeMap<&[String], usize> = files
        .iter()
        .enumerate()
        .map(|(index, file)| (file.module.as_slice(), index))
        .collect();
    let around = |outer: usize, inner: usize| files[inner].module.starts_with(&files[outer].module);
    let of = |from: usize| {
        let paths = files[from].source.paths.iter();
        paths
            .filter_map(|path| origin(files, &modules, &path.names))
            .filter(|to| !around(*to, from) && !around(from, *to))
            .collect()
    };
    (0..files.len()).map(of).collect()
}

/// The file that defines what a path leads to, through one module that hands it on.
fn origin(files: &[File], modules: &BTreeMap<&[String], usize>, names: &[String]) -> Option<usize> {
    let (depth, file) = defining(modules, names)?;
    let Some(item) = names.get(depth) else {
        return Some(file);
    };
    let handed_on = files[file]
        .source
        .paths
        .iter()
        .filter(|path| path.names.last() == Some(item))
        .filter_map(|path| defining(modules, &path.names))
        .map(|(_, origin)| origin)
        .find(|origin| files[*origin].module.len() > depth);
    Some(handed_on.unwrap_or(file))
}

/// The innermost file on a path, and how many names lead there.
fn defining(modules: &BTreeMap<&[String], usize>, names: &[String]) -> Option<(usize, usize)> {
    (1..=names.len())
        .rev()
        .find_map(|depth| Some((depth, *modules.get(&names[..depth])?)))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn file(path: &str, text: &str) -> File {
        let names = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let module: Vec<String> = names.split('/').map(str::to_owned).collect();
        File {
            path: path.to_owned(),
            source: source::read(text, &module, &[], &[]),
            module,
        }
    }

    #[test]
    fn files_that_import_each_other_are_a_circle() {
        let files = [
            file("tcp/mod.rs", ""),
            file("tcp/a.rs", "use super::b::B;"),
            file("tcp/b.rs", "use super::c::C;"),
            file("tcp/c.rs", "use super::a::A;"),
            file("tcp/d.rs", "use super::a::A;"),
        ];
        assert_eq!(circles(&files), [["tcp/a.rs", "tcp/b.rs", "tcp/c.rs"]]);
    }

    #[test]
    fn what_a_module_hands_on_comes_from_the_file_that_has_it() {
        let files = [
            file("tcp/mod.rs", "pub use self::a::A;\npub use self::b::B;"),
            file("tcp/a.rs", "use super::B;"),
            file("tcp/b.rs", "use crate::tcp::A;"),
        ];
        assert_eq!(circles(&files), [["tcp/a.rs", "tcp/b.rs"]]);
    }

    #[test]
    fn a_module_and_its_parts_are_no_circle() {
        let files = [
            file("tcp/mod.rs", "use self::a::A;\nstruct B;"),
            file("tcp/a.rs", "use super::B;"),
        ];
        assert_eq!(circles(&files), Vec::<Vec<&str>>::new());
    }
}

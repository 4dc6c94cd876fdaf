//! Documentation that stays true: links lead somewhere, and the map names what is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Pages that name functions and files.
const MAPS: [&str; 3] = ["docs/ARCHITECTURE.md", "docs/decisions.md", "CONTRIBUTING.md"];
/// Folders that paths in them begin below.
const BELOW: [&str; 4] = [
    ".",
    "shadow-agent/src",
    "crates/shadow-core/src",
    "crates/shadow-record/src",
];
/// Rooms that are crates, and where their files are.
const CRATES: [(&str, &str); 11] = [
    ("hooks/", "crates/shadow-hooks/src"),
    ("tcp/", "crates/shadow-tcp/src"),
    ("tls/", "crates/shadow-tls/src"),
    ("hand_over/", "crates/shadow-hand-over/src"),
    ("http/", "crates/shadow-http/src"),
    ("grpc/", "crates/shadow-grpc/src"),
    ("correlate/", "crates/shadow-correlate/src"),
    ("mirror/", "crates/shadow-mirror/src"),
    ("compare/", "crates/shadow-compare/src"),
    ("capture/", "crates/shadow-capture/src"),
    ("kubernetes/", "crates/shadow-cluster/src"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A page, without what stands between fences.
fn page(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split("```").step_by(2).collect()
}

fn pages() -> Vec<PathBuf> {
    let files = [root(), root().join("docs")].map(|folder| fs::read_dir(folder).expect("a folder"));
    let paths = files
        .into_iter()
        .flatten()
        .map(|file| file.expect("a file").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let text: String = heading.trim().to_lowercase().chars().filter(kept).collect();
    text.replace(' ', "-")
}

fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

fn links(text: &str) -> impl Iterator<Item = &str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.filter(|link| !link.contains("://"))
}

/// Pieces of code in a text: each with what stands before it, and the piece before that.
fn code(text: &str) -> Vec<(&str, &str, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    let at = |index: usize| parts.get(index).copied().unwrap_or_default();
    let pieces = (1..parts.len()).step_by(2);
    pieces
        .map(|index| (index.checked_sub(2).map_or("", at), at(index - 1), at(index)))
        .collect()
}

/// Where a path leads, if it is one of a file of Rust or of a folder.
fn lead(path: &str) -> Option<Result<PathBuf, String>> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-./".contains(&byte);
    let is_file = Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs");
    if !path.bytes().all(plain) || !(is_file || path.ends_with('/')) {
        return None;
    }
    let in_crates = CRATES
        .iter()
        .filter_map(|(room, folder)| Some(root().join(folder).join(path.strip_prefix(room)?)));
    let mut places = BELOW
        .iter()
        .map(|folder| root().join(folder).join(path))
        .chain(in_crates);
    Some(places.find(|place| place.exists()).ok_or_else(|| path.to_owned()))
}

/// Whether a piece of code is a name, and what follows its file: "`name` (`file.rs`)", "`name` in `file.rs`".
fn names_its_file(piece: &str, between: &str) -> bool {
    matches!(between, " (" | " in ") && lead(piece).is_none()
}

/// Whether a file of Rust defines `name`, which may be a type's: `Type::name`.
fn defines(source: &str, name: &str) -> bool {
    let last = name.rsplit("::").next().unwrap_or(name);
    let (owner, _) = name.split_once("::").unwrap_or(("", ""));
    let is_defined = ["fn", "struct", "enum", "trait"].iter().any(|kind| {
        let ends = |rest: &str| !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        source.split(&format!("{kind} {last}")).skip(1).any(ends)
    });
    let is_owned =
        |line: &str| ["impl", "trait "].iter().any(|word| line.contains(word)) && line.contains(owner);
    is_defined && (owner.is_empty() || source.lines().any(is_owned))
}

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let mut dead = Vec::new();
    for from in pages() {
        let text = page(&from);
        for link in links(&text) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let to = match path {
                "" => from.clone(),
                _ => from.parent().expect("a folder").join(path),
            };
            let is_page = to.extension().is_some_and(|extension| extension == "md");
            if !to.exists()
                || (!heading.is_empty() && is_page && !anchors(&page(&to)).contains(&heading.to_owned()))
            {
                dead.push(format!("{}: {link}", from.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_map_names_files_and_functions_that_are_there() {
    let mut wrong = Vec::new();
    for map in MAPS {
        let text = page(&root().join(map));
        for (before, between, piece) in code(&text) {
            match lead(piece) {
                Some(Err(path)) => wrong.push(format!("{map}: there is no {path}")),
                Some(Ok(file)) if file.is_file() && names_its_file(before, between) => {
                    if !defines(&fs::read_to_string(&file).expect("a file"), before) {
                        wrong.push(format!("{map}: {piece} has no {before}"));
                    }
                }
                Some(Ok(_)) | None => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_page_is_read_as_github_reads_it() {
    assert_eq!(
        anchor(" No cgroup is found below `...`: why?"),
        "no-cgroup-is-found-below--why"
    );
    assert_eq!(
        links("[a](b.md#c) and [d](https://e)").collect::<Vec<_>>(),
        ["b.md#c"]
    );
    assert_eq!(
        code("the `A::b` (`c.rs`)"),
        [("", "the ", "A::b"), ("A::b", " (", "c.rs")]
    );
    assert!(defines("impl A {\n    fn b(&self) {}", "A::b") && defines("fn b<T>()", "b"));
    assert!(!defines("impl A {\n    fn bc(&self) {}", "A::b") && !defines("impl C {\n fn b() {}", "A::b"));
}

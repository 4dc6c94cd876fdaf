//! Reader of one source file: the modules that it declares, and the paths in it that lead to others. What is
//! compiled for tests alone is left out.

use super::crate_tree::Crate;
use super::tokens::{Kind, Token, tokens};

/// A file's source, as read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Modules in files of their own.
    pub modules: Vec<Module>,
    /// Paths that lead to the crate's own items.
    pub paths: Vec<Path>,
}

/// A module that stands in another file.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, behind those of the modules around it in this file.
    pub name: Vec<String>,
    /// The file that `#[path]` names.
    pub path: Option<String>,
}

/// A path as it is from the room that it leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Path {
    /// Its names; the last may be `*`.
    pub names: Vec<String>,
    /// Where it begins.
    pub line: usize,
}

/// Reads the source of the module called `module`, in the crate whose root is the module `root`, among `crates`.
pub fn read(source: &str, module: &[String], root: &[String], crates: &[Crate]) -> Source {
    let tokens = tokens(source);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        file: module,
        root,
        crates,
        inline: Vec::new(),
        depth: 0,
        found: Source::default(),
    };
    reader.read();
    reader.found
}

/// Keywords behind which a comma does not end an item.
const ITEMS: &[&str] = &[
    "pub",
    "fn",
    "impl",
    "mod",
    "use",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "const",
    "static",
    "unsafe",
    "async",
    "extern",
    "macro_rules",
    "let",
];

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    file: &'a [String],
    root: &'a [String],
    crates: &'a [Crate],
    /// Modules in this file that are open, each with the depth of its braces.
    inline: Vec<(String, usize)>,
    depth: usize,
    found: Source,
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut path = None;
        while let Some(token) = self.tokens.get(self.at) {
            match &token.kind {
                Kind::Sign('#') => {
                    self.attribute(&mut path);
                    continue;
                }
                Kind::Sign('{') => self.depth += 1,
                Kind::Sign('}') => {
                    self.depth = self.depth.saturating_sub(1);
                    self.inline.pop_if(|(_, depth)| *depth > self.depth);
                }
                Kind::Word(word) if word == "mod" => self.module(path.take()),
                Kind::Word(word) if self.begins_path(word) => {
                    self.path();
                    continue;
                }
                Kind::Word(word) if word == "use" && self.word(self.at + 1).is_some() => {
                    self.at += 1;
                    self.path();
                    continue;
                }
                Kind::Sign(';') => path = None,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Passes over an attribute, and over what is meant by it where that is for tests.
    fn attribute(&mut self, path: &mut Option<String>) {
        let is_inner = self.is_sign(self.at + 1, '!');
        let start = self.at + if is_inner { 3 } else { 2 };
        self.at = self.closing(start);
        let inside = &self.tokens[start.min(self.at)..self.at];
        let word = |at: usize, word: &str| matches!(&inside.get(at).map(|token| &token.kind), Some(Kind::Word(w)) if w == word);
        if word(0, "path")
            && let Some(Kind::Text(text)) = inside.get(2).map(|token| &token.kind)
        {
            *path = Some(text.clone());
        }
        self.at += 1;
        if inside.len() == 4 && word(0, "cfg") && word(2, "test") {
            self.skip_item();
            *path = None;
        }
    }

    /// The place of the bracket that closes what begins here.
    fn closing(&self, start: usize) -> usize {
        let mut depth = 0;
        for (at, token) in self.tokens.iter().enumerate().skip(start) {
            match token.kind {
                Kind::Sign('(' | '[' | '{') => depth += 1,
                Kind::Sign(')' | ']' | '}') if depth == 0 => return at,
                Kind::Sign(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// Passes over one item, statement, field or arm.
    fn skip_item(&mut self) {
        while self.is_sign(self.at, '#') {
            self.at = self.closing(self.at + 2) + 1;
        }
        let is_item = matches!(self.word(self.at), Some(word) if ITEMS.contains(&word));
        while let Some(token) = self.tokens.get(self.at) {
            match token.kind {
                Kind::Sign(';') => {
                    self.at += 1;
                    return;
                }
                Kind::Sign(',') if !is_item => {
                    self.at += 1;
                    return;
                }
                Kind::Sign(')' | ']' | '}') => return,
                Kind::Sign('{') => {
                    self.at = self.closing(self.at + 1) + 1;
                    return;
                }
                Kind::Sign('(' | '[') => self.at = self.closing(self.at + 1) + 1,
                _ => self.at += 1,
            }
        }
    }

    fn module(&mut self, path: Option<String>) {
        let Some(name) = self.word(self.at + 1).map(str::to_owned) else {
            return;
        };
        if self.is_sign(self.at + 2, '{') {
            self.inline.push((name, self.depth + 1));
        } else if self.is_sign(self.at + 2, ';') {
            let mut names: Vec<String> = self.inline.iter().map(|(name, _)| name.clone()).collect();
            names.push(name);
            self.found.modules.push(Module { name: names, path });
        }
    }

    /// Whether a path to the crate's items begins with this word.
    fn begins_path(&self, word: &str) -> bool {
        let is_crate = self.crates.iter().any(|one| one.name == word);
        let leads = is_crate || matches!(word, "crate" | "self" | "super");
        let leads = leads && self.is_colons(self.at + 1);
        let goes_on = self.at > 0 && self.is_colons(self.at - 1);
        // `pub(in crate::compare)` says who may use an item, and uses nothing.
        let is_visibility =
            self.at > 1 && self.word(self.at - 1) == Some("in") && self.is_sign(self.at - 2, '(');
        leads && !goes_on && !is_visibility
    }

    fn path(&mut self) {
        let line = self.tokens[self.at].line;
        let mut here = self.file.to_vec();
        here.extend(self.inline.iter().map(|(name, _)| name.clone()));
        loop {
            match self.word(self.at) {
                Some("crate") => here = self.root.to_vec(),
                Some("super") => {
                    here.pop();
                }
                Some("self") => {}
                Some(word) => match self.crates.iter().find(|one| one.name == word) {
                    Some(other) => here = other.module(),
                    None => break,
                },
                None => break,
            }
            self.at += 1;
            if !self.is_colons(self.at) {
                break;
            }
            self.at += 1;
        }
        self.names(here, line);
    }

    /// Reads on behind `::`.
    fn names(&mut self, mut names: Vec<String>, line: usize) {
        loop {
            if self.is_sign(self.at, '{') {
                self.at += 1;
                return self.group(&names);
            }
            let Some(name) = self.word(self.at).or(self.is_sign(self.at, '*').then_some("*")) else {
                break;
            };
            if name != "self" {
                names.push(name.to_owned());
            }
            self.at += 1;
            if !self.is_colons(self.at) {
                break;
            }
            self.at += 1;
        }
        self.found.paths.push(Path { names, line });
    }

    /// Reads the paths of `{a, b::c as d}`.
    fn group(&mut self, prefix: &[String]) {
        while let Some(token) = self.tokens.get(self.at) {
            match &token.kind {
                Kind::Sign('}') => {
                    self.at += 1;
                    return;
                }
                Kind::Word(word) if word == "as" => self.at += 2,
                Kind::Word(_) | Kind::Sign('*') => self.names(prefix.to_vec(), token.line),
                _ => self.at += 1,
            }
        }
    }

    fn word(&self, at: usize) -> Option<&str> {
        match &self.tokens.get(at)?.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is_sign(&self, at: usize, sign: char) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|token| token.kind == Kind::Sign(sign))
    }

    fn is_colons(&self, at: usize) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|token| token.kind == Kind::Colons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str) -> Vec<(String, usize)> {
        let module = ["tcp".to_owned(), "table".to_owned()];
        let found = read(source, &module, &[], &[]).paths.into_iter();
        found.map(|path| (path.names.join("::"), path.line)).collect()
    }

    fn path(names: &str, line: usize) -> (String, usize) {
        (names.to_owned(), line)
    }

    #[test]
    fn imports_and_paths_in_code_are_found() {
        assert_eq!(paths("use crate::time::Timestamp;"), [path("time::Timestamp", 1)]);
        assert_eq!(
            paths("fn f() {\n    crate::time::unix_now();\n}\n"),
            [path("time::unix_now", 2)]
        );
    }

    #[test]
    fn groups_are_taken_apart() {
        assert_eq!(
            paths("use crate::{\n    budget::{self, Budget as B},\n    time::*,\n};"),
            [path("budget", 2), path("budget::Budget", 2), path("time::*", 3)]
        );
    }

    #[test]
    fn paths_from_here_are_followed_to_the_root() {
        assert_eq!(
            paths("use super::segment::Segment;"),
            [path("tcp::segment::Segment", 1)]
        );
        assert_eq!(
            paths("use super::super::http::Limits;"),
            [path("http::Limits", 1)]
        );
        assert_eq!(paths("use self::inner::X;"), [path("tcp::table::inner::X", 1)]);
        assert_eq!(paths("pub use inner::X;"), [path("tcp::table::inner::X", 1)]);
        assert_eq!(
            paths("mod inner { use super::Y; }\nuse super::Z;"),
            [path("tcp::table::Y", 1), path("tcp::Z", 2)]
        );
    }

    #[test]
    fn paths_lead_into_other_crates_and_to_the_root_of_ones_own() {
        let of = |name, room| Crate {
            name,
            folder: "",
            room,
        };
        let crates = [of("core", None), of("tcp", Some("tcp"))];
        let module = ["http".to_owned(), "head".to_owned()];
        let found = read(
            "use core::time::Timestamp;\nuse tcp::Chunk;\nuse crate::field::trim;",
            &module,
            &module[..1],
            &crates,
        );
        let names: Vec<String> = found.paths.iter().map(|path| path.names.join("::")).collect();
        assert_eq!(names, ["time::Timestamp", "tcp::Chunk", "http::field::trim"]);
    }

    #[test]
    fn who_may_use_an_item_is_no_import() {
        assert_eq!(
            paths("pub(in crate::compare) fn f() {}\npub(crate) struct S;"),
            []
        );
    }

    #[test]
    fn what_is_for_tests_alone_is_left_out() {
        let source = "
            #[cfg(test)]
            use crate::a::A;
            #[cfg(test)]
            #[path = \"x.rs\"]
            mod tests;
            struct S {
                #[cfg(test)]
                a: (crate::b::B, crate::c::C),
                d: crate::d::D,
            }
            #[cfg(test)]
            impl<A, B> X for Y { fn f() { crate::e::f() } }
            #[cfg(test)]
            mod inline { use crate::f::F; }
            use crate::g::G;
        ";
        assert_eq!(paths(source), [path("d::D", 10), path("g::G", 16)]);
        assert_eq!(read(source, &[], &[], &[]).modules, []);
    }

    #[test]
    fn modules_in_files_of_their_own_are_found() {
        let source = "pub mod a;\n#[path = \"elsewhere.rs\"]\nmod b;\nmod c { mod d; }\n";
        let module = |name: &[&str], path: Option<&str>| Module {
            name: name.iter().map(|&name| name.to_owned()).collect(),
            path: path.map(str::to_owned),
        };
        assert_eq!(
            read(source, &[], &[], &[]).modules,
            [
                module(&["a"], None),
                module(&["b"], Some("elsewhere.rs")),
                module(&["c", "d"], None)
            ]
        );
    }
}

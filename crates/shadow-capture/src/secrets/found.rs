//! Whose secrets are had, by which hook, and whose are not, in words for the line at start and for `doctor`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use shadow_hooks::NoHook;

use super::libraries::{Library, State};

/// The processes that are meant, as they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that are alike together, by name.
    pub programs: Vec<FoundProgram>,
    /// Processes that may be meant and may not be looked into.
    pub hidden: usize,
}

/// Processes of one name with the same libraries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundProgram {
    /// Their name.
    pub name: String,
    /// How many.
    pub processes: usize,
    /// The function that secrets are had from: "OpenSSL 3.5.8 libcrypto.so.3, key derivation". Empty where none are.
    pub readable: Vec<String>,
    /// Other libraries that they have, and why their secrets are not had.
    pub unreadable: Vec<String>,
    /// Whether some of their files are still looked into.
    pub looking: bool,
}

impl Found {
    /// Whether it says the same, but for how many processes may not be looked into: others come and go each second.
    pub(super) fn says_as_much_as(&self, other: &Self) -> bool {
        self.programs == other.programs && (self.hidden == 0) == (other.hidden == 0)
    }
}

impl FoundProgram {
    /// Whether secrets are had.
    pub fn is_readable(&self) -> bool {
        !self.readable.is_empty()
    }
}

/// Gathers processes that are alike.
#[derive(Default)]
pub(super) struct Gathered(BTreeMap<(String, BTreeSet<String>, BTreeSet<String>, bool), usize>);

impl Gathered {
    /// Adds a process with its files; `files` is an error where its memory may not be seen.
    pub fn add<'a>(&mut self, name: &str, files: Result<impl Iterator<Item = &'a Library>, &str>) {
        let (mut readable, mut unreadable, mut looking) = (BTreeSet::new(), BTreeSet::new(), false);
        match files {
            Err(error) => {
                unreadable.insert(error.to_owned());
            }
            Ok(files) => {
                let files: Vec<_> = files.collect();
                let speaks_tls = files.iter().any(|library| may_speak_tls(library));
                for library in files {
                    match &library.state {
                        State::Hooked { .. } if is_libcrypto(library) && !speaks_tls => {
                            unreadable.insert(format!("{}: nothing speaks TLS with it", library.name));
                        }
                        State::Waiting => looking = true,
                        State::Hooked {
                            libraries,
                            refused,
                            failed,
                            ..
                        } => {
                            let had = libraries.iter().map(|(library_name, kind)| {
                                format!("{library_name} {}, {}", library.name, kind.name())
                            });
                            readable.extend(had);
                            unreadable.extend(refused.iter().filter_map(|reason| told(library, reason)));
                            unreadable.extend(failed.iter().map(|(part, error)| {
                                format!("{part} {}: the kernel refused the probe: {error}", library.name)
                            }));
                        }
                        State::NoHook(reason) => unreadable.extend(told(library, reason)),
                        State::Refused(error) => {
                            unreadable
                                .insert(format!("{}: the kernel refused the probe: {error}", library.name));
                        }
                    }
                }
            }
        }
        let key = (name.to_owned(), readable, unreadable, looking);
        *self.0.entry(key).or_default() += 1;
    }

    pub fn finish(self, hidden: usize) -> Found {
        let programs =
            self.0.into_iter().map(
                |((name, readable, unreadable, looking), processes)| FoundProgram {
                    name,
                    processes,
                    readable: readable.into_iter().collect(),
                    unreadable: unreadable.into_iter().collect(),
                    looking,
                },
            );
        Found {
            programs: programs.collect(),
            hidden,
        }
    }
}

/// Whether a file is `OpenSSL`'s libcrypto alone, which derives keys for whoever asks: libssl, or who speaks no TLS or another
/// (Erlang).
fn is_libcrypto(library: &Library) -> bool {
    library.name.starts_with("libcrypto")
}

/// Whether a file has TLS that derives its keys elsewhere, or may have.
fn may_speak_tls(library: &Library) -> bool {
    matches!(
        library.state,
        State::Waiting | State::NoHook(NoHook::Elsewhere(_))
    )
}

/// A file's reason, where it is worth telling: that it has no TLS library is not.
fn told(library: &Library, reason: &NoHook) -> Option<String> {
    match reason {
        NoHook::NotElf | NoHook::NoTls | NoHook::Elsewhere(_) => None,
        reason => Some(format!("{}: {reason}", library.name)),
    }
}

/// One line: "nginx (3 processes): `OpenSSL` 3.5.8 libcrypto.so.3, key derivation; java: not readable, give
/// --input-raw-tls-keylog".
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.programs.is_empty() && self.hidden == 0 {
            return f.write_str("no process listens there yet");
        }
        for (index, program) in self.programs.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{program}")?;
        }
        if self.hidden > 0 {
            let before = if self.programs.is_empty() { "" } else { "; " };
            write!(
                f,
                "{before}{} that may listen there may not be looked into (CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH)",
                processes(self.hidden)
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for FoundProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.processes > 1 {
            write!(f, " ({})", processes(self.processes))?;
        }
        f.write_str(": ")?;
        if self.is_readable() {
            return f.write_str(&self.readable.join(" and "));
        }
        if self.looking {
            return f.write_str("being looked into");
        }
        f.write_str("not readable")?;
        if !self.unreadable.is_empty() {
            write!(f, " ({})", self.unreadable.join("; "))?;
        }
        f.write_str(", give --input-raw-tls-keylog")
    }
}

fn processes(count: usize) -> String {
    format!("{count} process{}", if count == 1 { "" } else { "es" })
}

#[cfg(test)]
mod tests {
    use shadow_common::HookKind;

    use super::*;

    fn program(name: &str, processes: usize, readable: &[&str], unreadable: &[&str]) -> FoundProgram {
        FoundProgram {
            name: name.to_owned(),
            processes,
            readable: readable.iter().map(|&text| text.to_owned()).collect(),
            unreadable: unreadable.iter().map(|&text| text.to_owned()).collect(),
            looking: false,
        }
    }

    fn libcrypto() -> Library {
        let state = State::Hooked {
            libraries: vec![("OpenSSL 3.0.22".to_owned(), HookKind::OpenSslKdf)],
            refused: Vec::new(),
            failed: Vec::new(),
            _probes: Vec::new(),
        };
        Library::of("libcrypto.so.3", state)
    }

    fn told_of(files: &[Library]) -> String {
        let mut gathered = Gathered::default();
        gathered.add("it", Ok(files.iter()));
        gathered.finish(0).to_string()
    }

    #[test]
    fn libcrypto_is_read_where_libssl_is_beside_it() {
        let libssl = Library::of("libssl.so.3", State::NoHook(NoHook::Elsewhere("libcrypto")));
        assert_eq!(
            told_of(&[libcrypto(), libssl]),
            "it: OpenSSL 3.0.22 libcrypto.so.3, key derivation"
        );
        assert_eq!(
            told_of(&[
                libcrypto(),
                Library::of("crypto.so", State::NoHook(NoHook::NoTls))
            ]),
            "it: not readable (libcrypto.so.3: nothing speaks TLS with it), give --input-raw-tls-keylog"
        );
    }

    #[test]
    fn one_line_says_what_was_found() {
        let found = Found {
            programs: vec![
                program("java", 1, &[], &[]),
                program("nginx", 3, &["OpenSSL 3.5.8 libcrypto.so.3, key derivation"], &[]),
                program("old", 1, &[], &["libcrypto.so.3: a probe would be slow"]),
            ],
            hidden: 1,
        };
        assert_eq!(
            found.to_string(),
            "java: not readable, give --input-raw-tls-keylog; \
             nginx (3 processes): OpenSSL 3.5.8 libcrypto.so.3, key derivation; \
             old: not readable (libcrypto.so.3: a probe would be slow), give --input-raw-tls-keylog; \
             1 process that may listen there may not be looked into (CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH)"
        );
        assert_eq!(Found::default().to_string(), "no process listens there yet");
    }
}

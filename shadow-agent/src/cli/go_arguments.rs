//! The command line as Go programs take it, made into the one that clap reads: `-flag` and `--flag`, `--flag=true` and
//! `--flag true` for switches, a value whatever it begins with, numbers in every base, and the last of a flag that is given
//! twice.
//!
//! Go ends its flags silently at the first word that belongs to none; GoReplay therefore ran `--split-output true
//! --output-http URL` without the output. Here such a word is an error.

mod values;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

use super::error::{Problem, UsageError};
use super::help::Asked;

/// A command line, spelled one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelled {
    /// Arguments for clap, without the program's name: each flag with two dashes, its value behind `=`.
    pub arguments: Vec<OsString>,
    /// Switches that were turned off (`--flag=false`); they are not among the arguments.
    pub off: BTreeSet<String>,
    /// The help that is asked for; it is all that counts then.
    pub help: Option<Asked>,
}

/// Spells the flags of `command` one way. `typed` is without the program's name. What clap refuses by itself, such as a flag
/// that is not known, is left to it, and so are subcommands.
///
/// # Errors
///
/// For a word that is no flag's value, a switch with a value that is no boolean, and `GoReplay`'s `file-server`.
pub fn spell(command: &Command, typed: Vec<OsString>) -> Result<Spelled, UsageError> {
    if let Some(first) = typed.first().and_then(|first| first.to_str()) {
        if command.find_subcommand(first).is_some() {
            return Ok(Spelled {
                arguments: typed,
                ..Spelled::default()
            });
        }
        if first == "file-server" {
            return Err(Problem::new(
                "GoReplay's file server is not supported",
                "python3 -m http.server 8000 serves this directory; 'shadow-agent demo' shows mirroring at work",
            )
            .of(first, ""));
        }
    }
    let mut speller = Speller {
        command,
        flags: Vec::new(),
        off: BTreeSet::new(),
    };
    let mut words = typed.into_iter().peekable();
    while let Some(word) = words.next() {
        let Some((name, attached)) = split(&word) else {
            if word.as_encoded_bytes().starts_with(b"-") && word != "-" {
                return Ok(speller.leave(word, words));
            }
            return Err(stray(&word, speller.last_switch()));
        };
        if matches!(name, "h" | "help") {
            let topic = attached.map(OsStr::to_owned);
            let topic = topic.or_else(|| words.next_if(|next| !next.as_encoded_bytes().starts_with(b"-")));
            return Ok(Spelled {
                help: Some(Asked {
                    long: name == "help",
                    topic: topic.map(|topic| shown(&topic)),
                }),
                ..speller.end(Vec::new())
            });
        }
        let Some(argument) = speller.find(name) else {
            return Ok(speller.leave(as_long(&word, name), words));
        };
        let name = name.to_owned();
        match argument.get_action() {
            ArgAction::SetTrue => {
                let value = attached.map(OsStr::to_owned);
                let value = value.or_else(|| words.next_if(|next| boolean(next).is_some()));
                speller.switch(&name, value.as_deref())?;
            }
            ArgAction::Set | ArgAction::Append => {
                let again = matches!(argument.get_action(), ArgAction::Append);
                let value = attached.map(OsStr::to_owned);
                // A value that was forgotten would take the next flag for itself.
                let value = value.or_else(|| words.next_if(|next| speller.flag_of(next).is_none()));
                speller.value(&name, value, again);
            }
            // --version.
            _ => speller.flags.push((name.clone(), long(&name))),
        }
    }
    Ok(speller.end(Vec::new()))
}

struct Speller<'a> {
    command: &'a Command,
    /// Each flag by name, as clap takes it.
    flags: Vec<(String, OsString)>,
    off: BTreeSet<String>,
}

impl<'a> Speller<'a> {
    fn find(&self, name: &str) -> Option<&'a Arg> {
        let mut arguments = self.command.get_arguments();
        arguments.find(|argument| argument.get_long() == Some(name))
    }

    /// The flag that a word names.
    fn flag_of(&self, word: &OsStr) -> Option<&'a Arg> {
        self.find(split(word)?.0)
    }

    /// The flag before, if it is a switch.
    fn last_switch(&self) -> Option<&str> {
        let (name, _) = self.flags.last()?;
        let is_switch = matches!(self.find(name)?.get_action(), ArgAction::SetTrue);
        is_switch.then_some(name.as_str())
    }

    fn switch(&mut self, name: &str, value: Option<&OsStr>) -> Result<(), UsageError> {
        let on = match value {
            None => true,
            Some(value) => boolean(value).ok_or_else(|| {
                Problem::new("this is a switch", "write true or false, or the flag alone")
                    .of(format!("--{name}"), shown(value))
            })?,
        };
        self.forget(name);
        if on {
            self.flags.push((name.to_owned(), long(name)));
        } else {
            self.off.insert(name.to_owned());
        }
        Ok(())
    }

    fn value(&mut self, name: &str, value: Option<OsString>, again: bool) {
        if !again {
            self.forget(name);
        }
        let mut flag = long(name);
        if let Some(value) = value {
            let Some(value) = values::meaning(name, self.takes_number(name), value) else {
                return;
            };
            flag.push("=");
            flag.push(value);
        }
        self.flags.push((name.to_owned(), flag));
    }

    /// Whether it takes integers.
    fn takes_number(&self, name: &str) -> bool {
        let names = self.find(name).and_then(Arg::get_value_names);
        names.is_some_and(|names| names.iter().any(|name| matches!(name.as_str(), "N" | "PORT")))
    }

    /// The last one counts.
    fn forget(&mut self, name: &str) {
        self.flags.retain(|(before, _)| before != name);
        self.off.remove(name);
    }

    /// Leaves a word and what is behind it as they are: clap will refuse the word.
    fn leave(self, word: OsString, words: impl Iterator<Item = OsString>) -> Spelled {
        self.end(std::iter::once(word).chain(words).collect())
    }

    fn end(self, rest: Vec<OsString>) -> Spelled {
        let flags = self.flags.into_iter().map(|(_, flag)| flag);
        Spelled {
            arguments: flags.chain(rest).collect(),
            off: self.off,
            help: None,
        }
    }
}

/// The name and the value of `-name`, `--name` or `--name=value`.
fn split(word: &OsStr) -> Option<(&str, Option<&OsStr>)> {
    let bytes = word.as_encoded_bytes();
    let dashes = bytes.iter().take_while(|byte| **byte == b'-').count();
    let end = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
    if !(1..=2).contains(&dashes) || dashes >= end {
        return None;
    }
    let name = std::str::from_utf8(&bytes[dashes..end]).ok()?;
    let value = (end < bytes.len()).then(|| after(word, end + 1));
    Some((name, value))
}

/// The rest after the first `from` bytes, the last of which is ASCII.
fn after(word: &OsStr, from: usize) -> &OsStr {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(&word.as_bytes()[from..])
}

fn long(name: &str) -> OsString {
    OsString::from(format!("--{name}"))
}

/// A flag that is not known, with two dashes, so that clap can say which one is near; `-V` as it is.
fn as_long(word: &OsStr, name: &str) -> OsString {
    let one_dash = !word.as_encoded_bytes().starts_with(b"--");
    if !one_dash || name.len() < 2 {
        return word.to_owned();
    }
    let mut spelled = OsString::from("-");
    spelled.push(word);
    spelled
}

/// A boolean as Go's `strconv.ParseBool` takes it.
fn boolean(text: &OsStr) -> Option<bool> {
    match text.to_str()? {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn stray(word: &OsStr, switch: Option<&str>) -> UsageError {
    let help = match switch {
        Some(switch) => format!("--{switch} is a switch: use it alone, or with true or false"),
        None => "write each value after its flag, such as --input-raw :80, and quote values with spaces"
            .to_owned(),
    };
    Problem::new("this argument does not belong to a flag", help).of(format!("'{}'", shown(word)), "")
}

/// A word as messages have it: it may hold a password.
fn shown(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    super::upstream::without_userinfo(&text).replace(char::is_control, " ")
}

#[cfg(test)]
mod tests;

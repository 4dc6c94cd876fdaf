//! The configuration file (`--config`): the same settings as the flags, and several named mirrors.
//!
//! Each key becomes the flag of its name, and the flags are read by the definitions of the command line: what a value may
//! be, its default and its meaning are never said twice. What is wrong is put down to its line in the file.

mod document;
mod explain;
pub mod summary;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, Parser};

use self::document::{Document, Table};
use super::error::{Problem, UsageError};
use super::go_arguments::Spelled;
use super::high::{self, Fault, Resolved, TypedMirror};
use super::low::Arguments;
use super::machine::{Machine, ThisMachine};
use crate::agent::SettingsFile;
use crate::settings::Settings;

/// Largest file, in bytes: what a Kubernetes `ConfigMap` may hold.
const MAX_FILE: u64 = 1 << 20;

/// A configuration file, and the command line that names it.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    /// The command line without the program's name, spelled one way.
    command_line: Vec<OsString>,
    /// Keys that the command line and the environment have: theirs win.
    given: BTreeSet<String>,
}

impl ConfigFile {
    /// The file that a command line names, which `matches` are of.
    ///
    /// # Errors
    ///
    /// Where the command line has inputs or outputs beside the file, which holds those.
    pub fn new(path: &Path, matches: &ArgMatches, spelled: Spelled) -> Result<Self, UsageError> {
        let command = Arguments::command();
        let mut given = BTreeSet::new();
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let Some(key) = argument.get_long() else { continue };
            let source = if spelled.off.contains(key) {
                Some(ValueSource::CommandLine)
            } else {
                matches.value_source(id)
            };
            match source {
                Some(ValueSource::CommandLine) if document::is_place(key) => {
                    return Err(Problem::new(
                        "with --config, inputs and outputs belong in the file",
                        format!("write it there as {key}, or leave out --config"),
                    )
                    .of(format!("--{key}"), ""));
                }
                Some(ValueSource::CommandLine | ValueSource::EnvVariable) => {
                    given.insert(key.to_owned());
                }
                _ => {}
            }
        }
        Ok(Self {
            path: path.to_owned(),
            command_line: spelled.arguments,
            given,
        })
    }

    /// The file's content.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, is not a regular one, or is larger than 1 MiB.
    pub fn content(&self) -> Result<Vec<u8>, UsageError> {
        let failed = |problem: String| {
            Problem::new(problem, "name a TOML file that this user may read")
                .of("--config", self.path.display().to_string())
        };
        let unreadable = |error: io::Error| failed(format!("cannot read it ({error})"));
        // A pipe is read once, and opening one may wait for ever.
        if !std::fs::metadata(&self.path).map_err(unreadable)?.is_file() {
            return Err(failed("this is not a regular file".to_owned()));
        }
        let mut content = Vec::new();
        File::open(&self.path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut content))
            .map_err(unreadable)?;
        if content.len() as u64 > MAX_FILE {
            return Err(failed("it is larger than 1mb".to_owned()));
        }
        Ok(content)
    }

    /// Resolves the content of the file.
    ///
    /// # Errors
    ///
    /// For what is no TOML in UTF-8, for keys and values that no flag has, and as [`high::resolve_mirrors`]; with the line.
    pub fn resolve(&self, content: &[u8], machine: &impl Machine) -> Result<Resolved, UsageError> {
        let text = std::str::from_utf8(content).map_err(|error| {
            let line = content[..error.valid_up_to()]
                .split(|byte| *byte == b'\n')
                .count();
            let problem = Problem::new("this is not UTF-8", "write the file as UTF-8, as TOML is");
            problem.of("", "").in_file(&self.path, Some(line), None)
        })?;
        let document = Document::parse(&self.path, text)?;
        let arguments = self.arguments(&document.top, None)?;
        let mut mirrors = Vec::with_capacity(document.mirrors.len());
        for mirror in &document.mirrors {
            let mut own = self.arguments(&mirror.table, Some(mirror.name.as_str()))?;
            // Routes are nothing of one mirror, and no reason for a mirror to have no inputs.
            own.kubernetes.input_k8s_routes.clear();
            mirrors.push(TypedMirror {
                name: Some(mirror.name.clone()),
                arguments: own,
            });
        }
        if mirrors.is_empty() {
            mirrors.push(TypedMirror {
                name: None,
                arguments: arguments.clone(),
            });
        }
        high::resolve_mirrors(&arguments, &mirrors, machine).map_err(|fault| self.put_down(fault, &document))
    }

    /// The flags of a table, with those of the command line.
    fn arguments(&self, table: &Table, mirror: Option<&str>) -> Result<Arguments, UsageError> {
        let of_file = table
            .iter()
            .filter(|(key, _)| !self.given.contains(*key))
            .flat_map(|(_, setting)| setting.flags.iter().map(OsString::from));
        let all = std::iter::once(OsString::from("shadow-agent"))
            .chain(of_file)
            .chain(self.command_line.iter().cloned());
        Arguments::try_parse_from(all).map_err(|error| {
            let (key, value, problem) = explain::explain(&error);
            self.at_key(problem.of(key, value), table, mirror, None)
        })
    }

    /// Puts an error of resolved settings down to its place in the file.
    fn put_down(&self, fault: Fault, document: &Document) -> UsageError {
        let Fault { mirror, error } = fault;
        match mirror.and_then(|index| document.mirrors.get(index)) {
            Some(mirror) => self.at_key(error, &mirror.table, Some(&mirror.name), Some(mirror.line)),
            None => self.at_key(error, &document.top, None, None),
        }
    }

    /// Puts an error down to the line of its key: `default` where a table has it not.
    fn at_key(
        &self,
        mut error: UsageError,
        table: &Table,
        mirror: Option<&str>,
        default: Option<usize>,
    ) -> UsageError {
        let key = error.flag.trim_start_matches("--").to_owned();
        if self.given.contains(&key) {
            // What is wrong was said on the command line.
            return error;
        }
        let setting = table.get(&key);
        let line = setting.map(|setting| setting.line_of(&error.value)).or(default);
        let own = setting.is_none_or(|setting| setting.of_mirror);
        error.flag = key;
        error.in_file(&self.path, line, mirror.filter(|_| own))
    }
}

impl SettingsFile for ConfigFile {
    fn read(&self) -> Result<Vec<u8>, String> {
        self.content().map_err(|error| in_one_line(&error))
    }

    fn settings(&self, content: &[u8]) -> Result<Settings, String> {
        let Resolved { settings, warnings } = self
            .resolve(content, &ThisMachine)
            .map_err(|error| in_one_line(&error))?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(settings)
    }
}

/// An error as a log has it.
fn in_one_line(error: &UsageError) -> String {
    error.to_string().replace("\n  ", "; ")
}

#[cfg(test)]
mod tests;

//! Errors of a command line or a configuration file, and the way out.

use std::fmt;
use std::path::{Path, PathBuf};

/// A value that cannot be run with. Ends the program with exit status 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    /// Where it stands, when that is in a configuration file.
    pub place: Option<Box<FilePlace>>,
    /// The flag, as `--help` has it; the key in a file. Empty when it is about none.
    pub flag: String,
    /// Its value without secrets; empty when none was given.
    pub value: String,
    /// The problem.
    pub problem: String,
    /// The way out: a whole sentence or an example.
    pub help: String,
}

impl UsageError {
    /// The same, at a place in a configuration file.
    #[must_use]
    pub fn in_file(mut self, file: &Path, line: Option<usize>, mirror: Option<&str>) -> Self {
        self.place = Some(Box::new(FilePlace {
            file: file.to_owned(),
            line,
            mirror: mirror.map(str::to_owned),
        }));
        self
    }
}

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// The file as typed.
    pub file: PathBuf,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// The mirror whose table it is.
    pub mirror: Option<String>,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.flag)?;
        if !self.value.is_empty() {
            // A file may have any character in a value; an error has its lines.
            write!(f, " '{}'", self.value.replace(char::is_control, " "))?;
        }
        if !self.flag.is_empty() {
            f.write_str(": ")?;
        }
        write!(f, "{}\n  help: {}", self.problem, self.help)
    }
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match &self.mirror {
            Some(mirror) => write!(f, ": [mirror.{mirror}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UsageError {}

/// A problem with one value, before it is known which flag it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The problem.
    pub problem: String,
    /// The way out.
    pub help: String,
}

impl Problem {
    /// A problem and the way out of it.
    pub fn new(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            help: help.into(),
        }
    }

    /// The same, put down to `flag` and its `value` (without secrets).
    pub fn of(self, flag: impl Into<String>, value: impl Into<String>) -> UsageError {
        UsageError {
            place: None,
            flag: flag.into(),
            value: value.into(),
            problem: self.problem,
            help: self.help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_flag_the_value_and_the_way_out() {
        let error = Problem::new("no port", "write :80").of("--input-raw", "eth0");
        assert_eq!(
            error.to_string(),
            "--input-raw 'eth0': no port\n  help: write :80"
        );
        let error = Problem::new("no input", "add one").of("--input-raw", "");
        assert_eq!(error.to_string(), "--input-raw: no input\n  help: add one");
    }

    #[test]
    fn an_error_in_a_file_names_its_place() {
        let mut error = Problem::new("no port", "write :80").of("input-raw", "eth0");
        let file = std::path::Path::new("/etc/shadow.toml");
        error = error.in_file(file, Some(3), Some("web"));
        assert_eq!(
            error.to_string(),
            "/etc/shadow.toml:3: [mirror.web]: input-raw 'eth0': no port\n  help: write :80"
        );
    }
}

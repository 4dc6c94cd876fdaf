//! What is wrong with a command line, and the way out.

use std::fmt;

/// A value that cannot be run with. Ends the program with exit status 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    /// The flag, as `--help` has it.
    pub flag: &'static str,
    /// Its value without secrets; empty when none was given.
    pub value: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it: a whole sentence or an example.
    pub help: String,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            flag,
            value,
            problem,
            help,
        } = self;
        if value.is_empty() {
            write!(f, "{flag}: {problem}\n  help: {help}")
        } else {
            write!(f, "{flag} '{value}': {problem}\n  help: {help}")
        }
    }
}

impl std::error::Error for UsageError {}

/// What is wrong with one value, before it is known which flag it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
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
    pub fn of(self, flag: &'static str, value: impl Into<String>) -> UsageError {
        UsageError {
            flag,
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
}

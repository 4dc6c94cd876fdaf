//! The command line in two steps: flags as typed, then [`crate::settings::Settings`], resolved once.

use std::process::ExitCode;

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    ExitCode::FAILURE
}

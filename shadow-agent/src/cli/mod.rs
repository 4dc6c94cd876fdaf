//! The command line in two steps: flags as typed ([`low`]), then [`crate::settings::Settings`], resolved
//! once ([`high`]). Nothing behind this room knows clap.

pub mod address;
pub mod error;
pub mod high;
pub mod low;
pub mod machine;
pub mod upstream;
pub mod value;

use std::process::ExitCode;

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    ExitCode::FAILURE
}

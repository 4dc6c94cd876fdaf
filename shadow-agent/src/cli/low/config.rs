//! The configuration file.

use std::path::PathBuf;

use clap::Args;

/// Where settings stand besides the command line, as typed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Configuration file")]
pub struct ConfigFlags {
    /// Take settings from this file (TOML), and follow it
    ///
    /// Its keys are these flags without the dashes in front, such as input-raw = ":80". Tables [mirror.NAME] have inputs,
    /// outputs and the flags of these each of their own, and what they leave out is as at the top. Flags here and
    /// in the environment win over the file; inputs and outputs stand in one of the two, not in both.
    ///
    /// The file is read again on SIGHUP and when it changes, and taken whole or not at all: what needs a restart or is
    /// not valid is refused, by name. See docs/configuration.md.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Say what the settings come to, or what is wrong with them, and end
    ///
    /// Nothing is captured, sent or written, and no privilege is needed. Names of hosts are looked up.
    #[arg(long)]
    pub check_config: bool,
}

//! The configuration file.

use std::path::PathBuf;

use clap::Args;

/// Where settings stand besides the command line, as typed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Configuration file")]
pub struct ConfigFlags {
    /// Read settings from this TOML file, reloaded when it changes
    ///
    /// Keys are these flags without the leading dashes, such as input-raw = ":80". Each table [mirror.NAME] defines a mirror
    /// with its own inputs, outputs and related flags; what it leaves out is inherited from the top level. Flags and
    /// environment variables override the file; inputs and outputs must be in one or the other, not both.
    ///
    /// The file is reloaded on SIGHUP and when it changes, and applied completely or not at all: a setting that is invalid
    /// or needs a restart is refused by name. See docs/configuration.md.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Check the settings, print a summary, and exit
    ///
    /// Prints what is wrong with invalid settings. Nothing is captured, sent or written, and no privileges are needed. Host names are resolved.
    #[arg(long)]
    pub check_config: bool,
}

//! Flags of GoReplay that are not flags here: known, so that whoever types one learns what to do instead.
//!
//! A flag of [`REFUSED`] ends the program with its reason and the way out; one of [`ACCEPTED`] has no meaning here, is
//! taken all the same and says so in one line. Both are keys of the configuration file as well, and neither is in the
//! help. `docs/goreplay.md` has every flag of GoReplay; a test reads it against these tables.

mod accepted;
mod refused;

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

pub use self::accepted::{ACCEPTED, Accepted};
pub use self::refused::{REFUSED, Refused};

/// Whether a flag stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A boolean.
    Nothing,
    /// Anything behind it; what it is does not matter.
    Value,
}

/// Which of these flags were typed.
#[derive(Clone, Debug, Default)]
pub struct GoReplayFlags {
    /// Those that are refused, in the order of the table.
    pub refused: Vec<&'static Refused>,
    /// Those without a meaning, in the order of the table.
    pub accepted: Vec<&'static Accepted>,
}

impl FromArgMatches for GoReplayFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |flag: &str| matches.value_source(flag) == Some(ValueSource::CommandLine);
        Ok(Self {
            refused: REFUSED.iter().filter(|one| typed(one.flag)).collect(),
            accepted: ACCEPTED.iter().filter(|one| typed(one.flag)).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for GoReplayFlags {
    fn augment_args(command: Command) -> Command {
        let refused = REFUSED.iter().map(|one| (one.flag, one.takes, one.why));
        let accepted = ACCEPTED.iter().map(|one| (one.flag, one.takes, one.says));
        let arguments = refused.chain(accepted).map(|(flag, takes, help)| {
            let argument = Arg::new(flag)
                .long(flag)
                .help(help)
                .help_heading("GoReplay")
                .hide(true);
            match takes {
                Takes::Nothing => argument.action(ArgAction::SetTrue),
                Takes::Value => argument
                    .action(ArgAction::Append)
                    .value_parser(clap::value_parser!(OsString)),
            }
        });
        command.args(arguments)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests;

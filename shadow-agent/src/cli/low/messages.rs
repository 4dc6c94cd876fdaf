//! The flags of inputs that have whole messages.

use clap::Args;

/// Inputs of whole messages, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
pub struct Messages {
    /// A request and its response each second, to see that outputs work; may be repeated
    ///
    /// The value means nothing; it is there because GoReplay wants one.
    #[arg(long, value_name = "ANYTHING")]
    pub input_dummy: Vec<String>,
}

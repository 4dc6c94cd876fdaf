//! The flags of inputs that have whole messages.

use clap::Args;

/// Inputs of whole messages, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "General")]
pub struct Messages {
    /// Generate a test request and response each second, to check outputs; may be repeated
    ///
    /// The value is ignored; GoReplay requires one.
    #[arg(long, value_name = "ANYTHING")]
    pub input_dummy: Vec<String>,
}

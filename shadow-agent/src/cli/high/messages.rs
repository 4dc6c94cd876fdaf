//! The inputs of whole messages as meant.

use crate::cli::low::Arguments;
use crate::settings::MessageInput;

/// Whether any is named.
pub fn any(arguments: &Arguments) -> bool {
    !resolve(arguments).is_empty()
}

/// All of them.
pub fn resolve(arguments: &Arguments) -> Vec<MessageInput> {
    let dummies = &arguments.messages.input_dummy;
    dummies.iter().map(|_| MessageInput::Dummy).collect()
}

//! One pair that was kept, sent again: to another server, or as a command line for `curl`.

mod curl;
mod prepared;
#[cfg(test)]
mod tests;
mod told;

pub use curl::curl;
pub use prepared::{GivenHeader, Prepared};
pub use told::Told;

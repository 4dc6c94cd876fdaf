//! One pair that was kept, sent again: to another server, or as a command line for `curl`.

mod curl;
mod difference;
mod prepared;
#[cfg(test)]
mod tests;

pub use curl::curl;
pub use difference::ReplayDifference;
pub use prepared::{GivenHeader, Prepared};

//! Production's answers against the shadow's: would this release have survived production?
//!
//! A [`Pair`] is one exchange with both answers. Comparing it is a pure function of the two and of rules; it gives a list of
//! [`Difference`]s, each with a kind and a path, so that a million pairs make a short list. What came of a whole run is a
//! [`document::Document`]: everything that a report shows is in there, and every way to show it reads that alone.

mod difference;
pub mod document;
pub mod fail_on;
pub mod histogram;
pub mod noise;
mod pair;
pub mod routes;
#[cfg(test)]
mod simulation;
pub mod statistics;
pub mod verdict;

pub use difference::{Difference, Kind};
pub use pair::{Answer, NotCompared, Pair, Times};

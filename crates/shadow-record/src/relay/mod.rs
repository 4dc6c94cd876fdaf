//! The relay protocol, which two agents speak to each other: records one behind the other, or frames that are
//! acknowledged. Without IO; `docs/relay.md` has it for readers.
//!
//! [`records`] reads the plain form, [`GoReplay`'s](https://github.com/buger/goreplay). [`protocol`] has the lines of the
//! acknowledged one, [`frames`] reads it, and [`sessions`] tells what a receiver has had before.

pub mod frames;
pub mod header;
pub mod protocol;
pub mod records;
pub mod sessions;

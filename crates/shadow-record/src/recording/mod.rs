//! Recordings: messages as records in `GoReplay`'s format, as HAR and as JSON lines, and back.
//!
//! Bytes in, records out, and the reverse: the files themselves are opened by the agent's outputs and inputs.
//! What is read is taken for hostile: every record is bounded, and one that cannot be read is passed over and counted
//! with where it stands.

mod compression;
mod exchange;
mod foreign;
mod har;
mod json_lines;
mod json_parts;
mod name;
mod reader;
mod record;

pub use compression::{Compression, Opened, open};
pub use exchange::{Expected, Numbered, Pairing, Recorded};
pub use foreign::{foreign, without_records};
pub use har::{HAR_FOOTER, HAR_HEADER, HarReader, write_har};
pub use json_lines::write_json_line;
pub use name::{Moment, Template, TemplateError, chunk_order, indexed, last_index};
pub use reader::{GorReader, Passed, read_gor};
pub use record::{Record, SEPARATOR, torn_end, write_gor, write_gor_message};

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `GoReplay`'s records, one behind the other.
    Gor,
    /// HTTP Archive 1.2.
    Har,
    /// A JSON object on each line.
    JsonLines,
}

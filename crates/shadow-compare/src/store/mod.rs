//! Comparisons that are kept: `--compare-store DIR`, and what is read from there.
//!
//! A directory holds one run:
//!
//! ```text
//! run.json            what the run was, and the counts that its pairs alone do not tell; replaced as a whole
//! pairs-00000001.gz   records in the order in which they were compared
//! pairs-00000002.gz   ...
//! ```
//!
//! A segment is gzip, each write a member of its own, so that it can be read at every moment (`zcat` does), and one that is
//! cut off loses what was written last and nothing before it. In it stand records: a line of JSON, and bytes as they were on
//! the wire, whose lengths the line tells.
//!
//! ```text
//! {"kind":"pair","of":0,"id":"9c40...","at":1700000000000000000,"whole":true,
//!  "request":{"head":35,"body":0},"production":{"head":80,"body":12,"first":900000,"last":1000000},"shadow":{...}} LF
//! request's head, its body, production's head, its body, the shadow's, then the control's and the repeated answer's LF
//! {"kind":"not_compared","of":0,"at":1700000000000000000,"reason":"timeout","request":{"head":15,"body":0}} LF
//! request line LF
//! ```
//!
//! `of` is the place of the comparison in `run.json`, times are nanoseconds. Keys that are not known are passed over.
//!
//! **Pairs that do not differ.** Where all answers are the same byte for byte, but for header fields that are never compared,
//! no rules can make a difference of it, so the answers themselves are not needed: what is kept are their start lines and
//! times (`"whole":false`), which is all that counts, routes, timelines and latencies are made from.
//!
//! **Secrets.** What is hidden is hidden before it is written, so that each message is whole and framed as its head says: see
//! `by_name`.
//!
//! **Bounds.** When the directory is full, the oldest segment goes. What is left is a window of the run in which equal and
//! different pairs stand as they were, so that no rate is off; how many went is counted, and reports say so.

mod by_name;
mod directory;
mod document;
mod reader;
mod record;
mod redacted;
mod run;
mod segments;
#[cfg(test)]
mod tests;
mod writer;

pub use self::document::{MAX_COMPARISONS, document};
pub use reader::{Damage, ReadError, Records, Store};
pub use record::{Broken, Kept, KeptPair, MAX_RECORD, RecordReader, write};
pub use redacted::{Hidden, Redacted};
pub use run::{Counts, KeptComparison, Run};
pub use writer::{StoreHandle, StorePlace, StoreSettings, StoreWriter};

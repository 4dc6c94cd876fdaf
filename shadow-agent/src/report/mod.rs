//! The account and the verdict as users get them. The account: the ledger's JSON document, the file it is kept in, and the
//! table at exit. The verdict: what a comparison came to, as a page, Markdown, `JUnit`, JSON and text.

mod document;
pub mod document_diff;
mod figures;
mod file;
mod junit;
mod markdown;
mod meanings;
pub mod page;
mod table;
mod text;
mod verdict_file;

pub use document::{LedgerDocument, OutputDocument};
pub(crate) use figures::{visible, wrong};
pub use file::LedgerFile;
pub use junit::junit;
pub use markdown::{markdown, markdown_of_two};
pub use table::{explanation, grouped, table};
pub use text::summary;
pub use verdict_file::{Form, VerdictFile};

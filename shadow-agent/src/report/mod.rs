//! The account as users get it: the ledger's JSON document, the file it is kept in, and the table at exit.

mod document;
mod file;
mod table;

pub use document::{LedgerDocument, OutputDocument};
pub use file::LedgerFile;
pub(crate) use file::is_foreign_link;
pub use table::{explanation, grouped, table};

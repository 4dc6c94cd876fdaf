//! HTTP Archive 1.2 (<http://www.softwareishard.com/blog/har-12-spec/>): what browsers' developer tools write and read.

mod entry;
mod form;
mod member;
mod reader;
mod scan;
mod write;

pub use reader::HarReader;
pub use write::{HAR_FOOTER, HAR_HEADER, write_har};

#[cfg(test)]
mod tests;

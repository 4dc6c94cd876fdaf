//! The page until the report's own is there: it says where the data is.

use crate::compare::document::Document;

/// What the page may do.
pub(super) fn content_security_policy(_live: bool) -> String {
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'".to_owned()
}

/// The live page.
pub(super) fn live() -> String {
    "<!doctype html><html lang=en><title>shadow-agent</title><p>See <a href=/report.json>the data</a>."
        .to_owned()
}

/// The report of a document.
pub(super) fn render(document: &Document) -> String {
    format!(
        "<!doctype html><html lang=en><title>shadow-agent</title><p>{}",
        document.verdict.text()
    )
}

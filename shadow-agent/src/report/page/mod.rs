//! The page of a comparison: one file with everything in it, which asks the network for nothing. Live, the same
//! page gets the document from the agent's port, again and again.
//!
//! The data holds what strangers sent. It stands in the page as JSON in which nothing can end the element around it, the
//! script makes text nodes of it and never markup, and the policy below lets no other script run and no byte out. What there
//! is to say in short stands in the page as HTML as well: it reads without script.

mod escape;
mod summary;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde::Serialize;

pub(super) use self::escape::escaped;
use self::escape::json;
use super::document_diff::TwoDocuments;
use super::meanings::meanings;
use crate::compare::document::Document;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("script/dom.js"),
    include_str!("script/format.js"),
    include_str!("script/table.js"),
    include_str!("script/diff.js"),
    include_str!("script/example.js"),
    include_str!("script/chart.js"),
    include_str!("script/causes.js"),
    include_str!("script/differences.js"),
    include_str!("script/endpoints.js"),
    include_str!("script/coverage.js"),
    include_str!("script/statuses.js"),
    include_str!("script/timing.js"),
    include_str!("script/comparison.js"),
    include_str!("script/two.js"),
    include_str!("script/live.js"),
    include_str!("script/main.js"),
    "})();\n"
);

/// Mode of the page, as its script reads it.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    One,
    Two,
    Live,
}

/// The page of a document: a whole HTML file.
pub fn render(document: &Document) -> String {
    let title = format!("{} · shadow-agent report", document.verdict.text());
    page(Mode::One, &title, &summary::one(document), document)
}

/// The page of two documents side by side.
pub fn render_two(a: &Document, b: &Document) -> String {
    let two = TwoDocuments::new(a, b);
    let title = format!(
        "{} → {} · shadow-agent report",
        a.verdict.text(),
        b.verdict.text()
    );
    page(Mode::Two, &title, &summary::two(&two), &two)
}

/// The page that follows a run: it has no data of its own. Its script listens to `GET /report/events`, whose events are
/// documents as JSON, and sends orders to `POST /pause`, `/resume` and `/compare/reset` with a bearer token that is typed in.
pub fn live() -> String {
    page(Mode::Live, "Live · shadow-agent report", summary::LIVE, &())
}

/// The value of `Content-Security-Policy` to serve a page with: of [`live`], or else of [`render`] and [`render_two`].
pub fn content_security_policy(live: bool) -> String {
    format!("{}; frame-ancestors 'none'", policy(live))
}

/// The part of the policy that can stand in the page itself: browsers want `frame-ancestors` from a header alone.
fn policy(live: bool) -> String {
    let connect = if live { "; connect-src 'self'" } else { "" };
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:{connect}; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

/// Puts the page together. What is put in is never searched for places to put something in.
fn page(mode: Mode, title: &str, summary: &str, data: &impl Serialize) -> String {
    let live = matches!(mode, Mode::Live);
    let data = Given {
        mode,
        meanings: meanings(),
        data,
    };
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + 4096);
    for (index, part) in PAGE.split("@@").enumerate() {
        match (index % 2, part) {
            (0, html) => page.push_str(html),
            (_, "policy") => page.push_str(&policy(live)),
            (_, "title") => page.push_str(&escaped(title)),
            (_, "style") => page.push_str(STYLE),
            (_, "summary") => page.push_str(summary),
            (_, "data") => page.push_str(&json(&data)),
            _ => page.push_str(SCRIPT),
        }
    }
    page
}

/// All that the script is given.
#[derive(Serialize)]
struct Given<'a, T> {
    mode: Mode,
    meanings: BTreeMap<String, &'static str>,
    data: &'a T,
}

#[cfg(test)]
mod tests;

//! Lists: at which version, and page by page (`limit` and `continue`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::failure::Failure;
use super::request::Query;
use super::selector::Selector;
use super::store::{Key, Store};
use super::view::View;

/// Where the next page starts. Clients must treat the token as opaque.
struct Continue {
    /// The version that all pages are of.
    revision: u64,
    /// The last object of the page before.
    after: (String, String),
}

/// Answers a list.
pub(super) fn list(
    store: &Store,
    view: View<'_>,
    namespace: Option<&str>,
    selector: &Selector,
    query: &Query,
) -> Result<Value, Failure> {
    let limit = query.number("limit").map_err(Failure::bad_request)?;
    let limit = limit
        .filter(|limit| *limit > 0)
        .and_then(|limit| usize::try_from(limit).ok());
    let asked = query.number("resourceVersion").map_err(Failure::bad_request)?;
    let page = Continue::parse(query.text("continue"))?;
    if page.is_some() && asked.is_some_and(|asked| asked > 0) {
        return Err(Failure::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    if let Some(asked) = asked.filter(|asked| *asked > store.revision()) {
        return Err(Failure::too_new(asked, store.revision()));
    }
    let exact = asked.filter(|_| query.text("resourceVersionMatch") == "Exact");
    let revision = page
        .as_ref()
        .map(|page| page.revision)
        .or(exact)
        .unwrap_or(store.revision());
    let objects = store
        .list_at(revision, view.resource.plural, namespace)
        .map_err(|expired| {
            if page.is_some() {
                Failure::page_expired()
            } else {
                expired
            }
        })?;
    let selected: Vec<_> = objects
        .iter()
        .filter(|(key, object)| {
            page.as_ref().is_none_or(|page| page.is_before(key)) && selector.matches(object)
        })
        .collect();
    let (shown, left) = selected.split_at(limit.unwrap_or(usize::MAX).min(selected.len()));
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let (false, Some((last, _))) = (left.is_empty(), shown.last()) {
        metadata["continue"] = Continue::token(revision, last).into();
        if selector.is_everything() {
            metadata["remainingItemCount"] = left.len().into();
        }
    }
    Ok(view.list(shown.iter().map(|(_, object)| &***object), &metadata))
}

/// The objects that a watch without a version begins with.
pub(super) fn now<'s>(
    store: &'s Store,
    view: View<'_>,
    namespace: Option<&'s str>,
    selector: &Selector,
) -> BTreeMap<&'s Key, &'s Arc<Value>> {
    store
        .list(view.resource.plural, namespace)
        .filter(|(_, object)| selector.matches(object))
        .collect()
}

impl Continue {
    fn parse(token: &str) -> Result<Option<Self>, Failure> {
        if token.is_empty() {
            return Ok(None);
        }
        let mut parts = token.splitn(3, '/');
        let revision = parts.next().and_then(|revision| revision.parse().ok());
        match (revision, parts.next(), parts.next()) {
            (Some(revision), Some(namespace), Some(name)) => Ok(Some(Self {
                revision,
                after: (namespace.to_owned(), name.to_owned()),
            })),
            _ => Err(Failure::bad_request("continue key is not valid")),
        }
    }

    fn token(revision: u64, last: &Key) -> String {
        format!("{revision}/{}/{}", last.namespace, last.name)
    }

    fn is_before(&self, key: &Key) -> bool {
        (&self.after.0, &self.after.1) < (&key.namespace, &key.name)
    }
}

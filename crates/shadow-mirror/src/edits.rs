//! Edits of a copy besides the usual, as the filters of a route ask: header fields, host, path.
//!
//! Several steps are folded into one list when the edits are made, so that a copy costs one look at each field.
//! Nothing here can change where a message ends or what a connection does: such fields are refused.

use std::sync::Arc;

use shadow_http::{Request, is_field_value, is_token};

use super::matching::{Hit, PathMatch, RequestMatch, RouteMatcher, split_query};

/// Most header fields that one set of edits names; the API allows 48 in one filter.
pub const MAX_FIELDS: usize = 128;
/// Longest value of a header, in bytes; the API allows 4,096.
pub const MAX_VALUE: usize = 8_192;
/// Longest path or host put in place of another, in bytes; the API allows 1,024.
pub const MAX_REPLACEMENT: usize = 4_096;

/// Fields that say where the message ends (RFC 9112 section 6), or that are for the next hop alone (RFC 9110
/// section 7.6.1): the copy's are its own.
const REFUSED: [&str; 9] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
];

/// Whether no edit may touch the fields of this name.
pub(super) fn is_refused(name: &str) -> bool {
    REFUSED.iter().any(|refused| refused.eq_ignore_ascii_case(name))
}

/// One step, in the order of the filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The field has this value alone.
    SetHeader {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The field has this value too.
    AddHeader {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// No field has this name.
    RemoveHeader(String),
    /// The host is this one.
    Hostname(String),
    /// The whole path is this one; the query stays.
    FullPath(String),
    /// The prefix that the rule's match has is replaced by this one; the query stays.
    PrefixMatch(String),
}

/// The edits of one mirror.
#[derive(Clone, PartialEq)]
pub struct Edits {
    hostname: Option<Box<str>>,
    path: Option<PathEdit>,
    fields: Vec<FieldEdit>,
    /// The lines of all values, ready to be appended.
    lines: Vec<u8>,
}

/// The edits of the fields of one name.
#[derive(Clone, PartialEq)]
struct FieldEdit {
    name: Box<str>,
    /// Whether those of the request are left out.
    drop: bool,
    values: Vec<Box<str>>,
}

/// The edit of the path. Replacements start with `/`, or are empty.
#[derive(Clone, Debug, PartialEq)]
enum PathEdit {
    Full(Box<str>),
    Prefix {
        /// Without `/` at its end.
        replacement: Box<str>,
        matcher: Arc<RouteMatcher>,
        rule: usize,
    },
}

/// Edits that cannot be made. For the author of the route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The field is for the connection, not for the request.
    #[error("the header {0:?} cannot be changed: it is part of the message framing or hop-by-hop")]
    Framing(String),
    /// Every request has a host.
    #[error("the header \"Host\" cannot be removed")]
    RemovedHost,
    /// Not a field name.
    #[error("{0:?} is not a header name")]
    Name(String),
    /// A control character, or too much.
    #[error("the value of the header {0:?} has a control character or more than {MAX_VALUE} bytes")]
    Value(String),
    /// Not a host.
    #[error("{0:?} is not a host name")]
    Hostname(String),
    /// Bytes that no path has.
    #[error("the path {0:?} has characters that must be percent-encoded, a query, or too many characters")]
    Path(String),
    /// A prefix is replaced, but the rule has another kind of match.
    #[error("ReplacePrefixMatch needs a rule whose every match is a PathPrefix")]
    NoPrefix,
    /// More than a copy can be expected to carry.
    #[error("more than {MAX_FIELDS} headers are changed")]
    TooMany,
}

/// The names of headers without their values, which may be credentials.
impl std::fmt::Debug for Edits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.fields.iter().map(|field| &field.name).collect();
        f.debug_struct("Edits")
            .field("hostname", &self.hostname)
            .field("path", &self.path)
            .field("fields", &names)
            .finish_non_exhaustive()
    }
}

impl Edits {
    /// Folds `steps` into one. `rule` of `matcher` is the one whose requests are copied.
    ///
    /// # Errors
    ///
    /// Where a step cannot be done to a copy, or there are too many.
    pub fn new(
        steps: impl IntoIterator<Item = Edit>,
        matcher: &Arc<RouteMatcher>,
        rule: usize,
    ) -> Result<Self, EditError> {
        let mut edits = Self {
            hostname: None,
            path: None,
            fields: Vec::new(),
            lines: Vec::new(),
        };
        for step in steps {
            edits.step(step, matcher, rule)?;
        }
        for field in &edits.fields {
            for value in &field.values {
                edits.lines.extend_from_slice(field.name.as_bytes());
                edits.lines.extend_from_slice(b": ");
                edits.lines.extend_from_slice(value.as_bytes());
                edits.lines.extend_from_slice(b"\r\n");
            }
        }
        Ok(edits)
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.hostname.is_none() && self.path.is_none() && self.fields.is_empty()
    }

    /// The host that takes the place of the client's.
    pub fn hostname(&self) -> Option<&[u8]> {
        self.hostname.as_deref().map(str::as_bytes)
    }

    /// Whether the request's fields of this name are left out.
    pub fn drops(&self, name: &[u8]) -> bool {
        self.field(name).is_some_and(|field| field.drop)
    }

    /// Whether fields of this name are changed at all.
    pub fn changes(&self, name: &[u8]) -> bool {
        self.field(name).is_some()
    }

    /// The lines that are appended to the header section, each with its line end.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Appends what takes the place of `target`, the path and query of `request`, to `out`. Nothing is written
    /// and `false` returned when the path stays as it is: the shortest way for most copies.
    pub fn write_path(&self, request: &Request, target: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(edit) = &self.path else { return false };
        let (path, _) = split_query(target);
        let behind = &target[path.len()..];
        match edit {
            PathEdit::Full(replacement) => out.extend_from_slice(non_empty(replacement.as_bytes())),
            PathEdit::Prefix {
                replacement,
                matcher,
                rule,
            } => {
                let Some(rest) = matched_rest(matcher, *rule, request, non_empty(path)) else {
                    return false;
                };
                out.extend_from_slice(replacement.as_bytes());
                let starts_with_slash = !replacement.is_empty() || rest.first() == Some(&b'/');
                if !starts_with_slash {
                    out.push(b'/');
                }
                out.extend_from_slice(rest);
            }
        }
        out.extend_from_slice(behind);
        true
    }

    fn field(&self, name: &[u8]) -> Option<&FieldEdit> {
        self.fields
            .iter()
            .find(|field| field.name.as_bytes().eq_ignore_ascii_case(name))
    }

    fn step(&mut self, step: Edit, matcher: &Arc<RouteMatcher>, rule: usize) -> Result<(), EditError> {
        match step {
            Edit::SetHeader { name, value } | Edit::AddHeader { name, value } if is_host_field(&name) => {
                drop(name);
                self.hostname = Some(hostname(value)?);
            }
            Edit::SetHeader { name, value } => {
                let value = checked_value(&name, value)?;
                let field = self.edit(name)?;
                field.drop = true;
                field.values = vec![value];
            }
            Edit::AddHeader { name, value } => {
                let value = checked_value(&name, value)?;
                let field = self.edit(name)?;
                field.values.push(value);
                if self.fields.iter().map(|field| field.values.len()).sum::<usize>() > MAX_FIELDS {
                    return Err(EditError::TooMany);
                }
            }
            Edit::RemoveHeader(name) if is_host_field(&name) => return Err(EditError::RemovedHost),
            Edit::RemoveHeader(name) => {
                let field = self.edit(name)?;
                field.drop = true;
                field.values.clear();
            }
            Edit::Hostname(name) => self.hostname = Some(hostname(name)?),
            Edit::FullPath(path) => self.path = Some(PathEdit::Full(replacement(&path)?)),
            Edit::PrefixMatch(path) => {
                let prefix = |found: &RequestMatch| matches!(found.path(), PathMatch::Prefix(_));
                let found = matcher.matches(rule);
                if found.is_empty() || !found.iter().all(prefix) {
                    return Err(EditError::NoPrefix);
                }
                let replacement = replacement(&path)?;
                self.path = Some(PathEdit::Prefix {
                    replacement: replacement.strip_suffix('/').unwrap_or(&replacement).into(),
                    matcher: Arc::clone(matcher),
                    rule,
                });
            }
        }
        Ok(())
    }

    /// The edit of the fields called `name`, made if there is none.
    fn edit(&mut self, name: String) -> Result<&mut FieldEdit, EditError> {
        if !is_token(name.as_bytes()) {
            return Err(EditError::Name(shortened(&name)));
        }
        if is_refused(&name) {
            return Err(EditError::Framing(name));
        }
        let same = |field: &FieldEdit| field.name.eq_ignore_ascii_case(&name);
        let index = match self.fields.iter().position(same) {
            Some(index) => index,
            None if self.fields.len() >= MAX_FIELDS => return Err(EditError::TooMany),
            None => {
                self.fields.push(FieldEdit {
                    name: name.into(),
                    drop: false,
                    values: Vec::new(),
                });
                self.fields.len() - 1
            }
        };
        Ok(&mut self.fields[index])
    }
}

/// The part behind the prefix of the match that decided on `request`.
fn matched_rest<'a>(
    matcher: &RouteMatcher,
    rule: usize,
    request: &Request,
    path: &'a [u8],
) -> Option<&'a [u8]> {
    let hit: Hit = matcher.best(request).filter(|hit| hit.rule == rule)?;
    match matcher.matches(rule).get(hit.index)?.path() {
        PathMatch::Prefix(prefix) => prefix.rest(path),
        PathMatch::Exact(_) | PathMatch::Regex { .. } | PathMatch::Call(_) => None,
    }
}

/// `path`, or `/` for an empty one.
fn non_empty(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"/" } else { path }
}

fn is_host_field(name: &str) -> bool {
    name.eq_ignore_ascii_case("host")
}

fn hostname(name: String) -> Result<Box<str>, EditError> {
    let host = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\,".contains(&byte);
    if name.is_empty() || name.len() > MAX_REPLACEMENT || !name.bytes().all(host) {
        return Err(EditError::Hostname(shortened(&name)));
    }
    Ok(name.into())
}

fn checked_value(name: &str, value: String) -> Result<Box<str>, EditError> {
    if value.len() > MAX_VALUE || !is_field_value(value.as_bytes()) {
        return Err(EditError::Value(shortened(name)));
    }
    Ok(value.into())
}

/// A path that is put in place of another: empty, or with a `/` before it.
fn replacement(path: &str) -> Result<Box<str>, EditError> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b'#';
    if path.len() > MAX_REPLACEMENT || !path.bytes().all(allowed) {
        return Err(EditError::Path(shortened(path)));
    }
    Ok(match path {
        "" => "".into(),
        path if path.starts_with('/') => path.into(),
        path => format!("/{path}").into(),
    })
}

/// As much of what the route says as an error repeats.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;

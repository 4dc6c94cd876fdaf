//! Members of the objects of a HAR file.

use std::borrow::Cow;

use serde_json::Value;

/// Text of a member, whatever exporters make of numbers; `None` where it is null, missing, or not one value.
pub(super) fn text<'a>(of: &'a Value, name: &str) -> Option<Cow<'a, str>> {
    match of.get(name)? {
        Value::String(text) => Some(Cow::Borrowed(text)),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(Cow::Owned(value.to_string())),
        _ => None,
    }
}

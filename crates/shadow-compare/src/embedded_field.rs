//! Fields of a head within JSON: the answer to several requests at once holds the heads of theirs.
//!
//! In an object that is called `headers`, as `/batch` of Kinto and `$batch` of `OData` have one for each of their answers, a field that
//! counts by being there counts so as well, and a list without an order has none. What is never compared in a head is compared here:
//! nobody knows that it is one.

use super::echo::member;
use super::fields::{self, Manner};

/// The name of an object with fields.
const OBJECT: &str = "headers";

/// Whether the values at `path` are of a field, and the same as far as values of that field are compared.
pub(super) fn is_same_field(path: &str, production: &str, shadow: &str) -> bool {
    let Some(name) = member(path) else {
        return false;
    };
    let quoted = format!("['{name}']");
    let object = path
        .strip_suffix(&quoted)
        .or_else(|| path.strip_suffix(name)?.strip_suffix('.'));
    if !object
        .and_then(member)
        .is_some_and(|object| object.eq_ignore_ascii_case(OBJECT))
    {
        return false;
    }
    let members = |value: &str, names| fields::members_of(&[value.as_bytes()], names);
    match fields::manner(name.as_bytes()) {
        Manner::Presence => true,
        manner @ (Manner::Set | Manner::Names) => {
            let names = manner == Manner::Names;
            members(production, names) == members(shadow, names)
        }
        Manner::Value | Manner::MediaType | Manner::Cookies | Manner::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_in_json_is_compared_as_in_a_head() {
        for path in ["$.responses[*].headers.ETag", "$[*].Headers['Last-Modified']"] {
            assert!(is_same_field(path, "\"1\"", "\"2\""), "{path}");
        }
        let path = "$.responses[*].headers['Access-Control-Expose-Headers']";
        assert!(is_same_field(path, "Backoff, Alert", "Alert, Backoff"));
        assert!(!is_same_field(path, "Backoff, Alert", "Backoff"));
    }

    #[test]
    fn everything_else_counts() {
        for path in [
            "$.headers.X-Plan",
            "$.headers.Location",
            "$.headers.Date",
            "$.headers.Content-Type",
            "$.etag",
            "$.ETag",
            "$.headers.responses[*].ETag",
            "$.theheaders.ETag",
            "headers.ETag",
            "$.headers",
        ] {
            assert!(!is_same_field(path, "a", "b"), "{path}");
        }
    }
}

//! Values in JSON bodies, by a path: found where they stand in the text, so that all else stays byte for byte.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Invalid;

/// Most steps of a path: each is another look at what the step before it led to.
const MAX_STEPS: usize = 16;
/// Longest path as typed, in bytes.
const MAX_PATH: usize = 1024;

/// Where values stand in a JSON text: `user.email`, `items.0.id`, `items.*.id`, or as a JSON pointer (RFC 6901)
/// `/user/e~1mail`. A number is a place in an array, or a member of that name; `*` is every place or member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name { name: Box<str>, index: Option<usize> },
    Every,
}

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// Where the text is no path, or longer than one may be.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let steps: Vec<Step> = match text.strip_prefix('/') {
            Some(pointer) => pointer
                .split('/')
                .map(|step| Step::new(&step.replace("~1", "/").replace("~0", "~")))
                .collect(),
            None => text
                .strip_prefix("$.")
                .unwrap_or(text)
                .split('.')
                .map(Step::new)
                .collect(),
        };
        if text.len() > MAX_PATH || steps.len() > MAX_STEPS {
            return Err(Invalid(format!(
                "a path of more than {MAX_STEPS} steps or {MAX_PATH} bytes"
            )));
        }
        let empty = |step: &Step| matches!(step, Step::Name { name, .. } if name.is_empty());
        if !text.starts_with('/') && steps.iter().any(empty) {
            return Err(Invalid("a path with an empty step".to_owned()));
        }
        Ok(Self(steps))
    }

    /// The values that the path leads to in `text`, which is one JSON value or several one behind the other (as in JSON
    /// lines), each as it stands in `text`.
    ///
    /// # Errors
    ///
    /// Where the text is no JSON.
    pub fn find<'a>(&self, text: &'a str, mut found: impl FnMut(&'a RawValue)) -> Result<(), NotJson> {
        for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
            walk(value.map_err(|_| NotJson)?, &self.0, &mut found)?;
        }
        Ok(())
    }
}

impl Step {
    fn new(text: &str) -> Self {
        if text == "*" {
            return Self::Every;
        }
        Self::Name {
            name: text.into(),
            index: text.parse().ok(),
        }
    }

    fn is_name(&self, name: &str) -> bool {
        match self {
            Self::Name { name: wanted, .. } => **wanted == *name,
            Self::Every => true,
        }
    }

    fn is_index(&self, index: usize) -> bool {
        match self {
            Self::Name { index: wanted, .. } => *wanted == Some(index),
            Self::Every => true,
        }
    }
}

fn walk<'a>(value: &'a RawValue, steps: &[Step], found: &mut dyn FnMut(&'a RawValue)) -> Result<(), NotJson> {
    let Some((step, behind)) = steps.split_first() else {
        found(value);
        return Ok(());
    };
    // Only what leads on is looked into again.
    let mut next = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(value.get());
    let visitor = Members {
        step,
        next: &mut next,
    };
    match value.get().as_bytes().first() {
        Some(b'{') => reader.deserialize_map(visitor),
        Some(b'[') => reader.deserialize_seq(visitor),
        _ => return Ok(()),
    }
    .map_err(|_| NotJson)?;
    for value in next {
        walk(value, behind, found)?;
    }
    Ok(())
}

/// Collects the members of an object, or the elements of an array, that a step leads to.
struct Members<'s, 'a> {
    step: &'s Step,
    next: &'s mut Vec<&'a RawValue>,
}

/// A name, which need not be copied unless it has escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let value: &'a RawValue = map.next_value()?;
            if self.step.is_name(&name) {
                self.next.push(value);
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(value) = elements.next_element::<&'a RawValue>()? {
            if self.step.is_index(index) {
                self.next.push(value);
            }
            index += 1;
        }
        Ok(())
    }
}

/// A value as text: what a string says, and anything else as it is written.
pub(super) fn as_text(value: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<Name<'_>>(value.get()) {
        Ok(Name(text)) => text,
        Err(_) => value.get().into(),
    }
}

/// Where `value`, which was found in `text`, stands in it.
pub(super) fn place(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - text.as_ptr().addr();
    start..start + value.get().len()
}

/// The text of a body that may be JSON: whether it begins as an object or an array is for [`begins_as_json`] to say.
pub(super) fn text(body: &[u8]) -> Option<&str> {
    std::str::from_utf8(body).ok()
}

/// Whether a body begins as an object or an array of JSON does.
pub(super) fn begins_as_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"{"user": {"email":"a@b", "n\u0061me":"x\n", "roles":["r0","r1",{"id":7}]}, "a.b": null, "e/f": [1]}"#;

    fn found(path: &str, text: &str) -> Result<Vec<String>, NotJson> {
        let mut all = Vec::new();
        JsonPath::new(path)
            .unwrap()
            .find(text, |value| all.push(as_text(value).into_owned()))?;
        Ok(all)
    }

    #[test]
    fn a_path_leads_through_objects_and_arrays() {
        for (path, values) in [
            ("user.email", &["a@b"][..]),
            ("$.user.email", &["a@b"]),
            ("/user/email", &["a@b"]),
            ("user.name", &["x\n"]),
            ("user.roles.1", &["r1"]),
            ("user.roles.*.id", &["7"]),
            ("user.roles", &[r#"["r0","r1",{"id":7}]"#]),
            ("/a.b", &["null"]),
            ("/e~1f/0", &["1"]),
            ("user.missing", &[]),
            ("user.email.deeper", &[]),
        ] {
            assert_eq!(found(path, TEXT).unwrap(), values, "{path}");
        }
    }

    #[test]
    fn every_member_of_a_name_and_every_line_of_json_counts() {
        assert_eq!(found("a", r#"{"a":1,"a":2}"#).unwrap(), ["1", "2"]);
        assert_eq!(found("a", "{\"a\":1}\n{\"a\":2}\n").unwrap(), ["1", "2"]);
        assert_eq!(found("0", r#"{"0":1}"#).unwrap(), ["1"]);
    }

    #[test]
    fn what_is_not_json_is_told() {
        for text in ["{", "{\"a\":1}}", "{\"a\" 1}", "{'a':1}", "a=b", r#"{"a":1,}"#] {
            assert_eq!(found("a", text), Err(NotJson), "{text}");
        }
        assert_eq!(found("a", ""), Ok(vec![]));
        let deep = "[".repeat(100_000);
        assert_eq!(found("a", &deep), Err(NotJson));
        let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        assert_eq!(found("0.0.0.1", &deep), Ok(vec![]));
    }

    #[test]
    fn paths_are_bounded() {
        for path in ["", ".", "a..b", "a.", &["a"; 17].join("."), &"a".repeat(1025)] {
            assert!(JsonPath::new(path).is_err(), "{path}");
        }
        assert!(JsonPath::new("/").is_ok(), "the member with the empty name");
    }

    proptest! {
        #[test]
        fn places_are_in_the_text_whatever_it_is(text in "[\\[\\]{}\":,a0 ]{0,40}|\\PC{0,40}", path in "[a0*.]{1,6}|/[a0*/]{0,6}") {
            if let Ok(path) = JsonPath::new(&path) {
                let _ = path.find(&text, |value| {
                    assert_eq!(&text[place(&text, value)], value.get());
                });
            }
        }
    }
}

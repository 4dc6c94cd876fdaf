//! Identifiers in JSON: members, each told by the names above it, and elements of arrays by what else they hold.

use std::borrow::Cow;

use super::{MEMBER, Reader};
use crate::json::{self, Scalar};
use crate::key::Scope;
use crate::shape::{
    MAX_VALUE, RecordName, is_abbreviated, is_id, is_moment, is_own_id, is_revision, is_token, names_key,
    names_token,
};
use crate::url;

/// Members that records are wrapped in.
const WRAPPERS: [&[u8]; 5] = [b"data", b"item", b"record", b"result", b"object"];

/// An object or array that is being read.
struct Level<'a> {
    place: u64,
    name: Option<&'a [u8]>,
    is_element: bool,
    /// Of what is no identifier in it.
    fingerprint: u64,
    /// Its first value among all.
    first: usize,
}

/// Takes identifiers out of the members of JSON.
pub(super) struct JsonReader<'r, 'o, 'a> {
    reader: &'r mut Reader<'o>,
    text: &'a [u8],
    levels: Vec<Level<'a>>,
    /// How many of the levels are elements of arrays.
    elements: usize,
}

impl<'a> json::Visitor<'a> for JsonReader<'_, '_, 'a> {
    fn scalar(&mut self, scalar: Scalar<'a>) {
        let raw = &self.text[scalar.range.clone()];
        let value = if scalar.is_string {
            json::unescaped(raw)
        } else {
            Some(Cow::Borrowed(raw))
        };
        let Some(value) = value.filter(|value| value.len() <= MAX_VALUE) else {
            return;
        };
        let outer = self.levels.last().map_or(MEMBER, |level| level.place);
        let Some(name) = scalar.name else {
            if scalar.depth == 0 && is_token(&value) {
                let sure = self.reader.creates;
                self.reader.push(MEMBER, Scope::Anywhere, &value, sure);
            }
            // Elements have no place of their own.
            self.is_plain(outer, &value);
            return;
        };
        let place = self.reader.keys.place(outer, name);
        let own_id = self.is_own_id(name, scalar.depth);
        let refers = is_own_id(name) || RecordName::of_member(name).is_some();
        let is_revision = is_revision(name, &value);
        if is_token(&value) || is_revision || (names_token(name) && is_abbreviated(&value)) {
            let sure = names_token(name)
                || (self.reader.creates && (is_own_id(name) || own_id || names_key(name)))
                || is_revision;
            self.reader.token(place, name, &value, sure);
        } else if scalar.is_string && url::is_url(&value) {
            let creates = self.reader.creates && self.elements == 0;
            self.reader.url(place, &value, creates, creates);
        } else if !refers {
            self.is_plain(place, &value);
        }
        let is_value = scalar.is_string || value.first().is_some_and(u8::is_ascii_digit);
        if own_id && is_value && self.reader.creates && is_id(&value) {
            let path = self.reader.path;
            self.reader.record(place, path, &value);
        }
    }

    fn enter(&mut self, name: Option<&'a [u8]>) {
        let outer = self.levels.last().map_or(MEMBER, |level| level.place);
        // A member that is called by an identifier is an element of its object, as one of an array is.
        let key = name.filter(|name| is_token(name));
        let is_element = (name.is_none() || key.is_some()) && !self.levels.is_empty();
        self.elements += usize::from(is_element);
        let first = self.reader.issued.values.len();
        if let Some(key) = key {
            let place = self.reader.keys.place(outer, b"*");
            self.reader.push(place, Scope::Anywhere, key, false);
        }
        self.levels.push(Level {
            place: match (name, key) {
                (Some(name), None) => self.reader.keys.place(outer, name),
                _ => outer,
            },
            name,
            is_element,
            fingerprint: 0,
            first,
        });
    }

    fn leave(&mut self) {
        let Some(level) = self.levels.pop() else { return };
        if level.is_element {
            self.elements -= 1;
            for value in &mut self.reader.issued.values[level.first..] {
                let fingerprint = level.fingerprint.to_be_bytes();
                value.place = self.reader.keys.place(value.place, &fingerprint);
            }
        }
        if let Some(outer) = self.levels.last_mut() {
            outer.fingerprint ^= level.fingerprint;
        }
    }
}

impl<'r, 'o, 'a> JsonReader<'r, 'o, 'a> {
    /// One of `text`, of which nothing has been read.
    pub fn new(reader: &'r mut Reader<'o>, text: &'a [u8]) -> Self {
        Self {
            reader,
            text,
            levels: Vec::new(),
            elements: 0,
        }
    }
}

impl JsonReader<'_, '_, '_> {
    /// The value here is no identifier: it tells its element from others.
    fn is_plain(&mut self, place: u64, value: &[u8]) {
        // When it was made is each side's own, and so are the fields of a head, where one answer holds those to several requests.
        if self.elements > 0
            && !is_moment(value)
            && !self.levels.iter().any(|level| level.name == Some(b"headers"))
            && let Some(level) = self.levels.last_mut()
        {
            level.fingerprint ^= self.reader.keys.place(place, value);
        }
    }

    /// Whether the member called `name`, this deep, is the id of the record that the answer is about.
    fn is_own_id(&self, name: &[u8], depth: usize) -> bool {
        let (_, collection) = url::split_last(self.reader.path);
        let collection = RecordName::of_collection(collection);
        let wrapped = || {
            self.levels
                .last()
                .and_then(|level| level.name)
                .is_some_and(|wrapper| {
                    WRAPPERS.contains(&wrapper) || RecordName::of_collection(wrapper) == collection
                })
        };
        let named = is_own_id(name) || (collection.is_some() && RecordName::of_member(name) == collection);
        named && self.elements == 0 && (depth == 1 || (depth == 2 && wrapped()))
    }
}

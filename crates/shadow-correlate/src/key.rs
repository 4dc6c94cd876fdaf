//! The key that a value is remembered under: a hash of it and of where it means something. Production's values are secrets, so
//! the hash is all that is kept of them.

use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};

use crate::shape::RecordName;

/// Where a value means what it means.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// Anywhere: nobody else makes the same by chance.
    Anywhere,
    /// As the value of the cookie of this name.
    Cookie(&'a [u8]),
    /// As the name of a cookie.
    CookieName,
    /// As the value of the field of forms of this name, which a page filled in.
    Field(&'a [u8]),
    /// As an entity tag of this resource (path and query).
    Tag(&'a [u8]),
    /// As the date of this resource.
    Date(&'a [u8]),
    /// As the id of a record of the collection at this path, without a slash at its end.
    Collection(&'a [u8]),
    /// As a reference to a record of this name.
    Record(&'a RecordName),
}

/// Makes keys: by a random key of its own, so that nobody who sends requests can steer two values to one.
#[derive(Clone, Debug, Default)]
pub struct Keys(RandomState);

/// See [`Keys::key`].
pub(crate) type Key = u64;

/// A hasher for maps of what [`Keys`] made, which is spread by a random key already: it is its own hash.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsItIs(u64);

/// Makes them.
pub(crate) type BuildAsItIs = BuildHasherDefault<AsItIs>;

impl Hasher for AsItIs {
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    /// Not used for keys; for whatever else, no two are the same by being cut short.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Keys {
    /// The key of `value` in `scope`: the same for the same, and for others but with a chance of one in 2^64.
    pub(crate) fn key(&self, scope: Scope<'_>, value: &[u8]) -> Key {
        let mut hasher = self.0.build_hasher();
        let (tag, within): (u8, &[u8]) = match &scope {
            Scope::Anywhere => (0, b""),
            Scope::Cookie(name) => (1, name),
            Scope::Tag(resource) => (2, resource),
            Scope::Date(resource) => (3, resource),
            Scope::Collection(path) => (4, path),
            Scope::Record(name) => (5, name.as_bytes()),
            Scope::CookieName => (6, b""),
            Scope::Field(name) => (7, name),
        };
        hasher.write_u8(tag);
        within.hash(&mut hasher);
        hasher.write(value);
        hasher.finish()
    }

    /// A place that is called `name` within the place `outer`.
    pub(crate) fn place(&self, outer: u64, name: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(outer);
        hasher.write(name);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_another_key_in_each_scope() {
        let keys = Keys::default();
        let of = |scope| keys.key(scope, b"201");
        let name = RecordName::of_collection(b"todos").unwrap();
        let all = [
            of(Scope::Anywhere),
            of(Scope::Cookie(b"a")),
            of(Scope::Cookie(b"b")),
            of(Scope::Tag(b"a")),
            of(Scope::Date(b"a")),
            of(Scope::Collection(b"/todos")),
            of(Scope::Record(&name)),
            of(Scope::CookieName),
            of(Scope::Field(b"a")),
        ];
        for (at, key) in all.iter().enumerate() {
            assert!(!all[..at].contains(key));
        }
        assert_eq!(of(Scope::Cookie(b"a")), all[1]);
    }
}

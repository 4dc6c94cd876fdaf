//! The objects, and the history of their changes that watches and pages of lists are read from.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::failure::Failure;

/// Changes kept. No test makes as many; one that did would see its old watches expire, as on a real server.
const HISTORY: usize = 10_000;

/// Where an object stands. Lists are in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Plural name of the resource.
    pub resource: &'static str,
    /// Namespace; empty for objects that stand in none.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub revision: u64,
    pub key: Key,
    /// The object before, unless it was created.
    pub before: Option<Arc<Value>>,
    /// The object after, unless it was deleted.
    pub after: Option<Arc<Value>>,
}

/// All objects.
pub(super) struct Store {
    revision: u64,
    /// The oldest version that can be asked for.
    oldest: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
}

impl Store {
    /// An empty store.
    pub(super) fn new() -> Self {
        Self {
            revision: 1,
            oldest: 1,
            objects: BTreeMap::new(),
            history: VecDeque::new(),
        }
    }

    /// The newest `resourceVersion`.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// One object.
    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// The objects of a resource, of one namespace or of all.
    pub(super) fn list<'a>(
        &'a self,
        resource: &'static str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        self.objects
            .iter()
            .filter(move |(key, _)| key.is_of(resource, namespace))
    }

    /// The same as it was at a revision.
    pub(super) fn list_at(
        &self,
        revision: u64,
        resource: &'static str,
        namespace: Option<&str>,
    ) -> Result<BTreeMap<Key, Arc<Value>>, Failure> {
        let mut objects: BTreeMap<_, _> = self
            .list(resource, namespace)
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        let since: Vec<_> = self.since(revision)?.collect();
        for change in since
            .into_iter()
            .rev()
            .filter(|change| change.key.is_of(resource, namespace))
        {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }

    /// The changes after a revision, the oldest first.
    pub(super) fn since(&self, revision: u64) -> Result<impl Iterator<Item = &Change>, Failure> {
        if revision < self.oldest {
            return Err(Failure::expired(revision, self.oldest));
        }
        Ok(self.kept_since(revision))
    }

    /// Likewise for a watch that has had all before: compaction does not concern it.
    pub(super) fn kept_since(&self, revision: u64) -> impl Iterator<Item = &Change> {
        let start = self.history.partition_point(|change| change.revision <= revision);
        self.history.range(start..)
    }

    /// Stores an object, which gets the next `resourceVersion`.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.record(key, before, Some(Arc::clone(&object)));
        object
    }

    /// Removes an object and gives it as it was.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.revision += 1;
        self.record(key.clone(), Some(Arc::clone(&before)), None);
        Some(before)
    }

    /// Forgets the history: only the present can be asked for from now on.
    pub(super) fn compact(&mut self) {
        // A revision of its own, so that the newest one handed out is old as well.
        self.revision += 1;
        self.oldest = self.revision;
    }

    fn record(&mut self, key: Key, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        self.history.push_back(Change {
            revision: self.revision,
            key,
            before,
            after,
        });
        if self.history.len() > HISTORY
            && let Some(change) = self.history.pop_front()
        {
            self.oldest = self.oldest.max(change.revision);
        }
    }
}

impl Key {
    /// Whether it stands in a resource, in one namespace or in any.
    pub(super) fn is_of(&self, resource: &str, namespace: Option<&str>) -> bool {
        self.resource == resource && namespace.is_none_or(|namespace| self.namespace == namespace)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> Key {
        Key {
            resource: "pods",
            namespace: "n".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn the_past_can_be_listed_until_it_is_compacted() {
        let mut store = Store::new();
        store.put(key("a"), json!({"v": 1}));
        store.put(key("b"), json!({"v": 1}));
        let then = store.revision();
        store.put(key("a"), json!({"v": 2}));
        store.remove(&key("b"));
        store.put(key("c"), json!({"v": 1}));
        let past = store.list_at(then, "pods", Some("n")).expect("the past");
        let seen: Vec<_> = past
            .iter()
            .map(|(key, object)| (key.name.as_str(), &object["v"]))
            .collect();
        assert_eq!(seen, [("a", &json!(1)), ("b", &json!(1))]);
        assert!(
            store
                .list_at(then, "pods", Some("other"))
                .expect("the past")
                .is_empty()
        );
        assert_eq!(store.since(then).expect("the history").count(), 3);
        store.compact();
        assert_eq!(store.list_at(then, "pods", None).expect_err("expired").code, 410);
        assert!(store.since(store.revision()).is_ok());
    }
}

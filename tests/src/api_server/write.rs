//! Writes to an object: which fields are the client's, which are the server's, and who was first.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::defaults;
use super::failure::Failure;
use super::resource::Resource;
use super::store::{Key, Store};

/// The part of an object that a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything but the status.
    Main,
    /// The status alone.
    Status,
}

/// Fields of `metadata` that only the server sets.
const SERVERS: [&str; 4] = ["uid", "creationTimestamp", "generation", "deletionTimestamp"];

/// Fields that do not count as what is wanted: a change of theirs is no new generation.
const NOT_WANTED: [&str; 4] = ["metadata", "status", "apiVersion", "kind"];

/// Stores a new object as a client's POST does.
pub(super) fn create(
    store: &mut Store,
    resource: &'static Resource,
    namespace: &str,
    mut object: Value,
) -> Result<Arc<Value>, Failure> {
    check_kind(resource, &object)?;
    let metadata = metadata(&mut object)?;
    if metadata
        .get("resourceVersion")
        .is_some_and(|version| version != "")
    {
        return Err(Failure::version_on_create());
    }
    if let (None, Some(Value::String(start))) = (metadata.get("name"), metadata.get("generateName")) {
        let name = format!("{start}{}", &new_uid()[..5]);
        metadata.insert("name".to_owned(), name.into());
    }
    for field in SERVERS {
        metadata.remove(field);
    }
    let key = key(resource, namespace, &object)?;
    if store.get(&key).is_some() {
        return Err(Failure::already_exists(resource, &key.name));
    }
    let home = Key {
        resource: "namespaces",
        namespace: String::new(),
        name: namespace.to_owned(),
    };
    if resource.namespaced && store.get(&home).is_none() {
        return Err(Failure::not_found(Resource::named("namespaces"), namespace));
    }
    if resource.status {
        set_or_remove(&mut object, "status", initial_status(resource));
    }
    Ok(insert(store, resource, key, object))
}

/// Stores an object that is not there yet as it is, and sets what it lacks of the server's fields.
pub(super) fn insert(store: &mut Store, resource: &Resource, key: Key, mut object: Value) -> Arc<Value> {
    // Stored in one version, served in any.
    object["apiVersion"] = resource.api_version(resource.versions[0]).into();
    object["kind"] = resource.kind.into();
    defaults::fill_in(resource.plural, &mut object);
    let metadata = &mut object["metadata"];
    if resource.namespaced {
        metadata["namespace"] = key.namespace.as_str().into();
    }
    if metadata["uid"].is_null() {
        metadata["uid"] = new_uid().into();
    }
    if metadata["creationTimestamp"].is_null() {
        metadata["creationTimestamp"] = now().into();
    }
    if resource.generation && metadata["generation"].is_null() {
        metadata["generation"] = 1.into();
    }
    store.put(key, object)
}

/// Replaces a whole object, status included; the fields of the server's that it lacks stay as they were.
pub(super) fn replace(store: &mut Store, resource: &Resource, key: &Key, new: Value) -> Arc<Value> {
    let Some(old) = store.get(key).cloned() else {
        return insert(store, resource, key.clone(), new);
    };
    let status = new.get("status").cloned().or_else(|| old.get("status").cloned());
    let mut new = main_of(resource, &old, new);
    set_or_remove(&mut new, "status", status);
    if new == *old {
        old
    } else {
        store.put(key.clone(), new)
    }
}

/// Replaces one part of an object as a client's PUT does.
pub(super) fn update(
    store: &mut Store,
    resource: &'static Resource,
    key: &Key,
    mut new: Value,
    part: Part,
) -> Result<Arc<Value>, Failure> {
    check_kind(resource, &new)?;
    let old = store
        .get(key)
        .ok_or_else(|| Failure::not_found(resource, &key.name))?;
    let old = Arc::clone(old);
    let metadata = metadata(&mut new)?;
    if metadata.get("name").is_some_and(|name| *name != *key.name) {
        return Err(Failure::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            metadata["name"], key.name
        )));
    }
    check_namespace(metadata, &key.namespace)?;
    let version = metadata
        .get("resourceVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if version.is_empty() && !resource.takes_unconditional_updates() {
        let field = "metadata.resourceVersion";
        return Err(Failure::invalid(
            resource,
            &key.name,
            field,
            "Invalid value: 0x0: must be specified for an update",
        ));
    }
    let other = metadata
        .get("uid")
        .is_some_and(|uid| *uid != old["metadata"]["uid"]);
    check_preconditions(resource, key, &old, version, other)?;
    let new = match part {
        Part::Main => main_of(resource, &old, new),
        Part::Status => {
            let mut whole = (*old).clone();
            set_or_remove(&mut whole, "status", new.get("status").cloned());
            whole
        }
    };
    // A write that changes nothing is no event.
    Ok(if new == *old {
        old
    } else {
        store.put(key.clone(), new)
    })
}

/// Applies a JSON merge patch (RFC 7396) to one part of an object.
pub(super) fn patch(
    store: &mut Store,
    resource: &'static Resource,
    key: &Key,
    patch: &Value,
    part: Part,
) -> Result<Arc<Value>, Failure> {
    let old = store
        .get(key)
        .ok_or_else(|| Failure::not_found(resource, &key.name))?;
    let mut new = (**old).clone();
    merge(&mut new, patch);
    update(store, resource, key, new, part)
}

/// Removes an object, and with a namespace all that stands in it. `options` is the body, `DeleteOptions`.
pub(super) fn delete(
    store: &mut Store,
    resource: &'static Resource,
    key: &Key,
    options: &Value,
) -> Result<Arc<Value>, Failure> {
    let old = store
        .get(key)
        .ok_or_else(|| Failure::not_found(resource, &key.name))?;
    let wanted = |field: &str| options.pointer(&format!("/preconditions/{field}"));
    let version = wanted("resourceVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let other = wanted("uid").is_some_and(|uid| *uid != old["metadata"]["uid"]);
    check_preconditions(resource, key, old, version, other)?;
    if resource.plural == "namespaces" {
        for inside in Resource::all().iter().filter(|one| one.namespaced) {
            let keys: Vec<_> = store
                .list(inside.plural, Some(&key.name))
                .map(|(key, _)| key.clone())
                .collect();
            for key in keys {
                store.remove(&key);
            }
        }
    }
    store
        .remove(key)
        .ok_or_else(|| Failure::not_found(resource, &key.name))
}

/// Where an object stands by what it says itself and by the namespace of the request.
pub(super) fn key(resource: &'static Resource, namespace: &str, object: &Value) -> Result<Key, Failure> {
    let metadata = object["metadata"].as_object();
    let metadata = metadata.ok_or_else(|| Failure::bad_request("metadata is missing"))?;
    check_namespace(metadata, namespace)?;
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        let why = "Required value: name or generateName is required";
        return Err(Failure::invalid(resource, name, "metadata.name", why));
    }
    Ok(Key {
        resource: resource.plural,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

/// A new `metadata.uid`: a random UUID.
pub(crate) fn new_uid() -> String {
    let uid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("a random UUID");
    uid.trim().to_owned()
}

/// The current time as `metadata` has it (RFC 3339, whole seconds).
pub(crate) fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc3339(now.as_secs())
}

/// The status of a new object of the resource.
fn initial_status(resource: &Resource) -> Option<Value> {
    match resource.plural {
        "pods" => Some(json!({"phase": "Pending", "qosClass": "BestEffort"})),
        "namespaces" => Some(json!({"phase": "Active"})),
        "services" => Some(json!({"loadBalancer": {}})),
        _ if resource.is_custom() => None,
        _ => Some(json!({})),
    }
}

/// The object that a write of the main part makes: its status and the server's fields stay.
fn main_of(resource: &Resource, old: &Value, mut new: Value) -> Value {
    for field in SERVERS
        .into_iter()
        .chain(["name", "namespace", "resourceVersion"])
    {
        set_or_remove(&mut new["metadata"], field, old["metadata"].get(field).cloned());
    }
    for field in ["apiVersion", "kind"] {
        new[field] = old[field].clone();
    }
    defaults::fill_in(resource.plural, &mut new);
    if resource.status {
        set_or_remove(&mut new, "status", old.get("status").cloned());
    }
    if resource.generation && wanted(old) != wanted(&new) {
        let generation = old["metadata"]["generation"].as_u64().unwrap_or_default();
        new["metadata"]["generation"] = (generation + 1).into();
    }
    new
}

fn wanted(object: &Value) -> Vec<(&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| !NOT_WANTED.contains(&name.as_str()))
        .collect()
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            set_or_remove(into, name, None);
        } else {
            merge(&mut into[name], value);
        }
    }
}

fn set_or_remove(object: &mut Value, field: &str, value: Option<Value>) {
    if let Value::Object(fields) = object {
        match value {
            Some(value) => fields.insert(field.to_owned(), value),
            None => fields.remove(field),
        };
    }
}

fn metadata(object: &mut Value) -> Result<&mut Map<String, Value>, Failure> {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    metadata.ok_or_else(|| Failure::bad_request("metadata is missing"))
}

fn check_kind(resource: &Resource, object: &Value) -> Result<(), Failure> {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    // Built-in types are known from the path when the body does not say.
    let unsaid = !resource.is_custom() && text("kind").is_empty() && text("apiVersion").is_empty();
    let said = Resource::of_kind(text("apiVersion"), text("kind"));
    if unsaid || said.is_some_and(|said| said.plural == resource.plural) {
        return Ok(());
    }
    Err(Failure::bad_request(format!(
        "{} in version {:?} cannot be handled as a {}",
        text("kind"),
        text("apiVersion"),
        resource.kind
    )))
}

fn check_namespace(metadata: &Map<String, Value>, namespace: &str) -> Result<(), Failure> {
    match metadata.get("namespace").and_then(Value::as_str) {
        Some(said) if !said.is_empty() && said != namespace => Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
        _ => Ok(()),
    }
}

fn check_preconditions(
    resource: &Resource,
    key: &Key,
    old: &Value,
    version: &str,
    other: bool,
) -> Result<(), Failure> {
    let why = if other {
        "Precondition failed: UID in precondition is not the UID in object meta"
    } else if !version.is_empty() && old["metadata"]["resourceVersion"] != version {
        "the object has been modified; please apply your changes to the latest version and try again"
    } else {
        return Ok(());
    };
    Err(Failure::conflict(resource, &key.name, why))
}

/// Seconds since 1970 as `2026-01-31T12:00:00Z`; the calendar is that of
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_767_225_599), "2025-12-31T23:59:59Z");
    }

    #[test]
    fn a_merge_patch_sets_replaces_and_removes() {
        let mut object = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        merge(
            &mut object,
            &json!({"a": {"b": null, "c": [3], "e": {"f": null, "g": 1}}, "d": {"h": 1}}),
        );
        assert_eq!(object, json!({"a": {"c": [3], "e": {"g": 1}}, "d": {"h": 1}}));
    }
}

//! How stored objects look to a client: in the version it asked for, whole or only their metadata.

use serde_json::{Value, json};

use super::resource::Resource;

/// How one client wants objects of one resource.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// The resource.
    pub resource: &'static Resource,
    /// The version in the path.
    pub version: &'a str,
    /// Whether it asked for `PartialObjectMetadata`.
    pub metadata_only: bool,
}

impl View<'_> {
    /// `apiVersion` and `kind`.
    fn types(&self) -> (String, &'static str) {
        if self.metadata_only {
            ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata")
        } else {
            (self.resource.api_version(self.version), self.resource.kind)
        }
    }

    /// One object.
    pub(super) fn object(&self, object: &Value) -> Value {
        let (api_version, kind) = self.types();
        let mut seen = if self.metadata_only {
            json!({"metadata": object["metadata"]})
        } else {
            object.clone()
        };
        seen["apiVersion"] = api_version.into();
        seen["kind"] = kind.into();
        seen
    }

    /// A list; `metadata` is its own.
    pub(super) fn list<'o>(&self, objects: impl Iterator<Item = &'o Value>, metadata: &Value) -> Value {
        let (api_version, kind) = self.types();
        let bare = !self.resource.is_custom() && !self.metadata_only;
        let items: Vec<_> = objects
            .map(|object| {
                let mut seen = self.object(object);
                // The real server leaves the types of what is built in out of lists.
                if let (true, Value::Object(fields)) = (bare, &mut seen) {
                    fields.remove("apiVersion");
                    fields.remove("kind");
                }
                seen
            })
            .collect();
        json!({"apiVersion": api_version, "kind": format!("{kind}List"), "metadata": metadata, "items": items})
    }

    /// The object of a watch's bookmark.
    pub(super) fn bookmark(&self, revision: u64, initial_events_end: bool) -> Value {
        let (api_version, kind) = self.types();
        let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if initial_events_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})
    }
}

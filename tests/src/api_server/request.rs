//! A request to the server, in the words of RBAC: `RequestInfo` of the real one.

use std::collections::HashMap;

/// The verb of a request, as in RBAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// One object.
    Get,
    /// All that are selected.
    List,
    /// The changes of those that are selected.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE of one object.
    Delete,
    /// DELETE of all that are selected; the server refuses it.
    DeleteCollection,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its verb.
    pub verb: Verb,
    /// API group; empty for the core group, and for what is no resource (`/version`).
    pub group: String,
    /// Version in the path.
    pub version: String,
    /// Plural name; empty for what is no resource.
    pub resource: String,
    /// `status`, or empty.
    pub subresource: String,
    /// Namespace, unless it asks across all of them.
    pub namespace: Option<String>,
    /// Name, also when a field selector asks for just one.
    pub name: Option<String>,
    /// Label selector as sent; empty without one.
    pub label_selector: String,
    /// Field selector as sent; empty without one.
    pub field_selector: String,
    /// Version that a list or watch starts from; empty without one.
    pub resource_version: String,
    /// The path.
    pub path: String,
}

impl Verb {
    /// Its name in an RBAC rule.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

impl Request {
    /// Whether it is of this verb and resource.
    pub fn is(&self, verb: Verb, resource: &str) -> bool {
        self.verb == verb && self.resource == resource
    }

    /// Reads method, path and query; nothing for a method that the API does not know.
    pub(super) fn parse(method: &str, path: &str, query: &Query) -> Option<Self> {
        let parts: Vec<_> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, mut rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => ("", "", &[][..]),
        };
        let mut namespace = None;
        // A namespace is itself an object, with a status.
        if let ["namespaces", name, inside @ ..] = rest
            && !matches!(inside, [] | ["status"])
        {
            namespace = Some((*name).to_owned());
            rest = inside;
        }
        let at = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
        let name = rest.get(1).map(|name| (*name).to_owned());
        let verb = match (method, &name) {
            ("GET" | "HEAD", Some(_)) => Verb::Get,
            ("GET" | "HEAD", None) if rest.is_empty() => Verb::Get,
            ("GET" | "HEAD", None) if query.is_true("watch") => Verb::Watch,
            ("GET" | "HEAD", None) => Verb::List,
            ("POST", _) => Verb::Create,
            ("PUT", _) => Verb::Update,
            ("PATCH", _) => Verb::Patch,
            ("DELETE", Some(_)) => Verb::Delete,
            ("DELETE", None) => Verb::DeleteCollection,
            _ => return None,
        };
        Some(Self {
            verb,
            group: group.to_owned(),
            version: version.to_owned(),
            resource: at(0),
            subresource: at(2),
            namespace,
            name,
            label_selector: query.text("labelSelector").to_owned(),
            field_selector: query.text("fieldSelector").to_owned(),
            resource_version: query.text("resourceVersion").to_owned(),
            path: path.to_owned(),
        })
    }
}

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(HashMap<String, String>);

impl Query {
    /// Reads a query as `application/x-www-form-urlencoded`.
    pub(super) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decode(name), decode(&value.replace('+', " "))))
                .collect(),
        )
    }

    /// A parameter; empty when it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A parameter that is a number; `None` when it is not there.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        match self.text(name) {
            "" => Ok(None),
            text => {
                let number = text.parse().map(Some);
                number.map_err(|_| format!("{name}: Invalid value: {text:?}: must be a number"))
            }
        }
    }

    /// Whether a switch is on.
    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.text(name), "1" | "true" | "True" | "TRUE")
    }
}

/// Undoes percent-encoding; what is none stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let byte = match after {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, path: &str, query: &str) -> Request {
        Request::parse(method, path, &Query::parse(query)).expect("a request")
    }

    #[test]
    fn requests_are_put_in_the_words_of_rbac() {
        let list = parse(
            "GET",
            "/api/v1/pods",
            "fieldSelector=spec.nodeName%3Dnode-1&labelSelector=a+in+(b%2Cc)",
        );
        assert!(list.is(Verb::List, "pods"));
        assert_eq!(list.field_selector, "spec.nodeName=node-1");
        assert_eq!(list.label_selector, "a in (b,c)");
        assert_eq!(list.namespace, None);
        let watch = parse(
            "GET",
            "/apis/apps/v1/namespaces/n/deployments",
            "watch=true&resourceVersion=7",
        );
        assert!(watch.is(Verb::Watch, "deployments"));
        assert_eq!(
            (watch.group.as_str(), watch.resource_version.as_str()),
            ("apps", "7")
        );
        assert_eq!(watch.namespace.as_deref(), Some("n"));
        let status = parse(
            "PATCH",
            "/apis/gateway.networking.k8s.io/v1/namespaces/n/httproutes/r/status",
            "",
        );
        assert!(status.is(Verb::Patch, "httproutes"));
        assert_eq!(
            (status.name.as_deref(), status.subresource.as_str()),
            (Some("r"), "status")
        );
    }

    #[test]
    fn namespaces_are_objects_too() {
        assert!(parse("GET", "/api/v1/namespaces/n", "").is(Verb::Get, "namespaces"));
        assert!(parse("PUT", "/api/v1/namespaces/n/status", "").is(Verb::Update, "namespaces"));
        assert!(parse("GET", "/api/v1/namespaces/n/pods", "").is(Verb::List, "pods"));
        assert!(parse("GET", "/version", "").is(Verb::Get, ""));
        assert_eq!(Request::parse("OPTIONS", "/", &Query::default()), None);
    }
}

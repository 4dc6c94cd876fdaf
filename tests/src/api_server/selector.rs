//! Which objects a list or a watch is about: label selectors, and field selectors in the grammar of
//! `k8s.io/apimachinery` (`fields.ParseSelector`).

use serde_json::Value;

use super::label_selector::{Requirement, parse_labels};
use super::resource::Resource;

/// Which objects a list or a watch is about. The default is all.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    /// Place in the object, as a JSON pointer.
    place: &'static str,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads both selectors of a request; an error is what the server answers with 400.
    pub(super) fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, String> {
        Ok(Self {
            labels: parse_labels(labels).map_err(|why| format!("unable to parse requirement: {why}"))?,
            fields: parse_fields(resource, fields)?,
        })
    }

    /// Whether an object is selected.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let text = |place: &str| object.pointer(place).and_then(Value::as_str);
        let labels = object.pointer("/metadata/labels");
        self.fields
            .iter()
            .all(|field| (text(field.place).unwrap_or_default() == field.value) == field.equal)
            && self.labels.iter().all(|requirement| requirement.is_met(labels))
    }

    /// Whether everything is selected.
    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The one name it asks for, as the server's authorizer sees it.
    pub(super) fn name(&self) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.equal && field.place == "/metadata/name")
            .map(|field| field.value.as_str())
    }
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    for term in split(text).iter().filter(|term| !term.is_empty()) {
        let invalid = || format!("invalid selector: '{text}'; can't understand '{term}'");
        let equals = term.find('=').ok_or_else(invalid)?;
        let (name, value) = (&term[..equals], &term[equals + 1..]);
        let (name, equal) = name.strip_suffix('!').map_or((name, true), |name| (name, false));
        let value = if equal {
            value.strip_prefix('=').unwrap_or(value)
        } else {
            value
        };
        let place = match name {
            "metadata.name" => "/metadata/name",
            "metadata.namespace" if resource.namespaced => "/metadata/namespace",
            _ => {
                let known = resource.fields.iter().find(|(label, _)| *label == name);
                known
                    .ok_or_else(|| format!("field label not supported: {name}"))?
                    .1
            }
        };
        fields.push(Field {
            place,
            value: unescape(value).ok_or_else(invalid)?,
            equal,
        });
    }
    Ok(fields)
}

/// Splits at commas that no backslash escapes.
fn split(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == ',' && !escaped {
            terms.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(term) = terms.last_mut() {
            term.push(c);
        }
    }
    terms
}

fn unescape(value: &str) -> Option<String> {
    let mut plain = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next().filter(|c| "\\,=".contains(*c))?),
            ',' | '=' => return None,
            c => plain.push(c),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_select_where_the_resource_has_them() {
        let pod = json!({
            "metadata": {"name": "a", "namespace": "n"},
            "spec": {"nodeName": "node-1"},
            "status": {"phase": "Running"},
        });
        for (fields, selected) in [
            ("spec.nodeName=node-1", true),
            ("spec.nodeName==node-1,status.phase!=Failed", true),
            ("metadata.name=a,metadata.namespace=n", true),
            ("metadata.name!=a", false),
            ("spec.nodeName=", false),
            ("status.phase=Running,spec.nodeName=node-2", false),
            ("metadata.name=a\\,b", false),
            ("status.podIP=", true),
        ] {
            let selector = Selector::parse(Resource::named("pods"), "", fields).expect("a field selector");
            assert_eq!(selector.matches(&pod), selected, "{fields}");
        }
        let refused = |fields| Selector::parse(Resource::named("pods"), "", fields).expect_err("refused");
        assert_eq!(refused("spec.x=1"), "field label not supported: spec.x");
        assert!(refused("spec.nodeName").starts_with("invalid selector"));
        let routes = Selector::parse(Resource::named("httproutes"), "", "spec.nodeName=a");
        assert!(routes.is_err());
    }

    #[test]
    fn only_an_exact_name_is_a_name() {
        let name = |fields| {
            let selector = Selector::parse(Resource::named("leases"), "", fields).expect("a field selector");
            selector.name().map(str::to_owned)
        };
        assert_eq!(
            name("metadata.name=shadow-agent").as_deref(),
            Some("shadow-agent")
        );
        assert_eq!(name("metadata.name!=shadow-agent"), None);
    }
}

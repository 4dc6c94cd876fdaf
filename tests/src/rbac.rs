//! The calls that the API server would allow the agent, worked out from rendered manifests as its RBAC authorizer does.
//!
//! Tests compare it with the calls that the agent makes: none may be refused, and no right may stay unused.

use std::fmt;

use serde_json::Value;

/// A call to the API, as the authorizer sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name of the resource, in lower case.
    pub resource: String,
    /// Such as `status`; empty for none.
    pub subresource: String,
    /// Empty for all namespaces, and for resources that have none.
    pub namespace: String,
    /// The object, where the path or a field selector `metadata.name=` names one; empty otherwise.
    pub name: String,
}

/// One right: a verb on a resource, perhaps in one namespace and on one object only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    verb: String,
    group: String,
    /// With the subresource behind a slash, as rules write it.
    resource: String,
    /// `None` for every namespace.
    namespace: Option<String>,
    /// `None` for every object.
    name: Option<String>,
}

/// All rights of one service account.
#[derive(Debug)]
pub struct Rights(Vec<Right>);

impl Rights {
    /// Gathers what bindings in `objects` give the service account.
    ///
    /// Panics on what the manifests must not have: wildcards, non-resource URLs, aggregated roles, bindings to a role
    /// that is not among the objects or to a user or group.
    pub fn of_service_account(objects: &[Value], namespace: &str, name: &str) -> Self {
        let mut rights = Vec::new();
        for binding in objects {
            let everywhere = match text(&binding["kind"]) {
                "ClusterRoleBinding" => true,
                "RoleBinding" => false,
                _ => continue,
            };
            let bound = list(&binding["subjects"]).iter().any(|subject| {
                assert_eq!(
                    subject["kind"], "ServiceAccount",
                    "bound to more than an account: {binding}"
                );
                subject["namespace"] == namespace && subject["name"] == name
            });
            if bound {
                let within = (!everywhere).then(|| text(&binding["metadata"]["namespace"]).to_owned());
                for rule in list(&role_of(binding, objects)["rules"]) {
                    rights.extend(rights_of_rule(rule, within.as_deref()));
                }
            }
        }
        rights.sort();
        Self(rights)
    }

    /// Whether the API server would allow `call`.
    pub fn allow(&self, call: &Call) -> bool {
        self.0.iter().any(|right| right.covers(call))
    }

    /// The rights that none of `calls` needs.
    pub fn unused(&self, calls: &[Call]) -> Vec<&Right> {
        self.0
            .iter()
            .filter(|right| !calls.iter().any(|call| right.covers(call)))
            .collect()
    }

    /// Every right, sorted; each prints as `verb group/resource`, then where it is limited to.
    pub fn iter(&self) -> impl Iterator<Item = &Right> {
        self.0.iter()
    }
}

/// Whether the service account `shadow-agent` of the namespace of that name may do this, by the manifests in
/// `objects`. Empty strings stand for the core group, no subresource, all namespaces and no certain object.
pub fn allows(
    objects: &[Value],
    verb: &str,
    group: &str,
    (resource, subresource): (&str, &str),
    namespace: &str,
    name: &str,
) -> bool {
    let call = Call {
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    Rights::of_service_account(objects, "shadow-agent", "shadow-agent").allow(&call)
}

impl Right {
    fn covers(&self, call: &Call) -> bool {
        let resource = match call.subresource.as_str() {
            "" => call.resource.clone(),
            subresource => format!("{}/{subresource}", call.resource),
        };
        self.verb == call.verb
            && self.group == call.group
            && self.resource == resource
            && self.namespace.as_ref().is_none_or(|own| *own == call.namespace)
            && self.name.as_ref().is_none_or(|own| *own == call.name)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = if self.group.is_empty() {
            "core"
        } else {
            &self.group
        };
        write!(f, "{} {group}/{}", self.verb, self.resource)?;
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

fn role_of<'a>(binding: &Value, objects: &'a [Value]) -> &'a Value {
    let reference = &binding["roleRef"];
    let role = objects.iter().find(|object| {
        object["kind"] == reference["kind"]
            && object["metadata"]["name"] == reference["name"]
            && (object["kind"] == "ClusterRole"
                || object["metadata"]["namespace"] == binding["metadata"]["namespace"])
    });
    let role = role.unwrap_or_else(|| panic!("bound to a role that is not there: {binding}"));
    assert!(role["aggregationRule"].is_null(), "gathers other roles: {role}");
    role
}

fn rights_of_rule(rule: &Value, namespace: Option<&str>) -> Vec<Right> {
    assert!(
        rule["nonResourceURLs"].is_null(),
        "reaches beyond resources: {rule}"
    );
    let names: Vec<_> = if rule["resourceNames"].is_null() {
        vec![None]
    } else {
        list(&rule["resourceNames"])
            .iter()
            .map(|name| Some(text(name)))
            .collect()
    };
    let mut rights = Vec::new();
    for group in list(&rule["apiGroups"]) {
        for resource in list(&rule["resources"]) {
            for verb in list(&rule["verbs"]) {
                for name in &names {
                    let plain = |value: &Value| {
                        let value = text(value).to_owned();
                        assert!(!value.contains('*'), "a wildcard: {rule}");
                        value
                    };
                    rights.push(Right {
                        verb: plain(verb),
                        group: plain(group),
                        resource: plain(resource),
                        namespace: namespace.map(str::to_owned),
                        name: name.map(str::to_owned),
                    });
                }
            }
        }
    }
    rights
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .map_or_else(|| panic!("not a list: {value}"), Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::parse;

    const MANIFESTS: &str = r#"
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods, pods/log], verbs: [list]}]
---
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, namespace: shadow-agent, name: shadow-agent}]
---
kind: Role
metadata: {name: leader, namespace: shadow-agent}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [one], verbs: [update]}]
---
kind: RoleBinding
metadata: {name: leader, namespace: shadow-agent}
roleRef: {kind: Role, name: leader}
subjects: [{kind: ServiceAccount, namespace: shadow-agent, name: shadow-agent}]
---
kind: RoleBinding
metadata: {name: other, namespace: shadow-agent}
roleRef: {kind: Role, name: leader}
subjects: [{kind: ServiceAccount, namespace: shadow-agent, name: other}]
"#;

    #[test]
    fn a_cluster_role_holds_in_every_namespace_and_only_for_its_verbs() {
        let objects = parse(MANIFESTS);
        let pods =
            |verb, subresource, namespace| allows(&objects, verb, "", ("pods", subresource), namespace, "");
        assert!(pods("list", "", ""));
        assert!(pods("list", "", "shop"));
        assert!(pods("list", "log", "shop"));
        assert!(!pods("watch", "", "shop"));
        assert!(!pods("list", "exec", "shop"));
        assert!(!allows(&objects, "list", "apps", ("pods", ""), "shop", ""));
        assert!(!allows(&objects, "list", "", ("secrets", ""), "shop", ""));
    }

    #[test]
    fn a_role_holds_in_its_namespace_for_the_objects_it_names() {
        let objects = parse(MANIFESTS);
        let update = |namespace, name| {
            allows(
                &objects,
                "update",
                "coordination.k8s.io",
                ("leases", ""),
                namespace,
                name,
            )
        };
        assert!(update("shadow-agent", "one"));
        assert!(!update("shadow-agent", "two"));
        assert!(!update("shadow-agent", ""));
        assert!(!update("shop", "one"));
        assert!(!update("", "one"));
    }

    #[test]
    fn rights_that_no_call_needs_are_named() {
        let rights = Rights::of_service_account(&parse(MANIFESTS), "shadow-agent", "shadow-agent");
        let list_pods = Call {
            verb: "list".to_owned(),
            group: String::new(),
            resource: "pods".to_owned(),
            subresource: String::new(),
            namespace: "shop".to_owned(),
            name: String::new(),
        };
        let unused: Vec<_> = rights
            .unused(&[list_pods])
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            unused,
            [
                "list core/pods/log",
                "update coordination.k8s.io/leases one in shadow-agent"
            ]
        );
    }

    #[test]
    #[should_panic(expected = "a wildcard")]
    fn a_wildcard_is_refused() {
        let objects = parse(&MANIFESTS.replace("verbs: [list]", "verbs: ['*']"));
        Rights::of_service_account(&objects, "shadow-agent", "shadow-agent");
    }
}

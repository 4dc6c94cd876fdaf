//! Which parents of a route are accepted, and what they have watched.

use super::WatchedService;
use super::catalog::Catalog;
use super::input::{Parent, ParentKind, Route};
use super::status::{Problem, Reason};
use crate::objects::tcp_ports;

/// A parent that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// A Service in the route's namespace: requests to its pods are compared with the rules.
    Service(WatchedService),
    /// A Gateway, which is not looked at: requests to the pods behind the rules are compared.
    Gateway,
}

/// Whether `route` is accepted for `parent`, or why not.
pub(super) fn accept(route: &Route, parent: &Parent, catalog: &dyn Catalog) -> Result<Accepted, Problem> {
    if parent.kind == ParentKind::Gateway {
        return Ok(Accepted::Gateway);
    }
    let reference = &parent.reference;
    let refused = |why: String| Err((Reason::NoMatchingParent, why));
    let namespace = reference.namespace.as_deref().unwrap_or(&route.namespace);
    let name = &reference.name;
    if namespace != route.namespace {
        return refused(format!(
            "the Service {namespace}/{name} is in another namespace than the route: only producer routes are \
             supported"
        ));
    }
    let Some(service) = catalog.service(namespace, name) else {
        return refused(format!("there is no Service {namespace}/{name}"));
    };
    let watched = |port| {
        Ok(Accepted::Service(WatchedService {
            namespace: namespace.to_owned(),
            name: name.clone(),
            port,
        }))
    };
    let section = reference.section_name.as_deref().filter(|name| !name.is_empty());
    if reference.port.is_none() && section.is_none() {
        return watched(None);
    }
    let found = tcp_ports(service)
        .filter(|port| reference.port.is_none_or(|number| number == port.port))
        .find(|port| section.is_none_or(|name| port.name.as_deref() == Some(name)));
    match found.and_then(|port| u16::try_from(port.port).ok()) {
        Some(port) => watched(Some(port)),
        None => refused(format!(
            "the Service {namespace}/{name} has no TCP port {}",
            [reference.port.map(|port| port.to_string()).as_deref(), section]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" called ")
        )),
    }
}

//! One route: its parents, its rules and its filters put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gateway_api::apis::standard::httproutes::HttpRouteRulesBackendRefs;
use serde_json::Value;
use shadow_mirror::HostHeader;
use shadow_mirror::matching::{Hostname, RouteMatcher};
use shadow_mirror::{Edit, Edits};

use super::backend::{Backend, Reference};
use super::catalog::Catalog;
use super::filters::{self, Filter, Mirror};
use super::input::Route;
use super::parents::{self, Accepted};
use super::spec::{Rule, Spec};
use super::status::{self, ParentStatus, Problem, Reason, RouteStatus};
use super::{MAX_MIRRORS, MirrorKey, RouteMirror, WatchedService, annotations, rules};

/// Most `backendRefs` of a rule; the API allows 16.
const MAX_BACKENDS: usize = 64;

/// The plan of one route.
pub(super) struct Plan {
    pub mirrors: Vec<RouteMirror>,
    /// Each parent as the route has it, and whether it is accepted: with a note where one is due.
    parents: Vec<(Value, Result<Option<&'static str>, Problem>)>,
    /// References that lead nowhere.
    problems: Vec<Problem>,
    /// Rules whose requests a Gateway changes before they can be compared.
    rewritten: Vec<usize>,
    /// Remarks on how the route is carried out; none twice.
    notes: BTreeSet<String>,
}

/// Of a parent whose group was left out.
const MISGROUPED: &str = "A parent without a group belongs to the Gateway API, which has no Service; use the \
    core group (group: \"\")";

/// Puts `route` together. It has mirrors and parents.
pub(super) fn of(route: &Route, catalog: &dyn Catalog) -> Plan {
    let mut watched = BTreeSet::new();
    let (mut service, mut gateway) = (false, false);
    let parents = route.parents.iter().map(|parent| {
        let accepted = parents::accept(route, parent, catalog).map(|accepted| {
            match accepted {
                Accepted::Gateway => gateway = true,
                Accepted::Service(parent) => {
                    service = true;
                    watched.insert(parent);
                }
            }
            parent.is_misgrouped.then_some(MISGROUPED)
        });
        (parent.raw.clone(), accepted)
    });
    let mut plan = Plan {
        mirrors: Vec::new(),
        parents: parents.collect(),
        problems: Vec::new(),
        rewritten: Vec::new(),
        notes: BTreeSet::new(),
    };
    if !service && !gateway {
        return plan;
    }
    match Rules::new(route, watched, service) {
        Ok(rules) => {
            if let Err(why) = rules.mirrors(catalog, &mut plan) {
                plan.refuse(Reason::UnsupportedValue, &why);
            }
        }
        Err(why) => plan.refuse(Reason::UnsupportedValue, &why),
    }
    plan
}

impl Plan {
    /// Accepts the route for no parent, and mirrors nothing.
    pub fn refuse(&mut self, reason: Reason, why: &str) {
        self.mirrors.clear();
        for (_, accepted) in &mut self.parents {
            *accepted = accepted.clone().and(Err((reason, why.to_owned())));
        }
    }

    /// Makes the status that `route` shall have.
    pub fn status(&self, route: &Route) -> RouteStatus {
        let resolved = status::resolved(&self.problems, route.generation);
        let rewritten = (!self.rewritten.is_empty()).then(|| rewritten_note(&self.rewritten));
        let parents = self.parents.iter().map(|(raw, accepted)| {
            let note = accepted.as_ref().ok().copied().flatten();
            let notes = note
                .into_iter()
                .chain(rewritten.as_deref())
                .chain(self.notes.iter().map(String::as_str));
            let accepted = accepted.as_ref().map(|_| ());
            ParentStatus {
                parent_ref: raw.clone(),
                conditions: vec![
                    status::accepted(accepted, notes, route.generation),
                    resolved.clone(),
                ],
            }
        });
        RouteStatus {
            kind: route.kind,
            namespace: route.namespace.clone(),
            name: route.name.clone(),
            uid: route.uid.clone(),
            parents: parents.collect(),
        }
    }
}

/// A Gateway changes the requests of these rules before a pod gets them.
fn rewritten_note(rules: &[usize]) -> String {
    let rules: Vec<_> = rules.iter().map(ToString::to_string).collect();
    let rules = rules.join(", ");
    format!(
        "Rules ({rules}) have a URLRewrite that the Gateway performs: requests are compared as received by the pods"
    )
}

/// Where a Service whose pods are watched leads to every pod of the mirror's backend too: those get requests that are not
/// copies, and these are not sent to them a second time.
fn shadow_note(watched: &WatchedService, backend: &Backend, catalog: &dyn Catalog) -> Option<String> {
    if watched.namespace != backend.namespace {
        return None;
    }
    let selector = |name: &str| {
        catalog
            .service(&backend.namespace, name)?
            .spec
            .as_ref()?
            .selector
            .as_ref()
    };
    let (behind, shadows) = (selector(&watched.name)?, selector(&backend.service)?);
    let leads_there = behind
        .iter()
        .all(|(label, value)| shadows.get(label) == Some(value));
    (leads_there && !behind.is_empty()).then(|| {
        format!(
            "The Service {} also selects pods of {}: requests that reach these directly are not copied, and \
             counted as filtered",
            watched.name, backend.service
        )
    })
}

/// The rules of a route that at least one parent accepts.
struct Rules<'a> {
    route: &'a Route,
    spec: &'a Spec,
    matcher: Arc<RouteMatcher>,
    host: HostHeader,
    /// The parent Services.
    parents: BTreeSet<WatchedService>,
    /// Whether requests are seen as the client sent them. With a Gateway alone it has changed them before.
    unchanged: bool,
}

/// Where a list of filters stands.
struct FilterList<'a> {
    rule: usize,
    backend_ref: Option<usize>,
    /// The edits that the filters before the list make.
    before: &'a [Edit],
    watched: &'a BTreeSet<WatchedService>,
}

impl<'a> Rules<'a> {
    fn new(route: &'a Route, parents: BTreeSet<WatchedService>, unchanged: bool) -> Result<Self, String> {
        annotations::is_ours(&route.annotations)?;
        let host = annotations::host(&route.annotations)?;
        let spec = route.spec.as_ref().map_err(Clone::clone)?;
        // A Service's clients use its own names, whatever the route says (GAMMA ignores hostnames).
        let hostnames = spec.hostnames.iter().filter(|_| !unchanged);
        let hostnames = hostnames.map(|name| Hostname::new(name));
        let matcher = rules::matcher(hostnames, &spec.rules).map_err(|error| error.to_string())?;
        Ok(Self {
            route,
            spec,
            matcher: Arc::new(matcher),
            host,
            parents,
            unchanged,
        })
    }

    fn mirrors(&self, catalog: &dyn Catalog, plan: &mut Plan) -> Result<(), String> {
        for (index, rule) in self.spec.rules.iter().enumerate() {
            self.rule(index, rule, catalog, plan)
                .map_err(|why| format!("rule {index}: {why}"))?;
        }
        Ok(())
    }

    fn rule(&self, index: usize, rule: &Rule, catalog: &dyn Catalog, plan: &mut Plan) -> Result<(), String> {
        let filters = filters::of_rule(&rule.filters)?;
        let backends = &rule.backends;
        if backends.len() > MAX_BACKENDS {
            return Err(format!("there are more than {MAX_BACKENDS} backendRefs"));
        }
        let backend_filters = backends
            .iter()
            .map(|backend| filters::of_backend(backend.filters.as_deref()))
            .collect::<Result<Vec<_>, _>>()?;
        if !filters
            .iter()
            .chain(backend_filters.iter().flatten())
            .any(is_mirror)
        {
            return Ok(());
        }
        if !self.unchanged && filters.iter().any(|filter| matches!(filter, Filter::Rewrite(_))) {
            plan.rewritten.push(index);
        }
        let behind: Vec<_> = backends
            .iter()
            .map(|backend| {
                let found = self.pods_of(backend, catalog)?;
                found
                    .map_err(|(reason, why)| {
                        let why = format!("rule {index}: {why}, so its pods are not watched");
                        plan.problems.push((reason, why));
                    })
                    .ok()
            })
            .collect();
        let mut watched = self.parents.clone();
        watched.extend(behind.iter().flatten().cloned());
        let place = FilterList {
            rule: index,
            backend_ref: None,
            before: &[],
            watched: &watched,
        };
        let before = self.list(&place, &filters, catalog, plan)?;
        for (backend_ref, (filters, service)) in backend_filters.iter().zip(behind).enumerate() {
            let watched = service.into_iter().collect();
            let place = FilterList {
                rule: index,
                backend_ref: Some(backend_ref),
                before: &before,
                watched: &watched,
            };
            self.list(&place, filters, catalog, plan)?;
        }
        Ok(())
    }

    /// Makes the mirrors of one list of filters; the edits that have come together at its end are handed back.
    fn list(
        &self,
        place: &FilterList<'_>,
        filters: &[Filter],
        catalog: &dyn Catalog,
        plan: &mut Plan,
    ) -> Result<Vec<Edit>, String> {
        let mut edits = place.before.to_vec();
        let mut same = BTreeMap::new();
        for (index, filter) in filters.iter().enumerate() {
            match filter {
                Filter::Edit(more) | Filter::Rewrite(more) if self.unchanged => edits.extend_from_slice(more),
                Filter::Edit(_) | Filter::Rewrite(_) | Filter::Other => {}
                Filter::Mirror(mirror) => {
                    let edits = self.edits(place.rule, &edits)?;
                    let backend = match mirror.reference(self.route.origin()).backend(catalog) {
                        Ok(backend) => backend,
                        Err((reason, why)) => {
                            plan.problems
                                .push((reason, format!("rule {}: {why}", place.rule)));
                            continue;
                        }
                    };
                    // Without pods there is nothing to mirror; why there are none is said already.
                    if place.watched.is_empty() {
                        continue;
                    }
                    if plan.mirrors.len() >= MAX_MIRRORS {
                        return Err(format!("there are more than {MAX_MIRRORS} mirrors in the route"));
                    }
                    let notes = place.watched.iter();
                    let notes = notes.filter_map(|watched| shadow_note(watched, &backend, catalog));
                    plan.notes.extend(notes);
                    let name = self.name(place, &backend, &mut same);
                    plan.mirrors
                        .push(self.mirror(place, index, mirror, edits, backend, name));
                }
            }
        }
        Ok(edits)
    }

    fn edits(&self, rule: usize, steps: &[Edit]) -> Result<Option<Arc<Edits>>, String> {
        if steps.is_empty() {
            return Ok(None);
        }
        let edits =
            Edits::new(steps.iter().cloned(), &self.matcher, rule).map_err(|error| error.to_string())?;
        Ok((!edits.is_empty()).then(|| Arc::new(edits)))
    }

    fn mirror(
        &self,
        place: &FilterList<'_>,
        filter: usize,
        mirror: &Mirror,
        edits: Option<Arc<Edits>>,
        backend: Backend,
        name: String,
    ) -> RouteMirror {
        RouteMirror {
            key: MirrorKey {
                namespace: self.route.namespace.clone(),
                route: self.route.name.clone(),
                uid: self.route.uid.clone(),
                rule: place.rule,
                backend_ref: place.backend_ref,
                filter,
            },
            name,
            matcher: Arc::clone(&self.matcher),
            rule: place.rule,
            share: mirror.share,
            backend,
            host: self.host.clone(),
            edits,
            watched: place.watched.iter().cloned().collect(),
        }
    }

    /// A second mirror of a list to the same backend is called so, which leaves the name of the first alone.
    fn name(&self, place: &FilterList<'_>, backend: &Backend, same: &mut BTreeMap<String, usize>) -> String {
        let from = match place.backend_ref {
            None => format!("rule {}", place.rule),
            Some(backend_ref) => format!("rule {} backendRef {backend_ref}", place.rule),
        };
        let to = format!("{}/{}:{}", backend.namespace, backend.service, backend.port);
        let count = same.entry(to.clone()).or_insert(0_usize);
        *count += 1;
        let again = if *count > 1 {
            format!(" ({count})")
        } else {
            String::new()
        };
        format!("{} {from} -> {to}{again}", self.route.title())
    }

    /// The Service behind a `backendRef`, whose pods are watched. One that is sent nothing has none, nor has one in
    /// another namespace.
    fn pods_of(
        &self,
        backend: &HttpRouteRulesBackendRefs,
        catalog: &dyn Catalog,
    ) -> Option<Result<WatchedService, Problem>> {
        if backend.weight == Some(0) {
            return None;
        }
        let reference = Reference::new(
            self.route.origin(),
            backend.group.as_deref(),
            backend.kind.as_deref(),
            backend.namespace.as_deref(),
            &backend.name,
            backend.port,
        );
        let found = match reference.follow(catalog) {
            Ok(found) => found,
            Err(problem) => return Some(Err(problem)),
        };
        // A grant lets a route send to a Service of another namespace. That is no leave to listen to what everybody
        // else sends there.
        let is_own = reference.namespace == self.route.namespace;
        is_own.then(|| {
            Ok(WatchedService {
                namespace: reference.namespace.to_owned(),
                name: reference.name.to_owned(),
                port: Some(found.port),
            })
        })
    }
}

fn is_mirror(filter: &Filter) -> bool {
    matches!(filter, Filter::Mirror(_))
}

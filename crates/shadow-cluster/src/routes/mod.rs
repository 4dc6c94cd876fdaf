//! Each `HTTPRoute` and `GRPCRoute` as mirrors: what each `RequestMirror` filter of a route asks for, and what its
//! status shall say. Both kinds become one form ([`spec`]) and are the same from there on.
//!
//! Pure: routes and what they refer to go in, mirrors and statuses come out. A route of a Service (GAMMA) or of a
//! Gateway says by its rules which requests a mirror copies. It is used for that alone: this agent never routes,
//! so `backendRefs` are not enforced. They only say, with the parent Service, whose pods are watched.
//!
//! The order of filters is kept, as the specification has it: a mirror copies the request as the filters listed
//! before it leave it. What a Gateway's filters change is changed already when a pod gets the request; there a
//! copy changes nothing, and rules are compared with what the pods get. A route with parents of both kinds is one
//! of the Service: each filter is one mirror, so that no request is copied twice.
//!
//! Whatever cannot be understood is refused, never guessed. A route is refused whole, since half of its rules
//! would have another precedence; it says so in its `Accepted` condition and harms no other. A reference that
//! leads nowhere stops its own mirror alone.

mod annotations;
mod backend;
mod catalog;
mod conditions;
mod filters;
mod input;
mod kind;
mod parents;
mod plan;
mod rules;
mod spec;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;
use shadow_http::Request;
use shadow_mirror::HostHeader;
use shadow_mirror::matching::RouteMatcher;
use shadow_mirror::{Edits, Share};

pub use self::annotations::{DEFAULT_SUFFIX, HOST, HOST_SUFFIX, MIRROR};
pub use self::backend::{Backend, MAX_ADDRESSES};
pub use self::catalog::{Catalog, Endpoint, ReferenceGrant};
pub use self::filters::MAX_FILTERS;
use self::input::Route;
pub use self::kind::RouteKind;
pub use self::rules::{MAX_CONDITIONS, MAX_EXPRESSIONS};
pub use self::status::{Condition, ParentStatus, Reason, RouteStatus, merge_status};

/// Our name in the status of a route.
pub const CONTROLLER: &str = "shadow-agent.io/mirror";
/// Most routes that are looked at; each is compiled again whenever one of them, or what it refers to, changes.
pub const MAX_ROUTES: usize = 5_000;
/// Most routes with foreign parents that are named; they are counted beyond.
pub const MAX_NAMED: usize = 4;
/// Most mirrors at once: each has its own queue, breaker and connections.
pub const MAX_MIRRORS: usize = 256;

/// The mirrors and statuses that all routes together ask for.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The mirrors, in the order of routes, rules and filters.
    pub mirrors: Vec<RouteMirror>,
    /// The statuses that routes shall have. A route that is none of our business any more has no parents here.
    pub statuses: Vec<RouteStatus>,
    /// Routes beyond [`MAX_ROUTES`], which were not looked at.
    pub passed_over: usize,
    /// Routes that have a mirror and a parent that cannot be ours, with that parent: [`MAX_NAMED`] at most.
    pub foreign: Vec<String>,
    /// How many there are.
    pub foreign_count: usize,
}

/// One `RequestMirror` filter. Equal after a route was compiled again, unless something about it has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteMirror {
    /// Its identity, for as long as it means the same place in the same route.
    pub key: MirrorKey,
    /// Its name for people, as the ledger has it; no other has the same.
    pub name: String,
    /// The rules of its route.
    pub matcher: Arc<RouteMatcher>,
    /// The rule whose requests it copies.
    pub rule: usize,
    /// How many of them.
    pub share: Share,
    /// Where copies go.
    pub backend: Backend,
    /// The Host that copies get.
    pub host: HostHeader,
    /// Other edits of copies; none for nothing.
    pub edits: Option<Arc<Edits>>,
    /// The Services whose pods are watched, in order and none twice.
    pub watched: Vec<WatchedService>,
}

impl RouteMirror {
    /// Whether `request` falls under the mirror's rule; its share is another question.
    pub fn covers(&self, request: &Request) -> bool {
        self.matcher
            .best(request)
            .is_some_and(|hit| hit.rule == self.rule)
    }
}

/// Which filter a mirror is: the same for the same place in the same route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MirrorKey {
    /// The route's namespace.
    pub namespace: String,
    /// The route's name.
    pub route: String,
    /// The route's uid: another route of the same name is another.
    pub uid: String,
    /// The rule's place in the route.
    pub rule: usize,
    /// The place of the `backendRef` that has the filter; none for a filter of the rule.
    pub backend_ref: Option<usize>,
    /// The filter's place among the filters there.
    pub filter: usize,
}

/// A Service whose pods are watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchedService {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The port of the Service (not of its pods); every one when `None`.
    pub port: Option<u16>,
}

/// Says what `routes` ask for, each an `HTTPRoute` (v1 or v1beta1) or a `GRPCRoute` (v1) as the API gives it.
/// [`RouteKind::of`] tells which.
///
/// The mirrors are those of `routes` in their order: with more than [`MAX_MIRRORS`], the same routes keep theirs
/// only if the order stays the same.
pub fn compile<'a>(routes: impl IntoIterator<Item = &'a Value>, catalog: &dyn Catalog) -> Compiled {
    let mut compiled = Compiled::default();
    for (index, value) in routes.into_iter().enumerate() {
        if index >= MAX_ROUTES {
            compiled.passed_over += 1;
            continue;
        }
        let Some(route) = Route::parse(value) else {
            continue;
        };
        let left_to_others = annotations::is_ours(&route.annotations) == Ok(false);
        if route.mirrors && !left_to_others {
            compiled.note_foreign(&route);
        }
        if !route.mirrors || route.parents.is_empty() || left_to_others {
            if status::has_ours(value) {
                compiled.statuses.push(RouteStatus::nothing(&route));
            }
            continue;
        }
        let mut plan = plan::of(&route, catalog);
        if compiled.mirrors.len() + plan.mirrors.len() > MAX_MIRRORS {
            plan.refuse(Reason::TooManyMirrors, &too_many_mirrors(plan.mirrors.len()));
        }
        compiled.mirrors.append(&mut plan.mirrors);
        compiled.statuses.push(plan.status(&route));
    }
    compiled
}

impl Compiled {
    /// Notes what of a route that mirrors is not followed: nobody else says so.
    fn note_foreign(&mut self, route: &Route) {
        let without = "no parent".to_owned();
        let nothing = route.parents.is_empty() && route.foreign.is_empty();
        for parent in route.foreign.iter().chain(nothing.then_some(&without)) {
            self.foreign_count += 1;
            if self.foreign.len() < MAX_NAMED {
                self.foreign.push(format!("{} ({parent})", route.title()));
            }
        }
    }

    /// The parts of it that are not followed, in one line; none where everything is.
    pub fn remark(&self) -> Option<String> {
        let more = match self.foreign_count - self.foreign.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (self.foreign_count > 0).then(|| {
            format!(
                "mirrors only for Services and Gateways as parents, not for {}{more}",
                self.foreign.join(", ")
            )
        })
    }
}

fn too_many_mirrors(count: usize) -> String {
    format!("with the {count} mirrors of this route there would be more than {MAX_MIRRORS} at once")
}

//! The plan: what is mirrored where, at one moment. It is made as a whole and replaced as a whole: a shard goes from one plan to
//! the next between two requests, never in the middle of one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::admission::Admission;
use super::limiter::Limiter;
use super::matching::RouteMatcher;
use super::rules::Rules;
pub use super::scope::AddressScope;
use super::share::Share;
use super::split::Split;

/// The mirrors in force, and which requests are whose business.
#[derive(Debug, Default)]
pub struct Plan {
    /// Counts up with each plan of a run.
    pub generation: u64,
    /// The mirrors; each has another slot.
    pub mirrors: Vec<PlannedMirror>,
    /// Requests captured at an address: the mirrors of every scope that has it.
    pub addresses: Vec<AddressScope>,
    /// The scopes of the inputs at addresses. A request at a pod's socket is their business too where they have its address.
    pub live: Vec<AddressScope>,
    /// The inputs at addresses, where some of them have limits; else empty.
    pub admissions: Vec<Admission>,
    /// Mirrors that divide requests among them.
    pub splits: Vec<Split>,
    /// Requests captured at a pod's socket, by the id of the pod's cgroup and the port.
    pub pods: HashMap<(u64, u16), PodScope>,
}

/// One mirror of a plan.
#[derive(Clone, Debug)]
pub struct PlannedMirror {
    /// Its place in the ledger, never another mirror's while it has requests under way.
    pub slot: usize,
    /// Which of the requests that are its business it takes.
    pub selection: Selection,
    /// Rules that are applied to those before its output gets them.
    pub rules: Option<Arc<Rules>>,
    /// How many of those it gets.
    pub limit: Option<Limiter>,
}

/// Which requests a mirror takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Selection {
    /// All of them.
    #[default]
    Everything,
    /// A share of those that one rule of a route wins.
    Route {
        /// The rules of the route.
        matcher: Arc<RouteMatcher>,
        /// Index of the rule.
        rule: usize,
        /// The share.
        share: Share,
    },
}

/// One port of a watched pod, and the mirrors that have to do with it.
#[derive(Clone, Debug)]
pub struct PodScope {
    /// The pod.
    pub pod: Arc<PodIdentity>,
    /// Slots of the mirrors, ascending.
    pub slots: Vec<usize>,
    /// How many of its requests they get.
    pub limit: Option<Limiter>,
    /// Those of `slots` whose copies go to this pod: what it gets otherwise is not copied to it.
    pub shadow_of: Vec<usize>,
}

/// The pod that served a request.
#[derive(Debug, Default)]
pub struct PodIdentity {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID, which no other pod ever has.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Those of them that travel with its requests, `name=value` with commas between them; often empty.
    pub tag: String,
    /// Requests seen there by this agent.
    pub seen: Arc<AtomicU64>,
}

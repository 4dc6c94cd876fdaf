//! The routes of the cluster, followed: compiled anew whenever one of them, or what they refer to, changes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::Value;
use shadow_mirror::Endpoints;
use shadow_mirror::plan::Selection;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::api_error::Trouble;
use super::conditions::{not_listed, stale};
use super::desired::{Condition, DesiredMirror};
use super::objects::{Pod, is_tcp, service_ports, slim_service};
use super::pods::{World, behind_service};
use super::reflector::{Choice, Known, ObjectKey, Reflector};
use super::route_lists::{RouteLists, reference_grants};
use super::routes::{
    Catalog, Compiled, Endpoint, MirrorKey, ReferenceGrant, RouteMirror, WatchedService, compile,
};
use super::settings::{LeaseSettings, RouteNamespaces};
use super::status_writer::{RouteReport, write_statuses};
use super::watched::Source;

/// Headless services whose endpoints are watched at most: each is a watch of its own.
const MAX_HEADLESS: usize = 64;

/// Follows routes for as long as it lives.
pub struct RouteWatch {
    source: Source,
    routes: RouteLists,
    services: Reflector<Service>,
    grants: Reflector<Value>,
    /// Endpoints of the headless services that mirrors lead to.
    slices: BTreeMap<ObjectKey, Reflector<EndpointSlice>>,
    /// The endpoints that the mirrors connect to.
    endpoints: BTreeMap<MirrorKey, Endpoints>,
    /// Whether there are headless services beyond those.
    too_many_headless: bool,
    /// Fingerprints and revisions of everything that was last compiled.
    compiled_from: Vec<u64>,
    compiled: Compiled,
    mirrors: Vec<DesiredMirror>,
    report: watch::Sender<RouteReport>,
    writer: JoinHandle<()>,
}

impl RouteWatch {
    /// Starts to follow the routes of these namespaces.
    pub fn start(namespaces: &RouteNamespaces, lease: &LeaseSettings, source: Source) -> Self {
        let routes = RouteLists::start(namespaces, &source);
        let grants = reference_grants(&source);
        let services = source.reflect::<Service, _>(None, Choice::default(), slim_service);
        let (report, reports) = watch::channel(RouteReport::default());
        let writer = tokio::spawn(write_statuses(
            source.client.clone(),
            lease.clone(),
            reports,
            source.metrics.clone(),
        ));
        Self {
            routes,
            services,
            grants,
            slices: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            too_many_headless: false,
            compiled_from: Vec::new(),
            compiled: Compiled::default(),
            mirrors: Vec::new(),
            report,
            writer,
            source,
        }
    }

    /// Compiles anew what has changed; how it does.
    pub fn renew(&mut self, pods: &Known<Pod>) -> Condition {
        let routes = self.routes.known();
        let services = self.services.known().clone();
        let grants = self.grants.known().clone();
        let trouble = routes
            .trouble()
            .or(services.trouble.clone())
            .or(pods.trouble.clone())
            .or_else(|| {
                self.slices
                    .values()
                    .find_map(|slices| slices.known().trouble.clone())
            });
        // A cluster without ReferenceGrants has granted nothing, which is a state like any other.
        let no_grants = grants.trouble.as_ref().is_some_and(Trouble::is_unknown_resource);
        let listed = routes.listed() && services.listed && pods.listed && (grants.listed || no_grants);
        if !listed {
            return not_listed(trouble.or(grants.trouble.filter(|_| !no_grants)));
        }
        let all = routes.in_order();
        let mut from: Vec<u64> = all.iter().map(|route| fingerprint(route)).collect();
        from.extend([services.revision, grants.revision]);
        from.extend(self.slices.values().map(|slices| slices.known().revision));
        if self.compiled_from != from {
            self.compile(&all, &services, &grants);
            self.compiled_from = from;
        }
        self.tell(&all);
        let trouble = trouble.or(grants.trouble.filter(|_| !no_grants));
        match trouble {
            Some(trouble) => stale(&trouble),
            None if self.compiled.passed_over > 0 => Condition::Bad(format!(
                "{} routes are more than the limit",
                self.compiled.passed_over
            )),
            None if self.too_many_headless => Condition::Bad(format!(
                "mirrors use more than {MAX_HEADLESS} headless services; the rest gets no requests"
            )),
            None => self.doing(routes.remark()),
        }
    }

    /// How the routes do where nothing is wrong with what is known of them, apart from `remark`.
    fn doing(&self, remark: Option<String>) -> Condition {
        let remarks: Vec<_> = self.compiled.remark().into_iter().chain(remark).collect();
        let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        match (self.mirrors.is_empty(), remark) {
            (true, None) => Condition::Idle("no route has a usable mirror".to_owned()),
            (true, Some(remark)) => Condition::Idle(format!("no route has a usable mirror: {remark}")),
            (false, None) => Condition::Good,
            (false, Some(remark)) => Condition::Remark(remark),
        }
    }

    /// Tells the writer of statuses, where there is something new.
    fn tell(&self, all: &[Arc<Value>]) {
        let statuses = &self.compiled.statuses;
        self.report.send_if_modified(|report| {
            let same = report.routes.len() == all.len()
                && report
                    .routes
                    .iter()
                    .zip(all)
                    .all(|(old, new)| Arc::ptr_eq(old, new));
            if same && report.statuses == *statuses {
                return false;
            }
            report.statuses.clone_from(statuses);
            report.routes = all.to_vec();
            true
        });
    }

    fn compile(&mut self, all: &[Arc<Value>], services: &Known<Service>, grants: &Known<Value>) {
        let cluster = Snapshot {
            services: &services.objects,
            grants: grants
                .objects
                .values()
                .filter_map(|grant| ReferenceGrant::parse(grant))
                .collect(),
            slices: &self.slices,
            headless: RefCell::default(),
        };
        self.compiled = compile(all.iter().map(|route| &**route), &cluster);
        let headless = cluster.headless.into_inner();
        self.watch_endpoints(headless);
        // An output stays the same while the endpoints of its service come and go.
        let mut known = std::mem::take(&mut self.endpoints);
        for mirror in &self.compiled.mirrors {
            let endpoints = known.remove(&mirror.key).unwrap_or_default();
            self.endpoints.insert(mirror.key.clone(), endpoints);
        }
        let mirrors = self.compiled.mirrors.iter();
        self.mirrors = mirrors
            .map(|mirror| desired(mirror, self.endpoints[&mirror.key].clone()))
            .collect();
    }

    /// Watches the endpoints of exactly these services. Those that come tell of themselves when they are listed.
    fn watch_endpoints(&mut self, services: BTreeSet<ObjectKey>) {
        self.slices.retain(|service, _| services.contains(service));
        let room = MAX_HEADLESS - self.slices.len();
        let mut new: Vec<ObjectKey> = services
            .into_iter()
            .filter(|service| !self.slices.contains_key(service))
            .collect();
        self.too_many_headless = new.len() > room;
        new.truncate(room);
        for (namespace, name) in new {
            let source = &self.source;
            self.slices
                .entry((namespace, name))
                .or_insert_with_key(|(namespace, name)| {
                    let of_service = Choice {
                        fields: None,
                        labels: Some(format!("kubernetes.io/service-name={name}")),
                    };
                    source.reflect::<EndpointSlice, _>(Some(namespace), of_service, |slice| slice)
                });
        }
    }

    /// Whether the routes, and the endpoints of what they name, have been listed once.
    pub fn is_listed(&self) -> bool {
        !self.compiled_from.is_empty() && self.slices.values().all(|slices| slices.known().listed)
    }

    /// The mirrors that the routes ask for.
    pub fn mirrors(&self) -> &[DesiredMirror] {
        &self.mirrors
    }

    /// The pods on this node that are behind each mirror's services.
    pub fn pods(&self, pods: &Known<Pod>) -> Vec<Behind<'_>> {
        let services = self.services.known().clone();
        let nothing = BTreeMap::new();
        let world = World {
            pods: &pods.objects,
            named: &nothing,
            between: &nothing,
            services: &services.objects,
        };
        let mut behind: BTreeMap<&WatchedService, Vec<PodAndPorts>> = BTreeMap::new();
        let mut all = Vec::new();
        for (mirror, wanted) in self.compiled.mirrors.iter().zip(&self.mirrors) {
            let shadow = shadow_pods(mirror, &world);
            for watched in &mirror.watched {
                let pods = behind
                    .entry(watched)
                    .or_insert_with(|| pods_behind(watched, &world));
                all.extend(pods.iter().map(|(pod, ports)| Behind {
                    key: wanted.key.as_str(),
                    pod: pod.clone(),
                    ports: ports.clone(),
                    is_shadow: shadow.contains(&pod.uid),
                }));
            }
        }
        all
    }

    /// Gives up the lease, so that another agent need not wait for it.
    pub async fn end(self) {
        drop(self.report);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), self.writer).await;
    }
}

/// A pod behind a mirror's services.
pub struct Behind<'a> {
    /// The mirror's key.
    pub key: &'a str,
    pub pod: Arc<Pod>,
    /// Its ports that the services lead to.
    pub ports: BTreeSet<u16>,
    /// Whether the mirror's copies go there, too (one label for both releases). What it gets besides copies is counted,
    /// and not sent to it again.
    pub is_shadow: bool,
}

/// The pods that a mirror's copies go to.
fn shadow_pods(mirror: &RouteMirror, world: &World<'_>) -> BTreeSet<String> {
    let backend = WatchedService {
        namespace: mirror.backend.namespace.clone(),
        name: mirror.backend.service.clone(),
        port: None,
    };
    let pods = pods_behind(&backend, world);
    pods.into_iter().map(|(pod, _)| pod.uid.clone()).collect()
}

/// A pod, and its ports that a service leads to.
type PodAndPorts = (Arc<Pod>, BTreeSet<u16>);

fn pods_behind(watched: &WatchedService, world: &World<'_>) -> Vec<PodAndPorts> {
    let key = (watched.namespace.clone(), watched.name.clone());
    let Some(service) = world.services.get(&key) else {
        return Vec::new();
    };
    let targets: Vec<_> = service_ports(service)
        .into_iter()
        .filter(|port| watched.port.is_none_or(|wanted| wanted == port.port))
        .map(|port| port.target)
        .collect();
    let selected = behind_service(&watched.namespace, &watched.name, service, &targets, world);
    selected
        .pods
        .into_iter()
        .map(|(pod, ports)| (pod.clone(), ports))
        .collect()
}

fn desired(mirror: &RouteMirror, endpoints: Endpoints) -> DesiredMirror {
    endpoints.set(&mirror.backend.addresses);
    let key = &mirror.key;
    DesiredMirror {
        key: format!(
            "route {}/{} {} rule {} backend {:?} filter {}",
            key.namespace, key.route, key.uid, key.rule, key.backend_ref, key.filter
        ),
        name: mirror.name.clone(),
        selection: Selection::Route {
            matcher: mirror.matcher.clone(),
            rule: mirror.rule,
            share: mirror.share,
        },
        host: format!("{}.{}", mirror.backend.service, mirror.backend.namespace),
        port: mirror.backend.port,
        http2: mirror.backend.http2,
        endpoints,
        host_header: mirror.host.clone(),
        edits: mirror.edits.clone(),
    }
}

/// Changes when what a route asks for may have: not when a status was written.
fn fingerprint(route: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    for pointer in ["/metadata/uid", "/metadata/generation", "/metadata/annotations"] {
        if let Some(value) = route.pointer(pointer) {
            value.to_string().hash(&mut hasher);
        }
    }
    // Whether an entry of ours is there to be taken back.
    route.pointer("/status/parents").is_some().hash(&mut hasher);
    hasher.finish()
}

/// The objects that routes refer to, at one moment.
struct Snapshot<'a> {
    services: &'a BTreeMap<ObjectKey, Arc<Service>>,
    grants: Vec<ReferenceGrant>,
    slices: &'a BTreeMap<ObjectKey, Reflector<EndpointSlice>>,
    /// The services whose endpoints were asked for.
    headless: RefCell<BTreeSet<ObjectKey>>,
}

impl Catalog for Snapshot<'_> {
    fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        let key = (namespace.to_owned(), name.to_owned());
        self.services.get(&key).map(|service| &**service)
    }

    fn grants(&self) -> &[ReferenceGrant] {
        &self.grants
    }

    fn endpoints(&self, namespace: &str, service: &str) -> Vec<Endpoint> {
        let key = (namespace.to_owned(), service.to_owned());
        let endpoints = self.slices.get(&key).map(|slices| {
            let known = slices.known();
            known
                .objects
                .values()
                .flat_map(|slice| ready_endpoints(slice))
                .collect()
        });
        self.headless.borrow_mut().insert(key);
        endpoints.unwrap_or_default()
    }
}

/// The ready endpoints of a slice, each with each of its TCP ports.
fn ready_endpoints(slice: &EndpointSlice) -> Vec<Endpoint> {
    let ports: Vec<(String, u16)> = slice
        .ports
        .iter()
        .flatten()
        .filter(|port| is_tcp(port.protocol.as_deref()))
        .filter_map(|port| {
            Some((
                port.name.clone().unwrap_or_default(),
                u16::try_from(port.port?).ok()?,
            ))
        })
        .collect();
    let ready = slice.endpoints.iter().filter(|endpoint| {
        // Unknown means ready (EndpointConditions).
        endpoint
            .conditions
            .as_ref()
            .and_then(|conditions| conditions.ready)
            .unwrap_or(true)
    });
    ready
        .filter_map(|endpoint| endpoint.addresses.first()?.parse().ok())
        .flat_map(|address| {
            ports.iter().map(move |(port_name, port)| Endpoint {
                address,
                port_name: port_name.clone(),
                port: *port,
            })
        })
        .collect()
}

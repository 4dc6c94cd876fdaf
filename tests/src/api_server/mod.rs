//! A Kubernetes API server for one test: small, in this process, and true to the real one in what clients see.
//!
//! It speaks what the agent and `kubectl` use: discovery; list (with pages), watch (with bookmarks, resumed from
//! a version), get, create, update, merge patch and delete; label and field selectors; `Status` objects for
//! errors. Tests put objects into it ([`ApiServer::apply`]), make it fail ([`ApiServer::fail`],
//! [`ApiServer::away`]) and see what it was asked ([`ApiServer::requests`]).
//!
//! What the real one does and this does not: validation, most defaults, strategic merge and server-side
//! apply, finalizers and grace periods (a DELETE deletes), deleting collections, tables, protobuf, and
//! controllers of any kind.
//!
//! The way of a request: `serve` takes the connection, `answer` decides, `list`, `watch` and `write` do it on the
//! `store`.

mod answer;
mod body;
mod defaults;
mod discovery;
mod failure;
mod faults;
mod label_selector;
mod list;
mod request;
mod resource;
mod selector;
mod serve;
mod state;
mod store;
mod view;
mod watch;
mod write;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::{Value, json};

pub use faults::{Fault, Scope};
pub use request::{Request, Verb};
pub use state::Expiry;
pub(crate) use write::{new_uid, now};

use resource::Resource;
use state::{Ending, Mode, Shared};
use store::Key;
use write::Part;

use crate::{DEADLINE, Netns};

/// The bearer token that the server lets in; it refuses any other. None is let in too: kubectl sends none over plain
/// HTTP.
pub const TOKEN: &str = "test-token";

/// A running server. Dropping it ends it.
///
/// Resources are named by their plural; `namespace` is empty for those that stand in none.
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl ApiServer {
    /// Starts one on this host's loopback. It has the namespaces `default` and `kube-system`, and nothing else.
    pub fn start() -> Self {
        Self::start_in(&Netns::host())
    }

    /// Starts one on the loopback of a network namespace.
    pub fn start_in(netns: &Netns) -> Self {
        let shared = Arc::new(Shared::new());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, netns.free_port()));
        let (inside, for_thread) = (netns.open(), Arc::clone(&shared));
        let thread = std::thread::spawn(move || {
            if let Some(inside) = inside {
                nix::sched::setns(&inside, nix::sched::CloneFlags::CLONE_NEWNET)
                    .expect("to enter the namespace");
            }
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(serve::serve(for_thread, address));
        });
        let server = Self {
            shared,
            address,
            thread: Some(thread),
        };
        server.wait_until(Mode::Up);
        for name in ["default", "kube-system"] {
            server.create_namespace(name);
        }
        server
    }

    /// Where it listens, also while it is away.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a kubeconfig for it, with a token and `namespace` as the current one.
    pub fn kubeconfig(&self, path: &Path, namespace: &str) {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
            "current-context": "test",
        });
        // JSON is YAML.
        std::fs::write(path, config.to_string()).expect("the kubeconfig");
    }

    /// Stores an object as it is, status and `uid` included, in place of one of the same name, and gives what is
    /// stored. An object with another `uid` is another object: the old one is deleted first. Its namespace is
    /// created with it.
    pub fn apply(&self, object: Value) -> Value {
        let text = |place: &str| {
            object
                .pointer(place)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let resource = Resource::of_kind(&api_version, &kind)
            .unwrap_or_else(|| panic!("the test's API server has no {api_version} {kind}"));
        let mut namespace = text("/metadata/namespace");
        if resource.namespaced && namespace.is_empty() {
            "default".clone_into(&mut namespace);
        }
        if resource.namespaced {
            self.create_namespace(&namespace);
        }
        let key = write::key(resource, &namespace, &object).expect("an object with a name");
        let stored = self.shared.change(|state| {
            let store = &mut state.store;
            let old_uid = store.get(&key).map(|old| old["metadata"]["uid"].clone());
            let uid = &object["metadata"]["uid"];
            match old_uid {
                Some(old_uid) if uid.is_null() || *uid == old_uid => {
                    write::replace(store, resource, &key, object)
                }
                _ => {
                    store.remove(&key);
                    write::insert(store, resource, key, object)
                }
            }
        });
        (*stored).clone()
    }

    /// Replaces the status of an object, which must be there, and gives the object.
    pub fn set_status(&self, resource: &str, namespace: &str, name: &str, status: &Value) -> Value {
        self.write(resource, namespace, name, Part::Status, &json!({"status": null}));
        self.write(
            resource,
            namespace,
            name,
            Part::Status,
            &json!({"status": status}),
        )
    }

    /// Applies a merge patch to all of an object but its status, and gives the object.
    pub fn patch(&self, resource: &str, namespace: &str, name: &str, patch: &Value) -> Value {
        self.write(resource, namespace, name, Part::Main, patch)
    }

    /// Begins the graceful end of an object as a DELETE by a client does with pods: it gets a
    /// `deletionTimestamp` and stays until it is deleted.
    pub fn terminate(&self, resource: &str, namespace: &str, name: &str) -> Value {
        let mut object = self
            .get(resource, namespace, name)
            .unwrap_or_else(|| panic!("no {resource} {namespace}/{name} to terminate"));
        object["metadata"]["deletionTimestamp"] = write::now().into();
        object["metadata"]["deletionGracePeriodSeconds"] = 30.into();
        self.shared.change(|state| {
            let stored = state.store.put(key(resource, namespace, name), object);
            (*stored).clone()
        })
    }

    /// Deletes an object, which must be there.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) {
        let key = key(resource, namespace, name);
        self.shared
            .change(|state| write::delete(&mut state.store, Resource::named(resource), &key, &Value::Null))
            .unwrap_or_else(|failure| panic!("{}", failure.to_json()));
    }

    /// An object, in the preferred version of its resource.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = key(resource, namespace, name);
        self.shared
            .read(|state| state.store.get(&key).map(|object| (**object).clone()))
    }

    /// Has the server not know a group, a version or a resource, as a cluster without the Gateway API:
    /// `gateway.networking.k8s.io`, or `gateway.networking.k8s.io/v1`, or `gateway.networking.k8s.io/v1/httproutes`.
    pub fn hide(&self, what: &str) {
        self.shared.change(|state| state.hidden.insert(what.to_owned()));
    }

    /// Undoes [`hide`](Self::hide).
    pub fn show(&self, what: &str) {
        self.shared.change(|state| state.hidden.remove(what));
    }

    /// Forgets the history: watches and pages from before answer that they are expired (410), watches in the
    /// way that `expiry` says. Open watches go on.
    pub fn compact(&self, expiry: Expiry) {
        self.shared.change(|state| {
            state.store.compact();
            state.expiry = expiry;
        });
    }

    /// Ends every open watch by an ERROR event that says 410 Expired.
    pub fn expire_watches(&self) {
        self.shared.change(|state| state.end_watches(Ending::Expired));
    }

    /// Cuts every open watch and its connection.
    pub fn disconnect_watches(&self) {
        self.shared.change(|state| state.end_watches(Ending::Cut));
    }

    /// Sends a bookmark on every open watch that takes them, besides those that come each second.
    pub fn bookmark(&self) {
        self.shared.change(|state| state.bookmarks += 1);
    }

    /// Has every request in `scope` meet with a fault, until [`clear_faults`](Self::clear_faults).
    pub fn fail(&self, scope: Scope, fault: Fault) {
        self.shared.change(|state| state.faults.add(scope, fault, None));
    }

    /// Has the next `count` requests in `scope` meet with a fault.
    pub fn fail_next(&self, count: u32, scope: Scope, fault: Fault) {
        assert!(count > 0, "no request to fail");
        self.shared
            .change(|state| state.faults.add(scope, fault, Some(count)));
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.shared.change(|state| state.faults.clear());
    }

    /// Goes away: connections are cut, and new ones refused when this returns.
    pub fn away(&self) {
        self.shared.change(|state| state.mode = Mode::Away);
        self.wait_until(Mode::Away);
    }

    /// Comes back on the same port, with all it had.
    pub fn back(&self) {
        self.shared.change(|state| state.mode = Mode::Up);
        self.wait_until(Mode::Up);
    }

    /// Everything asked so far, the oldest first, whatever became of it.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.read(|state| state.requests.clone())
    }

    /// The watches that are open now.
    pub fn watches(&self) -> Vec<Request> {
        self.shared
            .read(|state| state.watches.values().cloned().collect())
    }

    /// Waits until what was asked so far satisfies `condition`; panics with `what` when it does not in time.
    pub fn wait_for(&self, what: &str, condition: impl Fn(&[Request]) -> bool) {
        self.wait(what, |state| condition(&state.requests).then_some(()));
    }

    /// Waits until a watch on `resource` is open. It will see every change from here on.
    pub fn wait_for_watch(&self, resource: &str) -> Request {
        self.wait(&format!("a watch on {resource} is open"), |state| {
            state
                .watches
                .values()
                .find(|watch| watch.resource == resource)
                .cloned()
        })
    }

    /// Waits until no watch on `resource` is open.
    pub fn wait_for_no_watch(&self, resource: &str) {
        self.wait(&format!("no watch on {resource} is open"), |state| {
            state
                .watches
                .values()
                .all(|watch| watch.resource != resource)
                .then_some(())
        });
    }

    /// Waits until an object is there and satisfies `condition`, and gives it.
    pub fn wait_for_object(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        let key = key(resource, namespace, name);
        self.wait(
            &format!("{resource} {namespace}/{name} is as it should be"),
            |state| {
                let object = state.store.get(&key).filter(|object| condition(object))?;
                Some((**object).clone())
            },
        )
    }

    fn write(&self, resource: &str, namespace: &str, name: &str, part: Part, patch: &Value) -> Value {
        let key = key(resource, namespace, name);
        let written = self
            .shared
            .change(|state| write::patch(&mut state.store, Resource::named(resource), &key, patch, part));
        (*written.unwrap_or_else(|failure| panic!("{}", failure.to_json()))).clone()
    }

    fn create_namespace(&self, name: &str) {
        let key = key("namespaces", "", name);
        self.shared.change(|state| {
            if state.store.get(&key).is_none() {
                let object = json!({
                    "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
                    "status": {"phase": "Active"},
                });
                write::insert(&mut state.store, Resource::named("namespaces"), key, object);
            }
        });
    }

    fn wait_until(&self, mode: Mode) {
        self.wait(&format!("the API server is {mode:?}"), |state| {
            (state.running == mode).then_some(())
        });
    }

    fn wait<R>(&self, what: &str, find: impl FnMut(&state::State) -> Option<R>) -> R {
        self.shared.wait(DEADLINE, find).unwrap_or_else(|| {
            let requests = self.requests();
            let last: Vec<_> = requests.iter().rev().take(20).rev().collect();
            panic!("waited {DEADLINE:?} in vain until {what}; the last requests: {last:#?}")
        })
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.shared.change(|state| state.mode = Mode::Stopped);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn key(resource: &str, namespace: &str, name: &str) -> Key {
    Key {
        resource: Resource::named(resource).plural,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

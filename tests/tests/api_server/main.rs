//! The test's own API server against clients that were written for the real one: kube's client and watcher, and
//! kubectl.

mod requests;
mod watches;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
    WatchParams,
};
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use shadow_tests::api_server::{Expiry, Fault, Scope, Verb};
use shadow_tests::{ApiServer, DEADLINE, Netns, stage, until};

/// A client as an agent makes it, without retries of its own, so that each fault is seen.
fn client(api: &ApiServer) -> Client {
    client_of(api.address())
}

fn client_of(address: SocketAddr) -> Client {
    let url = format!("http://{address}");
    let mut config = kube::Config::new(url.parse().expect("a URL"));
    config.auth_info.token = Some(String::from("test-token").into());
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// Runs a client's work to its end.
fn run<R>(work: impl Future<Output = R>) -> R {
    runtime().block_on(async {
        let ended = tokio::time::timeout(DEADLINE, work).await;
        ended.expect("the client comes to an end")
    })
}

/// kube's watcher on pods, on a thread of its own; what it says is told in words.
struct Watcher(Receiver<String>);

impl Watcher {
    fn start(api: &ApiServer, config: Config) -> Self {
        let (sender, receiver) = channel();
        let address = api.address();
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let mut events = Box::pin(watcher(Api::<Pod>::all(client_of(address)), config));
                while let Some(event) = events.next().await {
                    let failed = event.is_err();
                    if sender.send(in_words(event)).is_err() {
                        return;
                    }
                    if failed {
                        // A loop that does not spin; kube's own backoff is longer than a test has.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        });
        Self(receiver)
    }

    fn next(&self) -> String {
        self.0.recv_timeout(DEADLINE).expect("an event")
    }

    fn expect(&self, events: &[&str]) {
        let seen: Vec<_> = events.iter().map(|_| self.next()).collect();
        assert_eq!(seen, events);
    }

    /// Passes over errors until something else comes.
    fn after_errors(&self) -> String {
        loop {
            let event = self.next();
            if !event.starts_with("error") {
                return event;
            }
        }
    }
}

fn in_words(event: watcher::Result<Event<Pod>>) -> String {
    match event {
        Ok(Event::Init) => "init".to_owned(),
        Ok(Event::InitApply(pod)) => format!("has {}", pod.name_any()),
        Ok(Event::InitDone) => "done".to_owned(),
        Ok(Event::Apply(pod)) => format!("apply {}", pod.name_any()),
        Ok(Event::Delete(pod)) => format!("delete {}", pod.name_any()),
        Err(watcher::Error::WatchError(status)) => format!("error {}", status.code),
        Err(
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status)),
        ) => format!("error {} {}", status.code, status.reason),
        Err(_) => "error".to_owned(),
    }
}

fn pod(name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "test", "labels": {"app": "web"}},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Running"},
    })
}

fn route(api_version: &str) -> Value {
    json!({
        "apiVersion": format!("gateway.networking.k8s.io/{api_version}"),
        "kind": "HTTPRoute",
        "metadata": {"name": "httpbin"},
        "spec": {"hostnames": ["a.test"]},
        "status": {"parents": [{"controllerName": "nobody"}]},
    })
}

fn routes(api: &ApiServer, version: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", version, "HTTPRoute");
    Api::namespaced_with(client(api), "default", &ApiResource::from_gvk(&kind))
}

fn code<R: Debug>(result: Result<R, kube::Error>) -> (u16, String) {
    match result.expect_err("a refusal") {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("not a refusal: {other}"),
    }
}

fn count(api: &ApiServer, verb: Verb) -> usize {
    api.requests()
        .iter()
        .filter(|request| request.verb == verb)
        .count()
}

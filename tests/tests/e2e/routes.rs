//! Mirrors from `HTTPRoute`s, as an Istio user writes them, without Istio.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use shadow_tests::client::Connection;
use shadow_tests::metrics::ask;
use shadow_tests::{AccessLog, Agent, Ledger, Report, Stage, stage};

use crate::cluster::{Cluster, Served, labelled, watching};

/// How soon a change must be felt.
pub const A_SECOND: Duration = Duration::from_secs(1);

/// A namespace with `httpbin` in two versions, as Istio's example has it: one Service for both, and one for each.
pub struct Httpbin<'a> {
    pub cluster: Cluster<'a>,
    pub v1: Served,
    pub v2: Served,
}

impl<'a> Httpbin<'a> {
    pub fn new(stage: &'a Stage) -> Self {
        let cluster = Cluster::new(stage);
        let version = |name: &str, port| {
            let mut setup = labelled("shop", name, "httpbin", port);
            setup.labels = json!({"app": "httpbin", "version": name});
            setup.image = format!("registry.example:5000/team/httpbin:{name}");
            cluster.serve(setup)
        };
        let (v1, v2) = (version("v1", 80), version("v2", 80));
        service(&cluster, "httpbin", &json!({"app": "httpbin"}), 8000, &v1);
        service(
            &cluster,
            "httpbin-v1",
            &json!({"app": "httpbin", "version": "v1"}),
            80,
            &v1,
        );
        service(
            &cluster,
            "httpbin-v2",
            &json!({"app": "httpbin", "version": "v2"}),
            80,
            &v2,
        );
        cluster.api.apply(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"namespace": "shadow-agent", "name": "shadow-agent"},
        }));
        Self { cluster, v1, v2 }
    }

    pub fn agent(&self) -> Agent {
        self.agent_with(&[])
    }

    /// The same with more flags.
    pub fn agent_with(&self, flags: &[&str]) -> Agent {
        let agent = self
            .cluster
            .spawn_agent(&[&["--input-k8s-routes", "*"], flags].concat());
        agent.wait_for_line("watching pods");
        agent
    }

    /// Sends requests one after another on one connection, and waits for each answer.
    pub fn ask(&self, requests: &[&str]) {
        self.ask_at(&self.v1, requests);
    }

    /// The same of one of the two.
    pub fn ask_at(&self, served: &Served, requests: &[&str]) {
        let mut connection = Connection::open(self.cluster.node.netns(), served.v4());
        for request in requests {
            connection.send(request);
            assert_eq!(connection.response().status, 200);
        }
    }

    /// Asks for so many different paths below `/many/`.
    pub fn many(&self, count: usize) {
        let requests: Vec<String> = (0..count)
            .map(|number| format!("GET /many/{number} HTTP/1.1\r\nHost: many\r\nX-Id: many-{number}\r\n\r\n"))
            .collect();
        self.ask(&requests.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// The requests that each side got.
    pub fn finish(self) -> (AccessLog, AccessLog) {
        (self.v1.nginx.finish(), self.v2.nginx.finish())
    }
}

/// A Service whose cluster address is a pod's, which is where kube-proxy would lead.
fn service(cluster: &Cluster<'_>, name: &str, selector: &Value, port: u16, at: &Served) {
    cluster.api.apply(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": "shop", "name": name},
        "spec": {
            "selector": selector,
            "clusterIP": at.pod.v4(), "clusterIPs": [at.pod.v4()],
            "ports": [{"name": "http", "port": port, "targetPort": 80}],
        },
    }));
}

/// The route of the documentation: everything to v1, a copy to v2.
pub fn route(name: &str, rules: &Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "HTTPRoute",
        "metadata": {"namespace": "shop", "name": name},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "httpbin", "port": 8000}],
            "rules": rules,
        },
    })
}

pub fn mirror_to(name: &str) -> Value {
    json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 80}}})
}

pub fn everything() -> Value {
    json!([{"filters": [mirror_to("httpbin-v2")], "backendRefs": [{"name": "httpbin-v1", "port": 80}]}])
}

fn of<'l>(ledger: &'l Ledger, output: &str) -> &'l Value {
    let outputs = ledger.0["outputs"].as_array().expect("outputs");
    let found = outputs
        .iter()
        .find(|one| one["output"].as_str().is_some_and(|name| name.contains(output)));
    found.unwrap_or_else(|| panic!("no output {output}: {ledger}"))
}

pub fn condition<'r>(route: &'r Value, kind: &str) -> Option<&'r Value> {
    let parents = route.pointer("/status/parents")?.as_array()?;
    let ours = parents
        .iter()
        .find(|parent| parent["controllerName"] == "shadow-agent.io/mirror")?;
    let conditions = ours["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

#[test]
fn istios_route_works_as_written() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    httpbin.cluster.api.apply(route("httpbin", &everything()));
    let agent = httpbin.agent();
    let written = httpbin
        .cluster
        .api
        .wait_for_object("httproutes", "shop", "httpbin", |route| {
            condition(route, "ResolvedRefs").is_some_and(|condition| condition["status"] == "True")
        });
    let accepted = condition(&written, "Accepted").expect("a condition");
    assert_eq!(accepted["status"], "True");
    assert!(
        accepted["message"].as_str().unwrap().contains("backendRefs"),
        "{accepted}"
    );
    httpbin.ask(&[
        "GET /headers HTTP/1.1\r\nHost: cluster-1\r\nX-Id: a\r\n\r\n",
        "POST /upload HTTP/1.1\r\nHost: cluster-1:8000\r\nX-Id: b\r\nContent-Length: 4\r\n\r\nbody",
    ]);
    httpbin.many(100);
    let ledger = agent.stop();
    ledger.assert_all_delivered(102);
    let (production, shadow) = httpbin.finish();
    production.assert_same_requests(&shadow);
    let host = |log: &AccessLog, id: &str| log.filter(|entry| entry.id == id).0[0].host.clone();
    assert_eq!(host(&production, "a"), "cluster-1");
    assert_eq!(host(&shadow, "a"), "cluster-1-shadow");
    assert_eq!(host(&shadow, "b"), "cluster-1-shadow:8000");
}

#[test]
fn releases_are_called_by_the_images_of_their_pods() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    httpbin.cluster.api.apply(route("httpbin", &everything()));
    let file = stage.path("report.json");
    let agent = httpbin.agent_with(&["--compare", "--report", file.to_str().expect("a path in UTF-8")]);
    httpbin.many(20);
    let (_, ledger) = agent.stop_to_judge();
    ledger.assert_closed();
    let shadow = ledger.output("shop/httpbin rule 0 -> shop/httpbin-v2:80");
    assert_eq!((ledger.seen(), ledger.delivered(shadow)), (20, 20), "{ledger}");
    let report = Report::read(&file);
    report.assert_accounts_for(0, &ledger);
    assert_eq!(report.compared(0), 20, "{report}");
    let names = &report.0["comparisons"][0]["names"];
    assert_eq!(
        *names,
        json!({"production": "httpbin:v1", "shadow": "httpbin:v2"})
    );
}

#[test]
fn a_service_parent_without_a_group_is_mirrored() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    // As the API has it where the group was left out.
    let mut ungrouped = route("httpbin", &everything());
    ungrouped["spec"]["parentRefs"][0]["group"] = json!("gateway.networking.k8s.io");
    api.apply(ungrouped);
    let mut foreign = route("entry", &everything());
    foreign["spec"]["parentRefs"] =
        json!([{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "outside"}]);
    api.apply(foreign);
    let port = SocketAddr::from(([127, 0, 0, 1], httpbin.cluster.node.netns().free_port()));
    let agent = httpbin
        .cluster
        .spawn_agent(&["--input-k8s-routes=*", "--http-listen", &port.to_string()]);
    let said = "mirrors only for Services and Gateways as parents, not for shop/entry \
                (ServiceEntry.networking.istio.io outside)";
    agent.wait_for_line(said);
    watching(&agent, 2);
    let (status, body) = ask(httpbin.cluster.node.netns(), port, "GET", "/readyz");
    assert!(
        status == 200 && body.contains(&format!("--input-k8s-routes: ok, {said}\n")),
        "{status} {body}"
    );
    let written = api.wait_for_object("httproutes", "shop", "httpbin", |route| {
        condition(route, "Accepted").is_some_and(|condition| condition["status"] == "True")
    });
    let accepted = condition(&written, "Accepted").expect("a condition");
    assert!(
        accepted["message"]
            .as_str()
            .unwrap()
            .contains("A parent without a group"),
        "{accepted}"
    );
    httpbin.many(20);
    agent.stop().assert_all_delivered(20);
    let (production, shadow) = httpbin.finish();
    production.assert_same_requests(&shadow);
}

#[test]
fn what_reaches_the_shadow_directly_is_counted_and_not_copied() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    // The Service `httpbin` selects both releases.
    api.apply(route("httpbin", &everything()));
    let agent = httpbin.agent();
    watching(&agent, 2);
    let written = api.wait_for_object("httproutes", "shop", "httpbin", |route| {
        condition(route, "Accepted").is_some_and(|condition| condition["status"] == "True")
    });
    let accepted = condition(&written, "Accepted").expect("a condition");
    let said = "The Service httpbin also selects pods of httpbin-v2: requests that reach these directly are not copied, and counted as filtered";
    assert!(accepted["message"].as_str().unwrap().contains(said), "{accepted}");
    httpbin.many(20);
    let direct = "GET /direct HTTP/1.1\r\nHost: httpbin\r\n\r\n";
    httpbin.ask_at(&httpbin.v2, &[direct; 7]);
    let ledger = agent.stop();
    ledger.assert_closed();
    let mirror = of(&ledger, "shop/httpbin");
    let counts = ["seen", "delivered", "filtered"].map(|name| mirror[name].as_u64());
    assert_eq!(counts, [Some(27), Some(20), Some(7)], "{ledger}");
    let (_, shadow) = httpbin.finish();
    assert_eq!(shadow.len(), 27);
}

#[test]
fn a_changed_route_is_followed_within_a_second_and_loses_nothing() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    let with = |percent: u32| {
        let mut filter = mirror_to("httpbin-v2");
        filter["requestMirror"]["percent"] = json!(percent);
        route(
            "httpbin",
            &json!([{"filters": [filter], "backendRefs": [{"name": "httpbin-v1", "port": 80}]}]),
        )
    };
    api.apply(with(100));
    let agent = httpbin.agent();
    httpbin.many(50);
    for (percent, delivered) in [(0, 50), (100, 100), (0, 100), (100, 150)] {
        api.apply(with(percent));
        std::thread::sleep(A_SECOND);
        httpbin.many(50);
        agent.wait_for_ledger("the share of the moment", |ledger| {
            ledger.delivered(0) == delivered
        });
    }
    // Under load: on one connection, each request ends, whichever share it met.
    std::thread::scope(|scope| {
        let load = scope.spawn(|| httpbin.many(3000));
        let mut percent = 0;
        while !load.is_finished() {
            percent = (percent + 50) % 150;
            api.apply(with(percent));
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!(
        ledger.outputs(),
        1,
        "one mirror, however often it changed: {ledger}"
    );
    let output = of(&ledger, "shop/httpbin");
    let sum = output["delivered"].as_u64().unwrap() + output["sampled_out"].as_u64().unwrap();
    assert_eq!(sum, 3250, "{ledger}");
    let (production, shadow) = httpbin.finish();
    assert_eq!(production.len(), 3250);
    assert_eq!(shadow.len() as u64, output["delivered"].as_u64().unwrap());
}

#[test]
fn a_share_is_within_three_sigma_of_500_requests() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let mirror = |path: &str, share: Value| {
        let mut filter = mirror_to("httpbin-v2");
        filter["requestMirror"]
            .as_object_mut()
            .unwrap()
            .extend(share.as_object().unwrap().clone());
        json!({
            "matches": [{"path": {"type": "PathPrefix", "value": path}}],
            "filters": [filter],
            "backendRefs": [{"name": "httpbin-v1", "port": 80}],
        })
    };
    httpbin.cluster.api.apply(route(
        "shares",
        &json!([
            mirror("/percent-mirror", json!({"percent": 20})),
            mirror(
                "/fraction-mirror",
                json!({"fraction": {"numerator": 25, "denominator": 50}})
            ),
            mirror("/35", json!({"percent": 35})),
        ]),
    ));
    let agent = httpbin.agent();
    for path in ["/percent-mirror", "/fraction-mirror", "/35"] {
        let requests: Vec<String> = (0..500)
            .map(|number| format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Id: {number}\r\n\r\n"))
            .collect();
        httpbin.ask(&requests.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let ledger = agent.stop();
    ledger.assert_closed();
    let (_, shadow) = httpbin.finish();
    for (rule, path, share) in [
        (0, "/percent-mirror", 0.2),
        (1, "/fraction-mirror", 0.5),
        (2, "/35", 0.35),
    ] {
        let copies = shadow.filter(|entry| entry.uri == path).len();
        let (mean, sigma) = (500.0 * share, (500.0_f64 * share * (1.0 - share)).sqrt());
        assert!((copies as f64 - mean).abs() <= 3.0 * sigma, "{path}: {copies}");
        let output = of(&ledger, &format!("rule {rule}"));
        assert_eq!(output["delivered"], copies, "{ledger}");
        assert_eq!(output["sampled_out"], 500 - copies, "{ledger}");
        assert_eq!(output["filtered"], 1000, "{ledger}");
    }
}

#[test]
fn rules_matches_and_filters_are_those_of_the_gateway_api() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    httpbin.cluster.api.apply(route(
        "rules",
        &json!([
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/old"}}],
                "filters": [
                    {"type": "URLRewrite", "urlRewrite": {
                        "hostname": "renamed.test",
                        "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"},
                    }},
                    {"type": "RequestHeaderModifier", "requestHeaderModifier": {
                        "set": [{"name": "X-Id", "value": "rewritten"}],
                    }},
                    mirror_to("httpbin-v2"),
                ],
            },
            {
                "matches": [
                    {"path": {"type": "PathPrefix", "value": "/"}, "method": "PUT"},
                    {"headers": [{"name": "x-canary", "value": "yes"}]},
                    {"queryParams": [{"name": "canary", "value": "1"}]},
                ],
                "filters": [mirror_to("httpbin-v2")],
            },
            {"matches": [{"path": {"type": "Exact", "value": "/old/exactly"}}], "backendRefs": [{"name": "httpbin-v1", "port": 80}]},
        ]),
    ));
    let agent = httpbin.agent();
    httpbin.ask(&[
        "GET /old/a?b=c HTTP/1.1\r\nHost: a.test\r\nX-Id: 1\r\n\r\n",
        "GET /old/exactly HTTP/1.1\r\nHost: a.test\r\nX-Id: 2\r\n\r\n",
        "GET /older HTTP/1.1\r\nHost: a.test\r\nX-Id: 3\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a.test\r\nX-Id: 4\r\nX-Canary: yes\r\n\r\n",
        "GET /x?canary=1 HTTP/1.1\r\nHost: a.test\r\nX-Id: 5\r\n\r\n",
    ]);
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!(of(&ledger, "rule 0")["delivered"], 1, "{ledger}");
    assert_eq!(of(&ledger, "rule 1")["delivered"], 2, "{ledger}");
    assert_eq!(of(&ledger, "rule 0")["filtered"], 4, "{ledger}");
    let (_, shadow) = httpbin.finish();
    let mut copies: Vec<_> = shadow
        .0
        .iter()
        .map(|entry| (entry.uri.as_str(), entry.host.as_str(), entry.id.as_str()))
        .collect();
    copies.sort_unstable();
    assert_eq!(
        copies,
        [
            ("/new/a?b=c", "renamed.test-shadow", "rewritten"),
            ("/x", "a.test-shadow", "4"),
            ("/x?canary=1", "a.test-shadow", "5"),
        ]
    );
}

#[test]
fn two_routes_are_independent_and_copies_never_come_back() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let third = httpbin.cluster.serve(labelled("shop", "v3", "v3", 80));
    service(&httpbin.cluster, "httpbin-v3", &json!({"app": "v3"}), 80, &third);
    let api = &httpbin.cluster.api;
    api.apply(route("first", &everything()));
    api.apply(route("second", &json!([{"filters": [mirror_to("httpbin-v3")]}])));
    // What the shadow gets would be mirrored on, if copies were captured.
    let mut chain = route("chain", &json!([{"filters": [mirror_to("httpbin-v3")]}]));
    chain["spec"]["parentRefs"] = json!([{"group": "", "kind": "Service", "name": "httpbin-v2"}]);
    chain["metadata"]["annotations"] = json!({"shadow-agent.io/host": "original"});
    api.apply(chain);
    let agent = httpbin.cluster.spawn_agent(&["--input-k8s-routes", "shop"]);
    watching(&agent, 2);
    httpbin.many(40);
    let ledger = agent.wait_for_ledger("both have them", |ledger| {
        ["shop/first", "shop/second"]
            .iter()
            .all(|name| of(ledger, name)["delivered"] == 40)
    });
    assert_eq!(of(&ledger, "shop/chain")["seen"], 0, "{ledger}");
    api.delete("httproutes", "shop", "second");
    agent.wait_for_line("mirrors of routes applied mirrors=2");
    httpbin.many(10);
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!(of(&ledger, "shop/first")["delivered"], 50, "{ledger}");
    assert_eq!(of(&ledger, "shop/second")["delivered"], 40, "{ledger}");
    assert_eq!(third.nginx.finish().len(), 40);
    let (production, shadow) = httpbin.finish();
    assert_eq!((production.len(), shadow.len()), (50, 50));
}

#[test]
fn a_route_of_a_gateway_mirrors_what_its_backends_get() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    let mut gateway = route(
        "north",
        &json!([{
            "filters": [
                // The gateway has done this before the pod got the request.
                {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X-Id", "value": "never"}]}},
                mirror_to("httpbin-v2"),
            ],
            "backendRefs": [{"name": "httpbin-v1", "port": 80}],
        }]),
    );
    gateway["spec"]["parentRefs"] = json!([{"name": "front"}]);
    gateway["spec"]["hostnames"] = json!(["*.shop.test"]);
    api.apply(gateway);
    let agent = httpbin.agent();
    let written = api.wait_for_object("httproutes", "shop", "north", |route| {
        condition(route, "Accepted").is_some_and(|condition| condition["status"] == "True")
    });
    assert_eq!(
        written.pointer("/status/parents/0/parentRef/name"),
        Some(&json!("front"))
    );
    httpbin.ask(&[
        "GET /a HTTP/1.1\r\nHost: www.shop.test\r\nX-Id: 1\r\n\r\n",
        "GET /b HTTP/1.1\r\nHost: shop.example\r\nX-Id: 2\r\n\r\n",
    ]);
    let ledger = agent.stop();
    ledger.assert_closed();
    let (_, shadow) = httpbin.finish();
    let copies: Vec<_> = shadow
        .0
        .iter()
        .map(|entry| (entry.host.as_str(), entry.id.as_str()))
        .collect();
    assert_eq!(copies, [("www.shop.test-shadow", "1")]);
    assert_eq!(of(&ledger, "shop/north")["filtered"], 1, "{ledger}");
}

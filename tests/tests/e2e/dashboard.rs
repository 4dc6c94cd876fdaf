//! The dashboard asks for what `/metrics` has: each metric and each label of each query, in a scrape of a real run.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use shadow_tests::metrics::Metrics;
use shadow_tests::{load, stage, until};

use crate::scene::Scene;

/// Labels that Prometheus itself puts on what it scrapes.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];

/// Metrics whose series come with a cluster only; that they are described is all that can be seen here.
const OF_A_CLUSTER: &str = "shadow_agent_kubernetes_";

/// Metrics that have a series for each reason for which something was lost: here nothing is. That they are described is all
/// that can be seen, and these are the labels that they would have.
const OF_A_LOSS: [(&str, &[&str]); 3] = [
    ("shadow_agent_compare_failed_total", &["output", "reason"]),
    ("shadow_agent_compare_not_compared_total", &["output", "reason"]),
    (
        "shadow_agent_compare_own_requests_lost_total",
        &["output", "what", "reason"],
    ),
];

/// One query, in parts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    /// Each metric, with the labels of its selector.
    metrics: Vec<(String, BTreeSet<String>)>,
    /// Labels that are grouped by, or matched on.
    grouped: BTreeSet<String>,
}

#[test]
fn every_query_of_the_dashboard_is_about_what_the_agent_serves() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let port = scene.server.free_port();
    let listen = format!("127.0.0.1:{port}");
    let agent = scene.mirror(&[
        "--http-listen",
        &listen,
        "--input-raw-track-response",
        "--compare",
        "--compare-repeat",
        "100%",
        "--max-cpu",
        "64",
        "--expire-after",
        "1h",
    ]);
    agent.wait_for_line("serving HTTP");
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    agent.wait_for_ledger("all are delivered", |ledger| ledger.delivered(0) == 100);
    let listen = listen.parse().expect("an address");
    let mut metrics = Metrics::scrape(&scene.server, listen);
    until("requests that were sent again are counted", || {
        metrics = Metrics::scrape(&scene.server, listen);
        !metrics
            .series("shadow_agent_compare_own_requests_sent_total")
            .is_empty()
    });
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() > 55, "only {} queries were found", queries.len());
    for (query, legend) in &queries {
        check(&metrics, query, legend);
    }
    // Of a hundred pairs nobody can say much.
    let finished = scene.finish_with(agent, 3);
    assert_eq!(
        (finished.production.len(), finished.ledger.delivered(0)),
        (100, 100),
        "{}",
        finished.ledger
    );
}

/// The dashboard as it is handed out.
fn dashboard() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana/shadow-agent.json");
    let text = std::fs::read(&path).expect("the dashboard");
    serde_json::from_slice(&text).expect("the dashboard is JSON")
}

/// Each query with the legend that shows it.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let of_panels = targets.map(|target| (text(&target["expr"]), text(&target["legendFormat"])));
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let of_variables = variables
        .iter()
        .filter(|variable| variable["type"] == "query")
        .map(|variable| (text(&variable["query"]["query"]), String::new()));
    of_panels.chain(of_variables).collect()
}

fn check(metrics: &Metrics, query: &str, legend: &str) {
    let asked = asked(query);
    assert!(!asked.metrics.is_empty(), "a query about nothing: {query}");
    let mut known: BTreeSet<String> = OF_THE_SCRAPE.map(str::to_owned).into();
    let mut in_a_cluster = false;
    for (name, labels) in &asked.metrics {
        assert!(metrics.is_described(name), "there is no {name}: {query}");
        let series = metrics.series(name);
        if series.is_empty() && name.starts_with(OF_A_CLUSTER) {
            in_a_cluster = true;
            continue;
        }
        let mut has: BTreeSet<String> = series
            .iter()
            .flat_map(|(labels, _)| labels.keys().cloned())
            .collect();
        if let Some((_, labels)) = OF_A_LOSS.iter().find(|(of_a_loss, _)| of_a_loss == name) {
            has.extend(labels.iter().map(|label| (*label).to_owned()));
        } else {
            assert!(!series.is_empty(), "{name} has no series: {query}");
        }
        for label in labels {
            let is_there = has.contains(label) || OF_THE_SCRAPE.contains(&label.as_str());
            assert!(is_there, "{name} has no label {label}: {query}");
        }
        known.extend(has);
    }
    let shown = legend
        .split("{{")
        .skip(1)
        .filter_map(|rest| rest.split_once("}}"));
    let shown = shown.map(|(label, _)| label.to_owned());
    for label in asked.grouped.iter().cloned().chain(shown) {
        assert!(
            in_a_cluster || known.contains(&label),
            "nothing has a label {label}: {query} {legend}"
        );
    }
}

/// Takes a query of `PromQL` apart, as far as names go.
fn asked(query: &str) -> Asked {
    let mut asked = Asked::default();
    for (start, _) in query.match_indices("shadow_agent_") {
        let rest = &query[start..];
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let labels = match rest[end..].strip_prefix('{') {
            Some(selector) => selector_labels(selector),
            None => BTreeSet::new(),
        };
        asked.metrics.push((rest[..end].to_owned(), labels));
    }
    for word in ["by (", "on (", "group_left ("] {
        for (start, _) in query.match_indices(word) {
            let list = query[start + word.len()..].split(')').next().unwrap_or_default();
            let labels = list.split(',').map(str::trim).filter(|label| !label.is_empty());
            asked.grouped.extend(labels.map(str::to_owned));
        }
    }
    if let Some(list) = query.strip_prefix("label_values(") {
        let label = list.trim_end_matches(')').rsplit(", ").next().unwrap_or_default();
        asked.grouped.insert(label.to_owned());
    }
    asked
}

/// The labels of `a="x", b=~"y"}...`.
fn selector_labels(selector: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    let mut rest = selector;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if rest.starts_with('}') || rest.is_empty() {
            return labels;
        }
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        labels.insert(rest[..end].to_owned());
        // Behind the value's quotes.
        rest = rest.splitn(3, '"').nth(2).expect("a quoted value");
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[test]
fn a_query_is_taken_apart_into_metrics_labels_and_groups() {
    let query = r#"sum by (a, b) (rate(shadow_agent_x_total{c=~"$c", d="}"}[5m])) / on (e) shadow_agent_y"#;
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let expected = Asked {
        metrics: vec![
            ("shadow_agent_x_total".to_owned(), words(&["c", "d"])),
            ("shadow_agent_y".to_owned(), words(&[])),
        ],
        grouped: words(&["a", "b", "e"]),
    };
    assert_eq!(asked(query), expected);
    let variable = asked(r#"label_values(shadow_agent_x{job="a"}, output)"#);
    assert_eq!(variable.grouped, words(&["output"]));
}

//! The answer as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::help::help_of;
use super::*;
use crate::agent::{CaptureReport, ConnectionReport};
use crate::capture::{CaptureCounts, FileCounters};
use crate::cluster_metrics::ClusterMetrics;
use crate::compare::NotCompared;
use crate::compare::counters::{CompareCounters, Compared, Extra};
use crate::compare::document::{Outcomes, Verdict};
use crate::latency::LatencyHistogram;
use crate::mirror::ledger::DropReason;

fn snapshot() -> Snapshot {
    let histogram = LatencyHistogram::default();
    histogram.record(Duration::from_micros(1500));
    let counts = OutputCounts {
        seen: 11,
        delivered: 7,
        limited: 1,
        dropped: [(DropReason::Timeout, 2)].into(),
        in_flight: 1,
        correlated: 4,
        correlated_values: 9,
        uncorrelated: 5,
        ..OutputCounts::default()
    };
    let status = OutputStatus {
        queued: 3,
        connections_open: 2,
        latency: Some(histogram.counts()),
        copy_delay: Some(histogram.counts()),
        ..OutputStatus::default()
    };
    let capture = CaptureReport {
        kernel: Some(CaptureCounts::default()),
        files: Some(FileCounters {
            packets: 12,
            ..FileCounters::default()
        }),
        ..CaptureReport::default()
    };
    let cluster = ClusterMetrics::default();
    cluster.pod("shop", "cart-1", "app=cart").add(4);
    cluster.api_error("forbidden");
    Snapshot {
        seen: 11,
        outputs: vec![("http://staging:80".to_owned(), counts, status)],
        connections: serde_json::to_value(ConnectionReport::default()).unwrap(),
        capture: serde_json::to_value(capture).unwrap(),
        production: Some(histogram.counts()),
        pauses: vec![(PauseCause::Asked, true, Duration::from_millis(1500))],
        conditions: vec![("capture".to_owned(), true), ("pods".to_owned(), false)],
        cpu: CpuSnapshot {
            taken: Duration::from_millis(250),
            budget: Some(0.5),
            share: 1.0,
        },
        cluster: cluster.counts(),
        comparisons: vec![("http://staging:80".to_owned(), comparison())],
        started: Duration::from_secs(1_800_000_001),
    }
}

fn comparison() -> CompareCounts {
    let counters = CompareCounters::default();
    let pair = Compared {
        new_5xx: true,
        other_status: true,
        production_took: Some(Duration::from_micros(1500)),
        shadow_took: Some(Duration::from_micros(1500)),
    };
    counters.compared(&Compared::default());
    counters.compared(&pair);
    counters.set_outcomes(&Outcomes {
        equal: 1,
        excused: 0,
        noise: 0,
        not_learned: 0,
        different: 1,
    });
    counters.not_compared(NotCompared::Shadow(DropReason::Timeout), 2);
    counters.not_compared(NotCompared::Memory, 3);
    counters.set_waiting(4, 5_000);
    counters.set_verdict(Verdict::NoGo, 7, 6);
    let control = OutputCounts {
        seen: 2,
        delivered: 1,
        dropped: [(DropReason::ConnectError, 1)].into(),
        ..OutputCounts::default()
    };
    counters.extra(&[], &[(Extra::Control.name().to_owned(), control)]);
    counters.counts()
}

fn text(snapshot: Snapshot) -> String {
    encode(snapshot).unwrap()
}

/// Checks what a reader relies on: each metric described once, each sample under its metric, each series once.
fn series(text: &str) -> BTreeMap<String, f64> {
    let mut described = BTreeSet::new();
    let mut current = "";
    let mut series = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap();
            assert!(described.insert(current), "described twice: {line}");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(current), "{name} stands under {current}");
            assert!(
                series.insert(name.to_owned(), value.parse().unwrap()).is_none(),
                "{name} twice"
            );
        }
    }
    assert!(text.ends_with("# EOF\n"));
    series
}

#[test]
fn numbers_stand_under_their_names_and_labels() {
    let text = text(snapshot());
    for line in [
        "shadow_agent_requests_seen_total 11",
        r#"shadow_agent_output_requests_seen_total{output="http://staging:80"} 11"#,
        r#"shadow_agent_requests_total{output="http://staging:80",outcome="delivered"} 7"#,
        r#"shadow_agent_requests_total{output="http://staging:80",outcome="dropped"} 2"#,
        r#"shadow_agent_requests_dropped_total{output="http://staging:80",reason="timeout"} 2"#,
        r#"shadow_agent_requests_dropped_total{output="http://staging:80",reason="paused"} 0"#,
        r#"shadow_agent_requests_in_flight{output="http://staging:80"} 1.0"#,
        r#"shadow_agent_requests_correlated_total{output="http://staging:80"} 4"#,
        r#"shadow_agent_correlated_values_total{output="http://staging:80"} 9"#,
        r#"shadow_agent_requests_uncorrelated_total{output="http://staging:80"} 5"#,
        "shadow_agent_connections_opened_total 0",
        "shadow_agent_connections_open 0.0",
        r#"shadow_agent_connections_skipped_bytes_total{reason="mid_stream"} 0"#,
        r#"shadow_agent_connections_answers_total{outcome="paired"} 0"#,
        "shadow_agent_capture_packets_selected_total 0",
        "shadow_agent_capture_ring_full_bytes_total 0",
        "shadow_agent_files_packets_total 12",
        r#"shadow_agent_output_queued_requests{output="http://staging:80"} 3.0"#,
        r#"shadow_agent_output_breaker_open{output="http://staging:80"} 0.0"#,
        r#"shadow_agent_output_exchange_seconds_count{output="http://staging:80"} 1"#,
        r#"shadow_agent_output_exchange_seconds_bucket{le="0.001024",output="http://staging:80"} 0"#,
        r#"shadow_agent_output_exchange_seconds_bucket{le="0.002048",output="http://staging:80"} 1"#,
        r#"shadow_agent_output_exchange_seconds_bucket{le="+Inf",output="http://staging:80"} 1"#,
        r#"shadow_agent_output_copy_delay_seconds_count{output="http://staging:80"} 1"#,
        "shadow_agent_production_exchange_seconds_sum 0.0015",
        r#"shadow_agent_compare_pairs_total{output="http://staging:80"} 2"#,
        r#"shadow_agent_compare_report_pairs{output="http://staging:80",outcome="equal"} 1.0"#,
        r#"shadow_agent_compare_report_pairs{output="http://staging:80",outcome="excused"} 0.0"#,
        r#"shadow_agent_compare_report_pairs{output="http://staging:80",outcome="noise"} 0.0"#,
        r#"shadow_agent_compare_report_pairs{output="http://staging:80",outcome="different"} 1.0"#,
        r#"shadow_agent_compare_failed_total{output="http://staging:80",reason="timeout"} 2"#,
        r#"shadow_agent_compare_not_compared_total{output="http://staging:80",reason="compare_memory"} 3"#,
        r#"shadow_agent_compare_new_5xx_total{output="http://staging:80"} 1"#,
        r#"shadow_agent_compare_status_differs_total{output="http://staging:80"} 1"#,
        r#"shadow_agent_compare_waiting_requests{output="http://staging:80"} 4.0"#,
        r#"shadow_agent_compare_waiting_bytes{output="http://staging:80"} 5000.0"#,
        r#"shadow_agent_compare_endpoints{output="http://staging:80"} 7.0"#,
        r#"shadow_agent_compare_differences{output="http://staging:80"} 6.0"#,
        r#"shadow_agent_compare_verdict{output="http://staging:80",verdict="go"} 0.0"#,
        r#"shadow_agent_compare_verdict{output="http://staging:80",verdict="no_go"} 1.0"#,
        r#"shadow_agent_compare_production_seconds_count{output="http://staging:80"} 1"#,
        r#"shadow_agent_compare_shadow_seconds_bucket{le="0.002048",output="http://staging:80"} 1"#,
        r#"shadow_agent_compare_own_requests_sent_total{output="http://staging:80",what="control"} 2"#,
        r#"shadow_agent_compare_own_requests_answered_total{output="http://staging:80",what="control"} 1"#,
        r#"shadow_agent_compare_own_requests_lost_total{output="http://staging:80",what="control",reason="connect_error"} 1"#,
        r#"shadow_agent_ready{condition="pods"} 0.0"#,
        r#"shadow_agent_paused{cause="asked"} 1.0"#,
        r#"shadow_agent_paused_seconds_total{cause="asked"} 1.5"#,
        "shadow_agent_cpu_seconds_total 0.25",
        "shadow_agent_cpu_budget_cpus 0.5",
        "shadow_agent_cpu_share_ratio 1.0",
        "shadow_agent_start_time_seconds 1800000001.0",
        "shadow_agent_kubernetes_pods_watched 0.0",
        r#"shadow_agent_kubernetes_pod_requests_seen_total{namespace="shop",pod="cart-1",labels="app=cart"} 4"#,
        r#"shadow_agent_kubernetes_api_errors_total{reason="forbidden"} 1"#,
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "no line {line} in\n{text}"
        );
    }
    assert!(text.contains(&format!(
        "shadow_agent_build_info{{version=\"{}\"",
        env!("CARGO_PKG_VERSION")
    )));
}

#[test]
fn each_metric_is_described_once_and_no_series_comes_twice() {
    let mut snapshot = snapshot();
    // The same upstream named twice.
    snapshot.outputs.push(snapshot.outputs[0].clone());
    let series = series(&text(snapshot));
    let second = r#"shadow_agent_requests_total{output="http://staging:80 #2",outcome="delivered"}"#;
    assert!((series[second] - 7.0).abs() < f64::EPSILON);
}

#[test]
fn the_ledgers_equation_holds_in_the_metrics() {
    let series = series(&text(snapshot()));
    let sum: f64 = series
        .iter()
        .filter(|(name, _)| {
            name.starts_with("shadow_agent_requests_total{")
                || name.starts_with("shadow_agent_requests_in_flight{")
        })
        .map(|(_, value)| value)
        .sum();
    let seen = r#"shadow_agent_output_requests_seen_total{output="http://staging:80"}"#;
    assert!((sum - series[seen]).abs() < f64::EPSILON);
}

#[test]
fn label_values_are_escaped() {
    let mut snapshot = snapshot();
    snapshot.conditions = vec![("a\"b\\c\nd".to_owned(), true)];
    assert!(text(snapshot).contains(r#"shadow_agent_ready{condition="a\"b\\c\nd"} 1.0"#));
}

#[test]
fn outputs_beyond_the_bound_count_together() {
    let mut snapshot = snapshot();
    let one = snapshot.outputs[0].clone();
    snapshot.outputs = (0..MAX_OUTPUTS + 10)
        .map(|index| (index.to_string(), one.1.clone(), one.2.clone()))
        .collect();
    let series = series(&text(snapshot));
    let other = r#"shadow_agent_requests_total{output="other",outcome="delivered"}"#;
    assert!((series[other] - 77.0).abs() < f64::EPSILON);
    for histogram in ["exchange", "copy_delay"] {
        let count = format!("shadow_agent_output_{histogram}_seconds_count{{output=\"other\"}}");
        assert!((series[&count] - 11.0).abs() < f64::EPSILON, "{count}");
    }
    let named = series
        .keys()
        .filter(|name| name.starts_with("shadow_agent_requests_in_flight"))
        .count();
    assert_eq!(named, MAX_OUTPUTS);
    assert!(series.len() < MAX_OUTPUTS * 100, "{} series", series.len());
}

#[test]
fn comparisons_beyond_the_bound_count_together() {
    let mut snapshot = snapshot();
    snapshot.comparisons = (0..compare::MAX_COMPARISONS + 10)
        .map(|index| (index.to_string(), comparison()))
        .collect();
    let series = series(&text(snapshot));
    for (name, labels, expected) in [
        ("compare_report_pairs", r#"outcome="equal""#, 11.0),
        ("compare_failed_total", r#"reason="timeout""#, 22.0),
        ("compare_verdict", r#"verdict="no_go""#, 1.0),
        ("compare_own_requests_sent_total", r#"what="control""#, 22.0),
    ] {
        let value = series[&format!("shadow_agent_{name}{{output=\"other\",{labels}}}")];
        assert!((value - expected).abs() < f64::EPSILON, "{name} {value}");
    }
    let named = series
        .keys()
        .filter(|name| name.starts_with("shadow_agent_compare_new_5xx"))
        .count();
    assert_eq!(named, compare::MAX_COMPARISONS);
}

#[test]
fn a_run_that_compares_nothing_says_nothing_of_it() {
    let mut snapshot = snapshot();
    snapshot.comparisons = Vec::new();
    assert!(!text(snapshot).contains("compare_"));
}

#[test]
fn every_number_of_the_ledger_says_what_it_is() {
    let snapshot = snapshot();
    for (section, object) in [
        ("connections", &snapshot.connections),
        ("capture", &snapshot.capture),
        ("files", &snapshot.capture["files"]),
    ] {
        for member in object.as_object().unwrap().keys().filter(|name| *name != "files") {
            assert_ne!(
                help_of(section, member),
                "As in the ledger.",
                "{section}.{member}"
            );
        }
    }
    for line in text(snapshot).lines().filter(|line| line.starts_with("# HELP ")) {
        assert!(line.ends_with('.'), "{line}");
    }
}

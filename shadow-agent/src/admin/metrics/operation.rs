//! The process and what holds it: build, readiness, pauses, processor time, the cluster.

use std::fmt;

use super::Snapshot;
use super::family::Families;

impl Snapshot {
    pub(super) fn encode_operation(&self, families: &mut Families<'_>) -> fmt::Result {
        families.info(
            "build",
            "The version of shadow-agent and the architecture it was built for.",
            &vec![
                ("version", env!("CARGO_PKG_VERSION")),
                ("architecture", std::env::consts::ARCH),
            ],
        )?;
        families.gauge(
            "start_time_seconds",
            "When the process started, in Unix time.",
            [(vec![], self.started.as_secs_f64())],
        )?;
        families.gauge(
            "ready",
            "Whether a readiness condition is met (1) or not (0); /readyz gives the reason.",
            self.conditions
                .iter()
                .map(|(name, good)| (vec![("condition", name.as_str())], f64::from(u8::from(*good)))),
        )?;
        self.encode_pauses(families)?;
        self.encode_cpu(families)?;
        self.encode_cluster(families)
    }

    fn encode_pauses(&self, families: &mut Families<'_>) -> fmt::Result {
        families.gauge(
            "paused",
            "Whether mirroring is paused (1) or not (0), by cause: asked, expired or cpu.",
            self.pauses
                .iter()
                .map(|(cause, now, _)| (vec![("cause", cause.name())], f64::from(u8::from(*now)))),
        )?;
        families.seconds(
            "paused_seconds",
            "For how long mirroring has been paused, by cause.",
            self.pauses
                .iter()
                .map(|(cause, _, total)| (vec![("cause", cause.name())], total.as_secs_f64())),
        )
    }

    fn encode_cpu(&self, families: &mut Families<'_>) -> fmt::Result {
        families.seconds(
            "cpu_seconds",
            "CPU time used by the agent.",
            [(vec![], self.cpu.taken.as_secs_f64())],
        )?;
        families.gauge(
            "cpu_budget_cpus",
            "CPU budget of the agent (--max-cpu), in CPUs.",
            self.cpu.budget.map(|budget| (vec![], budget)),
        )?;
        families.gauge(
            "cpu_share_ratio",
            "Share of requests mirrored within the CPU budget; the others are limited.",
            [(vec![], self.cpu.share)],
        )
    }

    fn encode_cluster(&self, families: &mut Families<'_>) -> fmt::Result {
        let cluster = &self.cluster;
        families.gauge(
            "kubernetes_pods_watched",
            "Pods on this node whose requests are captured.",
            [(vec![], cluster.watched as f64)],
        )?;
        families.counter(
            "kubernetes_pod_requests_seen",
            "Requests seen, by pod; those of deleted pods, and of pods beyond the first 1,000, as other.",
            cluster.pods.iter().map(|([namespace, pod, labels], count)| {
                let mut series = vec![("namespace", namespace.as_str()), ("pod", pod.as_str())];
                if !labels.is_empty() {
                    series.push(("labels", labels.as_str()));
                }
                (series, *count)
            }),
        )?;
        families.counter(
            "kubernetes_api_errors",
            "Errors of the Kubernetes API, by reason.",
            cluster
                .errors
                .iter()
                .map(|(reason, count)| (vec![("reason", reason.as_str())], *count)),
        )
    }
}

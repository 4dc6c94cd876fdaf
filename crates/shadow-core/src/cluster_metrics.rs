//! Counts of the inputs and routes of a cluster, for the metrics: pods watched, requests by pod, errors of the API.
//!
//! Pods come and go, and each would leave its series behind: at most [`MAX_PODS`] have one of their own. What a pod
//! beyond them, or one that has gone, was seen to get is counted under [`OTHER`], so that sums only grow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pods with a series of their own: more than the most a node may run (kubelet's default is 110).
pub const MAX_PODS: usize = 1000;

/// Reasons of API errors with a series of their own: HTTP statuses and kinds of failure are fewer.
pub const MAX_REASONS: usize = 50;

/// The label of what has no series of its own, for the namespace and the pod.
pub const OTHER: &str = "other";

/// The registry. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct ClusterMetrics {
    shared: Arc<Mutex<Cluster>>,
    other: PodCounter,
}

/// Counts the requests seen at one pod. Clones count the same; counting takes no lock.
#[derive(Clone, Debug, Default)]
pub struct PodCounter(Arc<AtomicU64>);

#[derive(Debug, Default)]
struct Cluster {
    watched: u64,
    /// By namespace and name, with the labels that travel.
    pods: BTreeMap<(String, String), (String, PodCounter)>,
    errors: BTreeMap<String, u64>,
    /// Of pods that have gone: what is still under way is counted on them for some seconds.
    leaving: Vec<PodCounter>,
}

/// The registry at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterCounts {
    /// Pods captured from now.
    pub watched: u64,
    /// Requests seen, by namespace, pod and its labels; those of all others under [`OTHER`], once there are any.
    pub pods: Vec<([String; 3], u64)>,
    /// Errors of the API, by reason.
    pub errors: Vec<(String, u64)>,
}

impl PodCounter {
    /// The count itself, for whoever counts and knows nothing of metrics.
    pub fn shared(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0)
    }

    /// Counts requests whose start was seen.
    pub fn add(&self, requests: u64) {
        self.0.fetch_add(requests, Relaxed);
    }
}

impl ClusterMetrics {
    /// Says how many pods are captured from now.
    pub fn set_watched(&self, pods: usize) {
        self.lock().watched = pods as u64;
    }

    /// The counter of a pod with the labels `tag`: its own, or that of all others when there are too many.
    pub fn pod(&self, namespace: &str, name: &str, tag: &str) -> PodCounter {
        let mut cluster = self.lock();
        let key = (namespace.to_owned(), name.to_owned());
        if let Some((its_tag, counter)) = cluster.pods.get_mut(&key) {
            tag.clone_into(its_tag);
            return counter.clone();
        }
        if cluster.pods.len() >= MAX_PODS {
            return self.other.clone();
        }
        let (_, counter) = cluster
            .pods
            .entry(key)
            .or_insert_with(|| (tag.to_owned(), PodCounter::default()));
        counter.clone()
    }

    /// A pod has gone: its requests go over to all others, and so do those that are still counted on its counter.
    pub fn pod_gone(&self, namespace: &str, name: &str) {
        let mut cluster = self.lock();
        let gone = cluster.pods.remove(&(namespace.to_owned(), name.to_owned()));
        cluster.leaving.extend(gone.map(|(_, counter)| counter));
        // Those that nobody has any more.
        cluster.leaving.retain(|counter| {
            let held = Arc::strong_count(&counter.0) > 1;
            if !held {
                self.other.add(counter.0.load(Relaxed));
            }
            held
        });
    }

    /// Counts an error of the API. `reason` is one of few: a status (`forbidden`) or a kind (`unreachable`).
    pub fn api_error(&self, reason: &str) {
        let mut cluster = self.lock();
        let known = cluster.errors.len() < MAX_REASONS || cluster.errors.contains_key(reason);
        let reason = if known { reason } else { OTHER };
        *cluster.errors.entry(reason.to_owned()).or_default() += 1;
    }

    /// The counts at this moment.
    pub fn counts(&self) -> ClusterCounts {
        let cluster = self.lock();
        let own = cluster.pods.iter();
        let mut pods: Vec<_> = own
            .map(|((namespace, name), (tag, counter))| {
                let labels = [namespace.clone(), name.clone(), tag.clone()];
                (labels, counter.0.load(Relaxed))
            })
            .collect();
        let leaving: u64 = cluster
            .leaving
            .iter()
            .map(|counter| counter.0.load(Relaxed))
            .sum();
        let other = self.other.0.load(Relaxed) + leaving;
        if other > 0 {
            pods.push(([OTHER.to_owned(), OTHER.to_owned(), String::new()], other));
        }
        ClusterCounts {
            watched: cluster.watched,
            pods,
            errors: cluster
                .errors
                .iter()
                .map(|(reason, count)| (reason.clone(), *count))
                .collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pod_counts_for_itself_until_it_has_gone() {
        let cluster = ClusterMetrics::default();
        cluster.pod("shop", "cart-1", "app=cart").add(3);
        cluster.pod("shop", "cart-1", "app=cart").add(4);
        assert_eq!(
            cluster.counts().pods,
            [(["shop", "cart-1", "app=cart"].map(str::to_owned), 7)]
        );
        cluster.pod_gone("shop", "cart-1");
        assert_eq!(
            cluster.counts().pods,
            [([OTHER, OTHER, ""].map(str::to_owned), 7)]
        );
        let late = cluster.pod("shop", "cart-2", "");
        cluster.pod_gone("shop", "cart-2");
        late.add(2);
        assert_eq!(
            cluster.counts().pods,
            [([OTHER, OTHER, ""].map(str::to_owned), 9)],
            "also what comes while it leaves"
        );
    }

    #[test]
    fn pods_beyond_the_bound_count_together() {
        let cluster = ClusterMetrics::default();
        for index in 0..MAX_PODS + 5 {
            cluster.pod("shop", &index.to_string(), "").add(1);
        }
        let counts = cluster.counts();
        assert_eq!(counts.pods.len(), MAX_PODS + 1);
        assert_eq!(counts.pods[MAX_PODS].1, 5);
    }

    #[test]
    fn errors_count_by_reason_and_reasons_are_bounded() {
        let cluster = ClusterMetrics::default();
        cluster.api_error("forbidden");
        cluster.api_error("forbidden");
        for index in 0..MAX_REASONS * 2 {
            cluster.api_error(&index.to_string());
        }
        let errors = cluster.counts().errors;
        assert_eq!(errors.len(), MAX_REASONS + 1);
        assert!(errors.contains(&("forbidden".to_owned(), 2)));
        assert!(errors.contains(&(OTHER.to_owned(), 51)));
    }
}

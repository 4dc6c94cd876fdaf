//! The cluster that a run follows: what it asks for next, and what could not be applied, to be tried again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::admin::Readiness;
use crate::kubernetes::{Cluster, Desired};

/// The condition of what a cluster asks for.
const CLUSTER: &str = "cluster";

/// When what could not be had is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// The cluster of a run, if it has one.
pub(super) struct ClusterFollower {
    cluster: Option<Cluster>,
    /// A configuration that could not be applied, and when to retry.
    retry: Option<(Instant, Arc<Desired>)>,
    readiness: Readiness,
}

impl ClusterFollower {
    pub fn new(cluster: Option<Cluster>, readiness: Readiness) -> Self {
        Self {
            cluster,
            retry: None,
            readiness,
        }
    }

    /// Says that the cluster has not said anything yet.
    pub fn report_start(&self) {
        if self.cluster.is_some() {
            let why = "the Kubernetes API has not responded yet";
            self.readiness.set(CLUSTER, Err(why.to_owned()));
        }
    }

    /// Resolves when the cluster asks for something else, or what could not be had is to be tried again; never, where
    /// there is nothing of the kind. May be dropped and called again.
    pub async fn next(&mut self) -> Arc<Desired> {
        let Self { cluster, retry, .. } = self;
        tokio::select! {
            desired = asked_for(cluster) => desired,
            desired = due(retry.as_ref()) => desired,
        }
    }

    /// Says whether `desired` is had; where it is not, it is tried again.
    pub fn report(&mut self, desired: Arc<Desired>, followed: Result<(), String>) {
        self.retry = followed.is_err().then(|| (Instant::now() + RETRY, desired));
        self.readiness.set(CLUSTER, followed);
    }

    /// Follows another cluster from now on, or none.
    pub fn replace(&mut self, cluster: Option<Cluster>) {
        if let Some(before) = std::mem::replace(&mut self.cluster, cluster) {
            end_in_background(before);
        }
    }
}

async fn asked_for(cluster: &mut Option<Cluster>) -> Arc<Desired> {
    match cluster {
        Some(cluster) => cluster.changed().await,
        None => std::future::pending().await,
    }
}

async fn due(retry: Option<&(Instant, Arc<Desired>)>) -> Arc<Desired> {
    let Some((at, desired)) = retry else {
        return std::future::pending().await;
    };
    sleep_until(*at).await;
    Arc::clone(desired)
}

/// Ends a cluster's thread without waiting for it: it may have a lease to give back.
pub(super) fn end_in_background(cluster: Cluster) {
    let ending = std::thread::Builder::new()
        .name("kubernetes-end".to_owned())
        .spawn(move || drop(cluster));
    if let Err(error) = ending {
        tracing::warn!(%error, "cannot start a thread to stop watching the cluster");
    }
}

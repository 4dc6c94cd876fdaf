//! The pods that were found to be meant, each with its cgroup: found once, and looked for again while it is not there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desired::{Concern, DesiredPod};
use super::objects::Pod;
use crate::admin::ClusterMetrics;
use crate::capture::{PodCgroup, PodCgroups};
use crate::mirror::plan::PodIdentity;

/// How often a cgroup that is not there yet is looked for: kubelet makes it before it starts the pod's first container.
const LOOK: Duration = Duration::from_millis(100);

/// The same, once a running pod has been without one for [`PATIENCE`].
const LOOK_RARELY: Duration = Duration::from_secs(2);

/// How long a running pod may be without a cgroup before that is called wrong.
const PATIENCE: Duration = Duration::from_secs(3);

/// Cgroups and identities of pods by UID.
pub struct PodTable {
    cgroups: PodCgroups,
    found: HashMap<String, PodCgroup>,
    identities: HashMap<String, Arc<PodIdentity>>,
    /// Since when a pod has been looked for.
    missing: HashMap<String, Instant>,
    scanned: Option<Instant>,
    metrics: ClusterMetrics,
}

/// Pods that are meant, by UID, with their ports.
pub type Meant = BTreeMap<String, (Arc<Pod>, BTreeMap<u16, Concern>)>;

/// Pods as they can be watched.
pub struct Found {
    pub pods: Vec<DesiredPod>,
    /// When to look again for cgroups that were not there.
    pub look_again: Option<Instant>,
    /// Running pods that cannot be captured.
    pub without_cgroup: Option<String>,
}

impl PodTable {
    /// A table of what is found below `cgroups`.
    pub fn new(cgroups: PodCgroups, metrics: ClusterMetrics) -> Self {
        Self {
            cgroups,
            found: HashMap::new(),
            identities: HashMap::new(),
            missing: HashMap::new(),
            scanned: None,
            metrics,
        }
    }

    /// Finds the cgroups of these pods, and forgets all others.
    pub fn find(&mut self, meant: &Meant, now: Instant) -> Found {
        let uids: BTreeSet<&str> = meant.keys().map(String::as_str).collect();
        let metrics = &self.metrics;
        self.identities.retain(|uid, identity| {
            let stays = uids.contains(uid.as_str());
            if !stays {
                metrics.pod_gone(&identity.namespace, &identity.name);
            }
            stays
        });
        self.missing.retain(|uid, _| uids.contains(uid.as_str()));
        if self.is_due(meant, now) {
            self.found = self.cgroups.scan();
            self.scanned = Some(now);
        }
        let mut pods = Vec::new();
        let mut without = Vec::new();
        for (uid, (pod, ports)) in meant {
            if let Some(cgroup) = self.found.get(&pod.cgroup_uid) {
                self.missing.remove(uid);
                pods.push(DesiredPod {
                    identity: identity(&mut self.identities, pod, &self.metrics),
                    cgroup: *cgroup,
                    ports: ports.clone(),
                });
                continue;
            }
            let since = *self.missing.entry(uid.clone()).or_insert(now);
            if pod.phase == "Running" && now.duration_since(since) >= PATIENCE {
                without.push(format!("{}/{}", pod.namespace, pod.name));
            }
        }
        self.metrics.set_watched(pods.len());
        let look_again = (!self.missing.is_empty()).then(|| now + self.pause(now));
        let without_cgroup = (!without.is_empty()).then(|| {
            format!(
                "no cgroup is found below {} for the running pods {}: they are not captured; mount the host's \
                 /sys/fs/cgroup into the agent's container, and see that the node has cgroup v2",
                self.cgroups.root().display(),
                without.join(", ")
            )
        });
        Found {
            pods,
            look_again,
            without_cgroup,
        }
    }

    /// Whether a scan would be of use, and the last one is long enough ago.
    fn is_due(&self, meant: &Meant, now: Instant) -> bool {
        let unknown = |(pod, _): &(Arc<Pod>, _)| !self.found.contains_key(&pod.cgroup_uid);
        let is_new = meant
            .iter()
            .any(|(uid, entry)| unknown(entry) && !self.missing.contains_key(uid));
        let waits = meant.values().any(unknown);
        let since = self
            .scanned
            .map_or(Duration::MAX, |scanned| now.duration_since(scanned));
        (is_new && since >= LOOK / 4) || (waits && since >= self.pause(now))
    }

    fn pause(&self, now: Instant) -> Duration {
        let long = |since: &Instant| now.duration_since(*since) >= PATIENCE;
        if self.missing.values().all(long) && !self.missing.is_empty() {
            LOOK_RARELY
        } else {
            LOOK
        }
    }
}

/// One identity for each pod for as long as its labels are the same.
fn identity(
    identities: &mut HashMap<String, Arc<PodIdentity>>,
    pod: &Pod,
    metrics: &ClusterMetrics,
) -> Arc<PodIdentity> {
    if let Some(known) = identities.get(&pod.uid)
        && known.labels == pod.labels
    {
        return known.clone();
    }
    let identity = Arc::new(PodIdentity {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        labels: pod.labels.clone(),
        seen: metrics.pod(&pod.namespace, &pod.name).shared(),
    });
    identities.insert(pod.uid.clone(), identity.clone());
    identity
}

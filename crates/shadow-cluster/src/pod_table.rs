//! The pods that were found to be meant, each with its cgroup: found once, and looked for again while it is not there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shadow_capture::{PodCgroup, PodCgroups};
use shadow_core::cluster_metrics::ClusterMetrics;
use shadow_mirror::plan::PodIdentity;

use super::desired::{Concern, DesiredPod};
use super::objects::Pod;

/// How often a cgroup that is not there yet is looked for: kubelet makes it before it starts the pod's first container.
const LOOK: Duration = Duration::from_millis(100);

/// The same, once a running pod has been without one for [`PATIENCE`].
const LOOK_RARELY: Duration = Duration::from_secs(2);

/// How often all cgroups are looked at again: one that was removed and made anew has another id. A scan takes some
/// milliseconds.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

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
    /// Labels that travel with requests.
    labels: Vec<String>,
}

/// Pods that are meant, by UID, with their ports.
pub type WatchedPods = BTreeMap<String, (Arc<Pod>, BTreeMap<u16, Concern>)>;

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
    pub fn new(cgroups: PodCgroups, labels: Vec<String>, metrics: ClusterMetrics) -> Self {
        Self {
            cgroups,
            found: HashMap::new(),
            identities: HashMap::new(),
            missing: HashMap::new(),
            scanned: None,
            metrics,
            labels,
        }
    }

    /// Finds the cgroups of these pods, and forgets all others.
    pub fn find(&mut self, meant: &WatchedPods, now: Instant) -> Found {
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
        let mut claimed: HashMap<&str, u32> = HashMap::new();
        for (pod, _) in meant.values() {
            *claimed.entry(pod.cgroup_uid.as_str()).or_default() += 1;
        }
        for (uid, (pod, ports)) in meant {
            // Whose it is cannot be told.
            if claimed[pod.cgroup_uid.as_str()] > 1 {
                without.push(format!("{}/{}", pod.namespace, pod.name));
                continue;
            }
            if let Some(cgroup) = self.found.get(&pod.cgroup_uid) {
                self.missing.remove(uid);
                pods.push(DesiredPod {
                    identity: identity(&mut self.identities, pod, &self.labels, &self.metrics),
                    cgroup: *cgroup,
                    ports: ports.clone(),
                    images: ports
                        .keys()
                        .map(|port| (*port, pod.image_at(*port).to_owned()))
                        .collect(),
                });
                continue;
            }
            let since = *self.missing.entry(uid.clone()).or_insert(now);
            if pod.phase == "Running" && now.duration_since(since) >= PATIENCE {
                without.push(format!("{}/{}", pod.namespace, pod.name));
            }
        }
        self.metrics.set_watched(pods.len());
        // One that comes back, as a static pod does under the same name, has another cgroup.
        self.found
            .retain(|uid, _| meant.values().any(|(pod, _)| pod.cgroup_uid == *uid));
        let look_again = if self.missing.is_empty() {
            (!meant.is_empty()).then(|| now + LOOK_AGAIN)
        } else {
            Some(now + self.pause(now))
        };
        let without_cgroup = (!without.is_empty()).then(|| {
            format!(
                "found no cgroup below {} for the running pods {}: they are not captured; mount the host's \
                 /sys/fs/cgroup into the agent's container, and make sure that the node uses cgroup v2",
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
    fn is_due(&self, meant: &WatchedPods, now: Instant) -> bool {
        let unknown = |(pod, _): &(Arc<Pod>, _)| !self.found.contains_key(&pod.cgroup_uid);
        let is_new = meant
            .iter()
            .any(|(uid, entry)| unknown(entry) && !self.missing.contains_key(uid));
        let waits = meant.values().any(unknown);
        let since = self
            .scanned
            .map_or(Duration::MAX, |scanned| now.duration_since(scanned));
        (is_new && since >= LOOK / 4)
            || (waits && since >= self.pause(now))
            || (!meant.is_empty() && since >= LOOK_AGAIN)
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
    labels: &[String],
    metrics: &ClusterMetrics,
) -> Arc<PodIdentity> {
    if let Some(known) = identities.get(&pod.uid)
        && known.labels == pod.labels
    {
        return known.clone();
    }
    let tag = tag(pod, labels);
    let identity = Arc::new(PodIdentity {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        labels: pod.labels.clone(),
        seen: metrics.pod(&pod.namespace, &pod.name, &tag).shared(),
        tag,
    });
    identities.insert(pod.uid.clone(), identity.clone());
    identity
}

/// The labels of a pod that travel; one that it does not have is left out.
fn tag(pod: &Pod, labels: &[String]) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .filter_map(|label| Some(format!("{label}={}", pod.labels.get(label)?)))
        .collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// A folder that looks like a node's cgroups.
    struct Cgroups(PathBuf);

    impl Cgroups {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("shadow-agent-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&root).unwrap();
            Self(root)
        }

        fn add(&self, uid: &str) {
            std::fs::create_dir_all(self.0.join(format!("kubepods/pod{uid}"))).unwrap();
        }

        /// Its folder goes, and its inode is not used again.
        fn remove(&self, uid: &str) {
            let gone = self.0.join(format!("gone-{uid}"));
            std::fs::rename(self.0.join(format!("kubepods/pod{uid}")), gone).unwrap();
        }

        fn table(&self) -> PodTable {
            PodTable::new(
                PodCgroups::below(Path::new(&self.0)),
                vec!["app".to_owned(), "none".to_owned()],
                ClusterMetrics::default(),
            )
        }
    }

    impl Drop for Cgroups {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const A: &str = "0f3c1f66-8a4e-4d8c-9a57-21c1a2b7e39d";
    const STATIC: &str = "0123456789abcdef0123456789abcdef";

    fn running(uid: &str, cgroup_uid: &str) -> WatchedPods {
        let pod = Pod {
            uid: uid.to_owned(),
            cgroup_uid: cgroup_uid.to_owned(),
            namespace: "shop".to_owned(),
            name: "web-0".to_owned(),
            phase: "Running".to_owned(),
            labels: [
                ("app".to_owned(), "web".to_owned()),
                ("tier".to_owned(), "a".to_owned()),
            ]
            .into(),
            ..Pod::default()
        };
        WatchedPods::from([(uid.to_owned(), (Arc::new(pod), BTreeMap::new()))])
    }

    #[test]
    fn a_cgroup_that_comes_later_is_looked_for_until_it_is_there() {
        let cgroups = Cgroups::new("later");
        let mut table = cgroups.table();
        let start = Instant::now();
        let found = table.find(&running(A, A), start);
        assert!(found.pods.is_empty());
        assert_eq!(found.look_again, Some(start + LOOK));
        cgroups.add(A);
        let found = table.find(&running(A, A), start + LOOK);
        assert_eq!(found.pods.len(), 1);
        assert_eq!(found.without_cgroup, None);
    }

    #[test]
    fn a_running_pod_without_one_is_named_and_looked_for_rarely() {
        let cgroups = Cgroups::new("never");
        let mut table = cgroups.table();
        let start = Instant::now();
        assert_eq!(table.find(&running(A, A), start).without_cgroup, None);
        let found = table.find(&running(A, A), start + PATIENCE);
        let words = found.without_cgroup.unwrap();
        assert!(
            words.contains("shop/web-0") && words.contains("/sys/fs/cgroup"),
            "{words}"
        );
        assert_eq!(found.look_again, Some(start + PATIENCE + LOOK_RARELY));
    }

    #[test]
    fn a_static_pod_is_found_by_the_hash_of_its_manifest() {
        let cgroups = Cgroups::new("static");
        cgroups.add(STATIC);
        let found = cgroups.table().find(&running(A, STATIC), Instant::now());
        assert_eq!(found.pods.len(), 1);
        assert_eq!(found.pods[0].identity.uid, A);
        assert_eq!(
            found.pods[0].identity.tag, "app=web",
            "of its labels, those that travel"
        );
    }

    #[test]
    fn an_identity_lasts_as_long_as_the_pods_labels() {
        let cgroups = Cgroups::new("identity");
        cgroups.add(A);
        let mut table = cgroups.table();
        let start = Instant::now();
        let first = table.find(&running(A, A), start).pods.remove(0);
        cgroups.remove(A);
        cgroups.add(A);
        let again = table.find(&running(A, A), start + LOOK_AGAIN).pods.remove(0);
        assert!(Arc::ptr_eq(&first.identity, &again.identity));
        assert_ne!(first.cgroup.id, again.cgroup.id);
    }
}

//! New settings under a run: refused whole, or in force whole.
//!
//! What stays the same goes on untouched: a mirror with the same output keeps its queue and its connections, a target
//! that the kernel watches stays watched, an output that is taken out finishes what it holds. A cluster that is asked for
//! something else has answered once before what it said earlier is let go.

use std::sync::Arc;

use super::cluster_follower::end_in_background;
use super::mirror_specs::MirrorSpecs;
use super::restart::needing_restart;
use super::settings_file::{Loaded, Reloading, loaded};
use crate::admin::Readiness;
use crate::kubernetes::{Cluster, Desired};
use crate::settings::{ClusterSettings, PodSelector, Settings};

/// The condition of the configuration file.
const CONFIG: &str = "config";

/// The configuration file of a run, and settings of it that wait for the cluster.
pub(super) struct Reloader {
    /// `None` where the settings came from no file.
    file: Option<Reloading>,
    pending: Option<Pending>,
    readiness: Readiness,
}

/// Settings that wait until what they ask of a cluster has been read.
pub(super) struct Pending {
    pub settings: Settings,
    pub cluster: Cluster,
}

/// Something new of the settings.
pub(super) enum News {
    /// The file was read again.
    File(Box<Loaded>),
    /// The cluster that settings waited for has said what it asks for.
    Cluster(Arc<Desired>),
}

/// A change from the settings in force to others.
pub(super) enum Change<'a> {
    /// Nothing of what a run may change.
    None,
    /// The cluster is asked for the same as before.
    SameCluster,
    /// No cluster is asked any more.
    NoCluster,
    /// A cluster is asked for something else: which, and for which pods.
    OtherCluster(&'a ClusterSettings, Vec<PodSelector>),
}

impl Reloader {
    pub fn new(file: Option<Reloading>, readiness: Readiness) -> Self {
        Self {
            file,
            pending: None,
            readiness,
        }
    }

    /// Says that the file is in force, at the start.
    pub fn report_start(&self) {
        if self.file.is_some() {
            self.readiness.set(CONFIG, Ok(()));
        }
    }

    /// Has the configuration file read again.
    pub fn reload_now(&self) {
        if let Some(file) = &self.file {
            tracing::info!("SIGHUP: reloading the configuration file");
            file.read_now();
        }
    }

    /// Resolves when there is something new; never, where there is no file. May be dropped and called again.
    pub async fn next(&mut self) -> News {
        let Self { file, pending, .. } = self;
        tokio::select! {
            loaded = loaded(file) => News::File(Box::new(loaded)),
            desired = waited_for(pending) => News::Cluster(desired),
        }
    }

    /// Lets these settings wait until their cluster has said what it asks for.
    pub fn wait_for_cluster(&mut self, pending: Pending) {
        tracing::info!(
            "the configuration file changes what is watched in the cluster: applying it once the Kubernetes API \
             has responded"
        );
        self.pending = Some(pending);
    }

    /// Takes the settings that waited.
    pub fn take_pending(&mut self) -> Option<Pending> {
        self.pending.take()
    }

    /// Lets settings go that still wait.
    pub fn drop_pending(&mut self) {
        if let Some(Pending { cluster, .. }) = self.pending.take() {
            end_in_background(cluster);
        }
    }

    /// Says what became of the file.
    pub fn report(&self, taken: Result<(), String>) {
        let state = match taken {
            Ok(()) if self.pending.is_some() => Err(
                "waiting for the Kubernetes API to apply the configuration file; keeping the previous one"
                    .to_owned(),
            ),
            Ok(()) => Ok(()),
            Err(reason) => {
                tracing::error!(
                    reason,
                    "cannot apply the configuration file; keeping the previous one"
                );
                Err(reason)
            }
        };
        self.readiness.set(CONFIG, state);
    }
}

impl<'a> Change<'a> {
    /// Finds what `next` changes of `now`, under which `wanted` are the mirrors; why it cannot be without a restart.
    /// `captures`: whether there is live capture.
    pub fn between(
        now: &Settings,
        next: &'a Settings,
        wanted: &MirrorSpecs,
        captures: bool,
    ) -> Result<Self, String> {
        let keys = needing_restart(now, next, captures);
        if !keys.is_empty() {
            return Err(format!(
                "{} cannot be changed without a restart: restart the agent, or undo the change; until then no \
                 change of the file is applied",
                keys.join(", ")
            ));
        }
        if asks_the_same(now, next) {
            return Ok(Self::None);
        }
        let pods = MirrorSpecs::of(next).pods;
        if next.kubernetes == now.kubernetes && pods == wanted.pods {
            return Ok(Self::SameCluster);
        }
        Ok(match &next.kubernetes {
            None => Self::NoCluster,
            Some(kubernetes) => Self::OtherCluster(kubernetes, pods),
        })
    }
}

/// Whether two settings are the same in all that may change under a run.
fn asks_the_same(one: &Settings, other: &Settings) -> bool {
    one.mirrors == other.mirrors
        && one.kubernetes == other.kubernetes
        && one.operation.expire_after == other.operation.expire_after
        && one.operation.max_cpu_millis == other.operation.max_cpu_millis
}

/// Resolves when the cluster that settings wait for has said once what it asks for; never, where none do.
async fn waited_for(pending: &mut Option<Pending>) -> Arc<Desired> {
    let Some(pending) = pending else {
        return std::future::pending().await;
    };
    loop {
        let desired = pending.cluster.changed().await;
        if desired.listed {
            return desired;
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::high;
    use crate::cli::low::Arguments;
    use crate::cli::machine::TestMachine;

    fn settings(flags: &[&str]) -> Settings {
        let base = [
            "shadow-agent",
            "--input-raw=:80",
            "--input-raw-engine=cgroup",
            "--output-http=a",
        ];
        let all = [&base[..], flags].concat();
        let arguments = Arguments::try_parse_from(all).unwrap();
        high::resolve(&arguments, &TestMachine).unwrap().settings
    }

    fn change(now: &[&str], next: &[&str]) -> Result<&'static str, String> {
        let (now, next) = (settings(now), settings(next));
        let change = Change::between(&now, &next, &MirrorSpecs::of(&now), true)?;
        Ok(match change {
            Change::None => "none",
            Change::SameCluster => "same cluster",
            Change::NoCluster => "no cluster",
            Change::OtherCluster(..) => "other cluster",
        })
    }

    #[test]
    #[cfg(feature = "cluster")]
    fn a_change_says_what_becomes_of_the_cluster() {
        let routes = ["--input-k8s-routes=*", "--k8s-node=here"];
        assert_eq!(change(&[], &[]).unwrap(), "none");
        assert_eq!(change(&[], &["--output-http=b"]).unwrap(), "same cluster");
        assert_eq!(change(&[], &routes).unwrap(), "other cluster");
        assert_eq!(change(&routes, &[]).unwrap(), "no cluster");
    }

    #[test]
    fn a_change_that_needs_a_restart_is_refused_with_its_keys() {
        let refused = change(&[], &["--max-memory=1mb", "--output-http=b"]).unwrap_err();
        assert!(
            refused.starts_with("max-memory cannot be changed without a restart"),
            "{refused}"
        );
    }
}

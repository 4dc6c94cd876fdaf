//! Stands for the cluster in an agent that was built without the feature `cluster`: there is none to follow.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::bail;

use super::settings::{KubernetesSettings, PodSelector};
use super::{ClusterHooks, Desired};

/// Cluster that cannot be: arguments that need one are refused before.
pub struct Cluster {
    never: Infallible,
}

impl Cluster {
    /// Follows none.
    ///
    /// # Errors
    ///
    /// Always: this build has nothing to follow one with.
    pub fn start(_: &KubernetesSettings, _: Vec<PodSelector>, _: ClusterHooks) -> anyhow::Result<Self> {
        bail!("this agent was built without the feature `cluster`: it cannot follow pods or routes");
    }

    /// Resolves never.
    #[expect(clippy::unused_async, reason = "as the one that follows a cluster")]
    pub async fn changed(&mut self) -> Arc<Desired> {
        match self.never {}
    }
}

/// The one that follows a cluster ends with its value.
impl Drop for Cluster {
    fn drop(&mut self) {
        match self.never {}
    }
}

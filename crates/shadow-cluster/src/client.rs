//! The way to the Kubernetes API: the pod's own service account, or a kubeconfig file.

use std::time::Duration;

use anyhow::Context as _;
use kube::{Client, Config};

/// Time to connect: a lost SYN is sent again after one second.
pub const CONNECT: Duration = Duration::from_secs(2);

/// How long the API may be silent, also within a watch: API servers send a bookmark about once a minute, so a connection
/// that is quiet for longer has gone without a word.
const SILENCE: Duration = Duration::from_secs(150);

/// A client for the cluster this process is in, or that `KUBECONFIG` names. It asks for nothing yet. Must be called
/// inside a tokio runtime.
///
/// # Errors
///
/// Where no cluster is known, or its settings cannot be read.
pub async fn client() -> anyhow::Result<Client> {
    let mut config = Config::infer().await.context(
        "no Kubernetes API is configured: in a pod, use a service account (automountServiceAccountToken: true); \
         elsewhere, set KUBECONFIG to a kubeconfig file",
    )?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    Client::try_from(config).context("cannot use the Kubernetes API")
}

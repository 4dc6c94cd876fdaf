//! The life of a run: inputs attached, shards running, signals answered, everything drained and accounted.

use serde_json::Value;
use tokio::sync::oneshot;

use crate::mirror::ledger::RequestCounts;
use crate::report::LedgerDocument;
use crate::settings::Settings;

/// How a caller other than the shell follows a run and ends it.
#[derive(Default)]
pub struct Control {
    /// Told once capture is on.
    pub capturing: Option<oneshot::Sender<()>>,
    /// Ends the run as SIGTERM does.
    pub stop: Option<oneshot::Receiver<()>>,
}

/// The account of a run, at its end or at any moment.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Requests and their outcomes.
    pub requests: RequestCounts,
    /// Names of the outputs, in the order of their counts.
    pub outputs: Vec<String>,
    /// What became of the connections.
    pub connections: Value,
    /// What capture could and could not copy.
    pub capture: Value,
}

impl Account {
    /// The ledger's document of this account.
    pub fn document(&self) -> LedgerDocument {
        LedgerDocument::new(
            &self.outputs,
            self.requests.clone(),
            self.connections.clone(),
            self.capture.clone(),
        )
    }
}

/// Runs the agent until a signal, the caller, or the end of its capture files stops it, and returns the final
/// account.
pub fn run(settings: Settings, control: Control) -> anyhow::Result<Account> {
    let _ = (settings, control);
    anyhow::bail!("not here yet")
}

//! The secrets of production's TLS connections: where they come from in a run, and where its shards find them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::priority;
use crate::capture::{KeyLogFiles, PodTarget, SecretsSettings, Selection};
use crate::settings::{LiveInput, RawInput, Settings};
use crate::tls::{SecretStore, SessionLimits, StoreLimits};

/// How long what is encrypted waits for its secret where no flag says so: in capture files that have secrets themselves.
const WAIT: Duration = Duration::from_secs(2);

/// Where the secrets of a run are, and what brings them: that goes on until this is dropped.
pub(super) struct Secrets {
    store: SecretStore,
    /// How long what is encrypted waits.
    wait: Duration,
    key_logs: Option<KeyLogFiles>,
    /// Probes at the processes that serve what is watched.
    probes: Option<crate::capture::Secrets>,
}

/// Counts of secrets, by where they come from, in the ledger's `capture` object.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SecretsReport {
    /// Fates of the calls that the probes saw, where there are any.
    #[serde(flatten)]
    pub probes: BTreeMap<&'static str, u64>,
    /// Secrets of key logs.
    pub secrets_key_log: u64,
    /// Lines of key logs that are none.
    pub secrets_bad_lines: u64,
}

impl Secrets {
    /// An empty store, and key logs that are followed from now on if there are any.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let tls = settings.capture.tls.as_ref();
        let from_files = settings
            .inputs()
            .any(|input| matches!(input, RawInput::File { .. }));
        let mut limits = StoreLimits::default();
        if let Some(tls) = tls {
            limits.max_secrets = tls.max_secrets;
        }
        if from_files {
            // They are of connections of any age.
            limits.max_age = Duration::MAX;
            limits.max_candidate_age = Duration::MAX;
        }
        let store = SecretStore::new(limits);
        let key_logs = match tls.map(|tls| &tls.key_logs[..]) {
            None | Some([]) => None,
            Some(paths) => {
                let followed = KeyLogFiles::follow(paths, &store, priority::lower_priority);
                Some(followed.context("--input-raw-tls-keylog: cannot read a key log")?)
            }
        };
        Ok(Self {
            store,
            wait: tls.map_or(WAIT, |tls| tls.wait),
            key_logs,
            probes: None,
        })
    }

    /// Begins to take secrets of the processes that serve `live`, where that is asked for. What that needs, the caller gives
    /// up afterwards.
    pub fn take_of(&mut self, live: &[LiveInput], settings: &Settings) -> anyhow::Result<()> {
        let Some(tls) = settings.capture.tls.as_ref().filter(|tls| tls.hooks()) else {
            return Ok(());
        };
        let settings = SecretsSettings {
            selection: selection(live, &[]),
            automatic: tls.find,
            libraries: tls.libraries.clone(),
            insist: tls.insist,
        };
        let started = crate::capture::Secrets::start(&settings, self.store.clone());
        self.probes = Some(started.context("cannot take secrets of TLS connections (--input-raw-tls)")?);
        Ok(())
    }

    /// Takes secrets of those alone that serve these from now on.
    pub fn select(&self, live: &[LiveInput], pods: &[PodTarget]) -> anyhow::Result<()> {
        if let Some(probes) = &self.probes {
            probes.select(selection(live, pods))?;
        }
        Ok(())
    }

    /// The store.
    pub fn store(&self) -> &SecretStore {
        &self.store
    }

    /// Bounds of what waits for secrets.
    pub fn limits(&self) -> SessionLimits {
        SessionLimits {
            max_wait: self.wait,
            ..SessionLimits::default()
        }
    }

    /// Counts at this moment; `None` where no secrets are taken or read.
    pub fn report(&self) -> Option<SecretsReport> {
        if self.key_logs.is_none() && self.probes.is_none() {
            return None;
        }
        let logs = self
            .key_logs
            .as_ref()
            .map(KeyLogFiles::counts)
            .unwrap_or_default();
        let mut report = SecretsReport {
            probes: BTreeMap::new(),
            secrets_key_log: logs.secrets,
            secrets_bad_lines: logs.bad_lines,
        };
        match self.probes.as_ref().map(|probes| probes.counters().read()) {
            Some(Ok(counts)) => report.probes.extend(counts.iter()),
            Some(Err(error)) => tracing::error!(%error, "cannot read the counters of TLS secrets"),
            None => {}
        }
        Some(report)
    }
}

fn selection(live: &[LiveInput], pods: &[PodTarget]) -> Selection {
    Selection {
        inputs: live.to_vec(),
        pods: pods.to_vec(),
        everybody: false,
    }
}

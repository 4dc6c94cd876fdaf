//! `--compare`: what is compared, and how that is judged.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shadow_mirror::Share;

use super::correlation::CorrelateSettings;
use super::judging::Judging;
use super::store::StoreSettings;

/// Settings that all comparisons of a run share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparingSettings {
    /// Bytes of requests and answers that may wait to be compared.
    pub memory: usize,
    /// Where reports are written at the end.
    pub reports: Vec<PathBuf>,
    /// Where pairs are kept, if they are.
    pub store: Option<StoreSettings>,
}

/// How an output learns from answers that nobody compares (`--correlate` alone).
#[derive(Clone, Debug, PartialEq)]
pub struct LearningSettings {
    /// How what production issued is mapped to what the shadow issued.
    pub correlate: CorrelateSettings,
    /// How long production's answer is waited for.
    pub wait: Duration,
    /// Most bytes of an answer that are kept until the other is there.
    pub max_answer: usize,
}

/// How an output compares the shadow's answers with production's.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareSettings {
    /// The control as the ledger names it: another instance of production's release, which gets the same copies.
    pub control: Option<String>,
    /// The share of safe requests that the shadow gets twice.
    pub repeat: Share,
    /// Whether it does so also while a control answers, which says more. A request that changes something although it is called
    /// safe would have been served twice by the shadow alone.
    pub repeat_beside_control: bool,
    /// How long production's answer is waited for.
    pub wait: Duration,
    /// Most bytes of an answer that are kept.
    pub max_answer: usize,
    /// How what production issued is mapped to what the shadow issued, if it is.
    pub correlate: Option<CorrelateSettings>,
    /// How pairs are judged.
    pub judging: Arc<Judging>,
}

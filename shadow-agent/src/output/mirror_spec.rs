//! A mirror with its output, as it shall be: from the settings, or from a route.

use std::sync::Arc;

use super::settings::OutputSettings;
use crate::mirror::Limiter;
use crate::mirror::plan::Selection;
use crate::mirror::rules::Rules;

/// A mirror as it shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct MirrorSpec {
    /// Names it among all mirrors of a run, whatever else of it changes.
    pub key: String,
    /// Its name in the ledger; the output's own when there is none.
    pub name: Option<String>,
    /// Which requests it takes.
    pub selection: Selection,
    /// Rules that are applied to those.
    pub rules: Option<Arc<Rules>>,
    /// How many of those it gets.
    pub limit: Option<Limiter>,
    /// Where it sends them.
    pub output: OutputSettings,
}

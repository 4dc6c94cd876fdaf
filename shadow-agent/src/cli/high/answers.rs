//! The answers of HTTP outputs as meant: compared, learned from, or left alone.

use crate::settings::{CompareSettings, HttpOutputSettings, LearningSettings};

/// Uses of the answers of an HTTP output: none, by default.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// They are compared in this way, with those of the control, if there is one.
    pub compare: Option<(CompareSettings, Option<HttpOutputSettings>)>,
    /// They are learned from in this way, and not compared.
    pub correlate: Option<LearningSettings>,
}

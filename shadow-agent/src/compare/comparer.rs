//! The thread that compares.

use std::sync::Arc;

use super::intake::Intake;
use crate::budget::MemoryBudget;
use crate::settings::CompareSettings;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Comparer {}

impl Comparer {
    /// Begins a comparison.
    pub fn register(&self, _name: &str, _settings: &CompareSettings) -> anyhow::Result<Arc<Intake>> {
        Ok(Arc::new(Intake::new(MemoryBudget::new(64 << 20))))
    }
}

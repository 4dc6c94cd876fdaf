//! The conditions of a run's sources: met from the start of the run until it ends.

use super::capture_switch::CAPTURE;
use super::shard::Source;
use crate::admin::Readiness;
use crate::settings::Settings;

/// The condition of capture files and of inputs that end by themselves.
const FILES: &str = "files";
/// The condition of inputs that others connect to.
const LISTENING: &str = "listening";

/// The conditions of those sources that a run has.
pub(super) struct SourceConditions {
    names: Vec<&'static str>,
    readiness: Readiness,
}

impl SourceConditions {
    /// `captures`: whether the kernel's programs are a source, with or without a target as yet.
    pub fn new<'a>(
        settings: &Settings,
        captures: bool,
        sources: impl Iterator<Item = &'a Source>,
        readiness: Readiness,
    ) -> Self {
        let listening = settings.messages().filter(|(input, _)| input.listens()).count();
        let others = sources.filter(|source| !source.is_live()).count();
        let all = [
            (CAPTURE, captures),
            (FILES, others > listening),
            (LISTENING, listening > 0),
        ];
        let names = all.into_iter().filter(|(_, is_here)| *is_here);
        Self {
            names: names.map(|(name, _)| name).collect(),
            readiness,
        }
    }

    /// Says that the sources are read.
    pub fn ready(&self) {
        for name in &self.names {
            self.readiness.set(*name, Ok(()));
        }
    }

    /// Says that the run is ending.
    pub fn ending(&self) {
        for name in &self.names {
            self.readiness.set(*name, Err("the agent is stopping".to_owned()));
        }
    }
}

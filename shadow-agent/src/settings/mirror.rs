//! A mirror: some inputs, the outputs that get what they have, and what stands between.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RawInput;
use crate::input::MessageInput;
use crate::mirror::rules::Rules;
use crate::mirror::{Limit, SplitBy};
use crate::output::OutputSettings;

/// Some inputs, and the outputs that get what they capture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MirrorSettings {
    /// Its name, another for each; only the one mirror of a command line has none.
    pub name: Option<String>,
    /// Where requests are captured, each once.
    pub inputs: Vec<RawInput>,
    /// Where messages come from that are not captured.
    pub messages: Vec<MessageInput>,
    /// Where they go, in the order typed.
    pub outputs: Vec<OutputSettings>,
    /// Limits of its inputs and outputs.
    pub limits: MirrorLimits,
    /// How requests are divided among its outputs; `None` where each gets all of them.
    pub split: Option<SplitBy>,
    /// Rules applied to requests before the outputs.
    pub rules: MirrorRules,
}

/// Limits of the inputs and outputs of a mirror: of those that have one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MirrorLimits {
    /// Of inputs that capture.
    pub inputs: Vec<(RawInput, Limit)>,
    /// Of inputs of whole messages, by their index.
    pub messages: BTreeMap<usize, Limit>,
    /// Of outputs, by their index.
    pub outputs: BTreeMap<usize, Limit>,
}

impl MirrorLimits {
    /// The limit of an input that captures.
    pub fn of(&self, input: &RawInput) -> Option<Limit> {
        let mut all = self.inputs.iter();
        all.find(|(of, _)| of == input).map(|(_, limit)| *limit)
    }
}

/// The rules of a mirror, which differ between its outputs in what is hidden alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MirrorRules {
    live: Option<Arc<Rules>>,
    recording: Option<Arc<Rules>>,
}

impl MirrorRules {
    /// Rules for outputs that replay, and for those that keep traffic; those that do nothing cost nothing.
    pub fn new(live: Rules, recording: Rules) -> Self {
        let some = |rules: Rules| (rules != Rules::default()).then(|| Arc::new(rules));
        Self {
            live: some(live),
            recording: some(recording),
        }
    }

    /// Those for outputs that replay: only what is asked for by name is hidden.
    pub fn for_live(&self) -> Option<&Arc<Rules>> {
        self.live.as_ref()
    }

    /// Those for outputs that keep traffic: credentials are hidden too, unless that was turned off.
    pub fn for_recording(&self) -> Option<&Arc<Rules>> {
        self.recording.as_ref()
    }

    /// Describes what recordings redact by default; `None` if nothing.
    pub fn hidden_in_recordings(&self) -> Option<&'static str> {
        (self.recording != self.live).then_some(
            "credentials and cookies are replaced by keyed hashes in this recording, so replayed requests are \
             not authenticated: --http-redact-none records them unchanged",
        )
    }

    /// Those for this output.
    pub fn of(&self, output: &OutputSettings) -> Option<&Arc<Rules>> {
        if output.keeps_traffic() {
            self.for_recording()
        } else {
            self.for_live()
        }
    }
}

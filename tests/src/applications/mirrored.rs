//! One run of an application in production and in the shadow whose answers nobody compares: what each of them answered is read
//! from what the client wrote down, and from a recording.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::instance::Instance;
use super::packages;
use super::trial::{Trial, drive};
use crate::{Agent, Netns, Stage};

/// Method, target as production had it, and status.
pub type Answered = (String, String, u64);

/// The outcome of such a run.
pub struct Mirrored {
    /// Production's answers, sorted.
    pub production: Vec<Answered>,
    /// The shadow's answers, sorted.
    pub shadow: Vec<Answered>,
    /// Requests that were sent with values that the shadow had issued.
    pub correlated: u64,
}

impl Trial<'_> {
    /// Mirrors it with one client, comparing nothing. Every request of the client was seen and delivered.
    pub fn mirror(&self, stage: &Stage) -> Mirrored {
        packages::install(&[self.production, self.shadow, packages::CLIENT]);
        let roles = [("production", self.production, 3), ("shadow", self.shadow, 10)];
        let mut instances =
            roles.map(|(role, release, issued)| Instance::start(stage, &release, role, issued));
        instances.iter_mut().for_each(Instance::wait);
        let (record, recording) = (stage.path("answers.jsonl"), stage.path("recording.jsonl"));
        let (input, urls) = (
            instances[0].address.to_string(),
            instances.each_ref().map(Instance::url),
        );
        let recorded = recording.to_str().expect("a path in UTF-8");
        let mut arguments = vec!["--input-raw", &input, "--output-http", &urls[1]];
        arguments.push("--output-http-track-response");
        arguments.extend(["--output-file", recorded, "--output-file-append"]);
        arguments.extend(self.flags);
        let agent = Agent::start(stage, &Netns::host(), &arguments);
        let sent = drive(
            self.production.application,
            &urls[0],
            (self.rounds, 1, self.reads),
            Some(&record),
        );
        let ledger = agent.stop();
        ledger.assert_closed();
        let shadow = ledger.output(&urls[1]);
        assert_eq!(
            (ledger.seen(), ledger.delivered(shadow)),
            (sent, sent),
            "{ledger}"
        );
        Mirrored {
            production: by_production(&record),
            shadow: by_shadow(&recording),
            correlated: ledger.of(shadow, "correlated"),
        }
    }
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("the file");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn by_production(record: &Path) -> Vec<Answered> {
    let lines = lines(record).into_iter();
    let mut answered: Vec<_> = lines
        .map(|line| {
            let status = line["status"].as_u64().expect("a status");
            (text(&line["method"]), text(&line["target"]), status)
        })
        .collect();
    answered.sort();
    answered
}

/// An answer stands beside its request, or in a later line with the same id.
fn by_shadow(recording: &Path) -> Vec<Answered> {
    let (mut asked, mut answered) = (HashMap::new(), Vec::new());
    for line in lines(recording) {
        let id = text(&line["id"]);
        if line["method"].is_string() {
            asked.insert(id.clone(), (text(&line["method"]), text(&line["url"])));
        }
        if let Some(status) = line["shadow_status"].as_u64() {
            let (method, target) = asked[&id].clone();
            answered.push((method, target, status));
        }
    }
    answered.sort();
    answered
}

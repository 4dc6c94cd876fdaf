//! Where two releases differ in truth: each is asked directly, and a script that shares nothing with the agent compares.

use serde_json::Value;

use super::instance::{Instance, python};
use super::trial::drive;
use super::{Release, packages};
use crate::{Report, Stage, process};

/// A report held against the truth.
#[derive(Debug)]
pub struct Truth {
    /// How many places differ for sure.
    pub real: u64,
    /// Those of them that the report does not name.
    pub missed: Vec<String>,
    /// Places that the report names although they do not differ.
    pub invented: Vec<String>,
}

/// Asks two instances of today's release and one of the next, each by a client of its own, and holds the report against what
/// they answered.
pub fn truth(stage: &Stage, today: Release, next: Release, rounds: u32, report: &Report) -> Truth {
    let mut command = python(&packages::client());
    command.arg(packages::fixtures().join("truth.py"));
    for (role, release, issued) in [("today", today, 3), ("another", today, 17), ("next", next, 10)] {
        let mut instance = Instance::start(stage, &release, role, issued);
        instance.wait();
        let record = stage.path(&format!("{role}.jsonl"));
        drive(
            release.application,
            &instance.url(),
            (rounds, 1, 0),
            Some(&record),
        );
        command.arg(record);
    }
    let file = stage.path("held-against-the-truth.json");
    std::fs::write(&file, report.0.to_string()).expect("the report's file");
    let found: Value = serde_json::from_str(&process::check(command.arg(file))).expect("JSON");
    let names = |name: &str| -> Vec<String> {
        let all = found[name].as_array().expect("names").iter();
        all.map(|name| name.as_str().expect("a name").to_owned())
            .collect()
    };
    Truth {
        real: found["real"].as_u64().expect("a number"),
        missed: names("missed"),
        invented: names("invented"),
    }
}

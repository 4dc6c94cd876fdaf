//! One run of an application in production and in the shadow, with the traffic of its users, and what the agent said.

use std::path::Path;

use super::instance::{Instance, python};
use super::{Release, packages};
use crate::{Agent, Ledger, Netns, Report, Stage, process};

/// Latencies are not judged: a test shares the machine with whatever else runs on it.
const WHATEVER_IT_TAKES: [&str; 2] = ["--compare-latency-floor", "10s"];

/// A trial of an application.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// Production's release.
    pub production: Release,
    /// The shadow's release.
    pub shadow: Release,
    /// Whether another instance of production's release is the control.
    pub control: bool,
    /// Rounds of the application's traffic: some twenty to fifty requests each.
    pub rounds: u32,
    /// Clients that send it at the same time.
    pub clients: u32,
    /// Reads of one small page behind that, as most requests of a site are.
    pub reads: u32,
    /// More flags of the agent.
    pub flags: &'a [&'a str],
}

/// The outcome of a trial.
pub struct Tried {
    /// The agent's report.
    pub report: Report,
    /// The agent's ledger.
    pub ledger: Ledger,
}

impl Trial<'_> {
    /// Runs it. Every request of the client was seen and delivered, and the report accounts for each.
    pub fn run(&self, stage: &Stage) -> Tried {
        packages::install(&[self.production, self.shadow, packages::CLIENT]);
        let roles = [
            ("production", self.production, 3),
            ("shadow", self.shadow, 10),
            ("control", self.production, 17),
        ];
        let mut instances: Vec<_> = roles[..if self.control { 3 } else { 2 }]
            .iter()
            .map(|(role, release, issued)| Instance::start(stage, release, role, *issued))
            .collect();
        instances.iter_mut().for_each(Instance::wait);

        let file = stage.path("report.json");
        let page = stage.path("report.html");
        let input = instances[0].address.to_string();
        let urls: Vec<_> = instances.iter().map(Instance::url).collect();
        let mut arguments = vec!["--input-raw", &input, "--output-http", &urls[1], "--compare"];
        if self.control {
            arguments.extend(["--compare-control", &urls[2]]);
        }
        arguments.extend(["--report", text(&file), "--report", text(&page)]);
        arguments.extend(WHATEVER_IT_TAKES.iter().chain(self.flags));
        let agent = Agent::start(stage, &Netns::host(), &arguments);
        let sent = drive(
            self.production.application,
            &urls[0],
            (self.rounds, self.clients, self.reads),
            None,
        );
        let (status, ledger) = agent.stop_to_judge();
        ledger.assert_closed();
        let shadow = ledger.output(&urls[1]);
        assert_eq!(
            (ledger.seen(), ledger.delivered(shadow)),
            (sent, sent),
            "{ledger}"
        );
        let report = Report::read(&file);
        let expected = match report.verdict() {
            "GO" => 0,
            "NO-GO" => 1,
            _ => 3,
        };
        assert_eq!(status, Some(expected), "{report}");
        report.assert_accounts_for(0, &ledger);
        assert_eq!(report.compared(0), sent, "{report}");
        Tried { report, ledger }
    }
}

/// Sends so many rounds of an application's traffic to `url`, by so many clients, and then so many reads; each request has its
/// answer when this gives their number. With a file the answers are in it.
pub(super) fn drive(
    application: &str,
    url: &str,
    (rounds, clients, reads): (u32, u32, u32),
    record: Option<&Path>,
) -> u64 {
    let mut command = python(&packages::client());
    command
        .arg(packages::fixtures().join("drive.py"))
        .args([application, url])
        .args([rounds, clients, reads].map(|number| number.to_string()))
        .args(record);
    let sent = process::check(&mut command);
    sent.trim().parse().expect("a number of requests")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

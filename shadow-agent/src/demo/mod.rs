//! `shadow-agent demo`: everything at work in one process and some ten seconds. A shop as production, its next release with
//! planted faults, and another instance of production as the control; load on production; live mirroring and comparing through
//! the kernel; then the ledger, the verdict, the servers' own counts, and what was planted beside what was named.

mod agreement;
mod calls;
mod client;
mod faults;
mod load;
mod noise;
mod planted;
pub mod process;
mod protobuf;
mod requests;
mod scene;
mod server;
mod shop;
mod stock;

pub use self::faults::{Fault, Faults};
pub use self::load::Load;

use std::path::PathBuf;

use anyhow::Context;

use self::agreement::agreement;
use self::planted::planted;
use self::scene::Scene;
use crate::agent::{self, Control};
use crate::compare::document::Verdict;
use crate::report::{VerdictFile, grouped, summary, table};
use crate::settings::Settings;
use crate::status;

/// Requests to the shop for one call of its gRPC service.
const REQUESTS_PER_CALL: u32 = 5;

/// Settings of the demo.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The load.
    pub load: Load,
    /// Faults of the next release.
    pub faults: Faults,
    /// Where the report goes.
    pub report: Vec<PathBuf>,
}

/// Runs the demo. Needs what live capture needs.
///
/// Whether everything agreed: the ledger balances, each server's own count is the agent's, and the comparison named each planted
/// fault and nothing else, unless it says itself that it had not enough data. That it says NO-GO is as it was planted.
///
/// `resolve` makes settings of a command line, as for a user's.
///
/// # Errors
///
/// Where a report cannot be written, a server or the agent cannot be started, or a client got no answer.
pub fn run(
    wanted: Wanted,
    resolve: impl FnOnce(&[String]) -> anyhow::Result<Settings>,
) -> anyhow::Result<bool> {
    let Wanted { load, faults, report } = wanted;
    let mut files = report
        .iter()
        .map(|path| VerdictFile::open(path))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let calls = Load {
        requests: load.requests / u64::from(REQUESTS_PER_CALL),
        rate: load.rate.div_ceil(REQUESTS_PER_CALL),
    };
    let (scene, capturing, stop) = Scene::start(load, calls, faults.clone())?;
    let (production, shadow, control) = (scene.production, scene.shadow, scene.control);
    // The same way in as a user's: what is printed is what runs.
    let flags = [
        "shadow-agent".to_owned(),
        "--input-raw".to_owned(),
        production.to_string(),
        "--output-http".to_owned(),
        format!("http://{shadow}"),
        "--compare".to_owned(),
        "--compare-control".to_owned(),
        format!("http://{control}"),
    ];
    eprintln!(
        "Production is a small shop on http://{production}, its next release on http://{shadow},\n\
         another instance of production on http://{control}.\n\
         {} requests and {} calls of gRPC go only to production, {} per second. Next to it runs\n\n    {} \\\n        {}\n",
        grouped(load.requests),
        grouped(calls.requests),
        grouped((load.rate + calls.rate).into()),
        flags[..5].join(" "),
        flags[5..].join(" "),
    );
    let settings = resolve(&flags)?;
    let control = Control {
        capturing: Some(capturing),
        stop: Some(stop),
        ..Control::default()
    };
    let (account, ended) = agent::run(settings, control)?;
    let served = scene.finish()?;
    let ledger = account.document();
    status::clear();
    eprint!("{}", table(&ledger));
    ended?;
    let document = account.verdict.context("nothing was compared")?;
    let comparison = document.comparisons.first().context("nothing was compared")?;
    let (counts, agree) = agreement(&ledger, comparison, &served);
    let (named, as_planted) = planted(comparison, &faults);
    eprint!("{}\n{counts}\n{named}", summary(&document));
    for file in &mut files {
        file.write(&document)?;
    }
    let judged = comparison.verdict.word != Verdict::NotEnoughData;
    Ok(agree && ledger.balanced && (as_planted || !judged))
}

//! `shadow-agent demo`: everything at work in one process and a few seconds. Two built-in servers, one of
//! them with planted differences; load on production; live mirroring through the kernel; then the ledger, and
//! the servers' own counts beside it.

mod agreement;
mod client;
mod faults;
mod load;
mod noise;
pub mod part;
mod requests;
mod scene;
mod server;
mod shop;

pub use self::faults::{Fault, Faults};
pub use self::load::Load;

use clap::Parser;

use self::agreement::agreement;
use self::scene::Scene;
use crate::agent::{self, Control};
use crate::cli::high::{self, Resolved};
use crate::cli::low::Arguments;
use crate::cli::low::admin::Admin;
use crate::cli::machine::ThisMachine;
use crate::report::{grouped, table};
use crate::status;

/// Runs the demo; whether everything agreed. Needs what live capture needs.
pub fn run(load: Load, faults: Faults) -> anyhow::Result<bool> {
    let (scene, capturing, stop) = Scene::start(load, faults)?;
    let (production, shadow) = (scene.production, scene.shadow);
    // The same way in as a user's: what is printed is what runs.
    let flags = [
        "shadow-agent".to_owned(),
        "--input-raw".to_owned(),
        production.to_string(),
        "--output-http".to_owned(),
        format!("http://{shadow}"),
    ];
    eprintln!(
        "Production is a small shop on http://{production}, its next release on http://{shadow}.\n\
         {} requests go to production alone, {} a second. Beside it runs\n\n    {}\n",
        grouped(load.requests),
        grouped(load.rate.into()),
        flags.join(" ")
    );
    let mut arguments = Arguments::try_parse_from(flags)?;
    // The environment may be that of an agent on the same machine: its port is taken, and its budget not meant.
    arguments.admin = Admin::default();
    let Resolved { settings, .. } = high::resolve(&arguments, &ThisMachine)?;
    let control = Control {
        capturing: Some(capturing),
        stop: Some(stop),
        ..Control::default()
    };
    let (account, ended) = agent::run(settings, control)?;
    let served = scene.finish()?;
    let document = account.document();
    let (text, agree) = agreement(&document, &served);
    status::clear();
    eprint!("{}\n{text}", table(&document));
    ended?;
    Ok(agree && document.balanced)
}

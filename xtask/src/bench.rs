//! `cargo xtask bench`: production alone against production mirrored, in paired rounds of one run.
//!
//! Every round measures production alone, with the agent capturing to null, with the agent mirroring to a
//! second nginx, and with nginx's own `mirror` directive: flat out by wrk, and at a fixed rate by a load
//! generator of its own. Figures are ratios to production alone in the same round, so that a machine that
//! drifts cancels out; the order of the variants turns from round to round for the same reason. Beside the rounds stand
//! kernel time, recordings, comparing, TLS, HTTP/2 and idle connections.

mod agent;
mod aims;
mod compare;
mod figures;
mod folder;
mod h2load;
mod http2;
mod idle;
mod load;
mod machine;
mod measure;
mod nginx;
mod pace;
mod packets;
mod plan;
mod process;
mod recordings;
mod report;
mod rounds;
mod sockets;
mod spread;
mod stage;
mod stat;
mod table;
mod tls;
mod variant;
mod wrk;

use std::path::PathBuf;

use anyhow::{Context, bail};

use self::plan::Part;
use self::report::Report;
use self::stage::Stage;
use crate::setup;

/// Arguments of the chore.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// Rounds; each measures every variant under both loads.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of load for one measurement.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Measure only this; may be repeated. Production alone is always measured beside a variant.
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Part>,
    /// Where the JSON goes [default: bench.json in cargo's target folder].
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure this agent instead of building one.
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// More arguments for the agent, after `--`: to see what they change.
    #[arg(last = true, value_name = "ARGUMENTS")]
    more: Vec<String>,
    #[command(subcommand)]
    helper: Option<Helper>,
}

/// Parts of the benchmark that run as processes of their own, so that what they use can be told apart.
#[derive(clap::Subcommand)]
enum Helper {
    /// Requests at a fixed rate.
    #[command(hide = true)]
    Pace(pace::Arguments),
    /// Connections that are opened, used once and kept.
    #[command(hide = true)]
    Idle(idle::Arguments),
}

/// Runs the chore.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.helper {
        Some(Helper::Pace(arguments)) => return pace::run(arguments),
        Some(Helper::Idle(arguments)) => return idle::run(arguments),
        None => {}
    }
    if !setup::is_root() {
        bail!("the benchmark makes a network namespace and captures live traffic: run it as root");
    }
    let needed = setup::PROGRAMS
        .iter()
        .filter(|(name, _)| ["nginx", "wrk", "ip", "openssl", "h2load"].contains(name));
    setup::install(&needed.copied().collect::<Vec<_>>());
    let plan = plan::Plan::new(arguments);
    let agent = match &arguments.agent {
        Some(agent) => agent
            .canonicalize()
            .with_context(|| format!("no agent at {}", agent.display()))?,
        None if plan.needs_agent() => setup::build_agent(setup::Profile::Release, setup::Features::All)?,
        None => PathBuf::new(),
    };
    process::end_children_on_signals()?;
    let machine = machine::Machine::look(&agent);
    println!("{machine}");

    let stage = Stage::set(agent, arguments.more.clone())?;
    let report = measure(&stage, &plan, machine);
    drop(stage);
    let report = match report {
        Err(error) if process::interrupted() => {
            return Err(error.context("interrupted: everything started was ended"));
        }
        report => report?,
    };
    println!("{report}");
    let json = arguments
        .json
        .clone()
        .unwrap_or_else(|| setup::target().join("bench.json"));
    std::fs::write(&json, report.to_json()?).with_context(|| format!("cannot write {}", json.display()))?;
    println!("All measurements: {}", json.display());
    match report.failures() {
        [] => Ok(()),
        failures => bail!("not measured: {}", failures.join("; ")),
    }
}

/// The rounds must succeed; a part beside them that fails leaves the others' figures to be reported.
fn measure(stage: &Stage, plan: &plan::Plan, machine: machine::Machine) -> anyhow::Result<Report> {
    let mut report = Report::new(machine, plan, rounds::Rounds::measure(stage, plan)?);
    if plan.has(Part::Packets) {
        report.add_packets(packets::measure(stage, plan.seconds));
    }
    if plan.has(Part::Recordings) && !process::interrupted() {
        report.add_recordings(recordings::measure(stage, plan.rounds, plan.seconds));
    }
    if plan.has(Part::Compare) && !process::interrupted() {
        report.add_compared(compare::measure(stage, plan.rounds, plan.seconds));
    }
    if plan.has(Part::Tls) && !process::interrupted() {
        report.add_tls(tls::measure(stage, plan.rounds, plan.seconds));
    }
    if plan.has(Part::Http2) && !process::interrupted() {
        report.add_http2(http2::measure(stage, plan.rounds, plan.seconds));
    }
    if plan.has(Part::Idle) && !process::interrupted() {
        report.add_idle(idle::measure(stage));
    }
    if process::interrupted() {
        bail!("measuring was ended");
    }
    Ok(report)
}

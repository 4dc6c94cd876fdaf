//! One measurement: a variant under a load, once.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use super::agent::{Agent, Ledger};
use super::load::{Load, LoadResult};
use super::nginx::Counts;
use super::stage::Stage;
use super::stat::{Memory, Moment};
use super::variant::Variant;

/// After the load, the shadow has everything once its count has not changed for so long.
const QUIET: Duration = Duration::from_millis(200);

/// The longest that is waited for.
const MAX_DRAIN: Duration = Duration::from_secs(20);

/// The figures of one measurement. Times in microseconds, from the start of the load until all copies were delivered.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// The round, from 0.
    pub round: u32,
    /// The variant.
    pub variant: Variant,
    /// The load.
    pub load: Load,
    /// The load generator's figures.
    pub load_result: LoadResult,
    /// Production's counts.
    pub production: Counts,
    /// The shadow's counts.
    pub shadow: Counts,
    /// Processor time of production's workers.
    pub production_cpu_us: f64,
    /// Processor time of the shadow's workers.
    pub shadow_cpu_us: f64,
    /// Time that all processors together were busy.
    pub machine_busy_us: f64,
    /// Time that all processors together had.
    pub machine_time_us: f64,
    /// The agent, where it takes part.
    pub agent: Option<AgentUse>,
}

/// The agent's use of the machine, and its own counts.
#[derive(Clone, Debug, Serialize)]
pub struct AgentUse {
    /// Its processor time.
    pub cpu_us: f64,
    /// Its memory at the end of the load.
    pub memory: Memory,
    /// Its ledger.
    pub ledger: Ledger,
}

/// Measures a variant under a load.
pub fn measure(
    stage: &Stage,
    variant: Variant,
    load: Load,
    round: u32,
    seconds: u32,
) -> anyhow::Result<Measurement> {
    let to = variant.address();
    let agent = variant
        .output()
        .map(|output| Agent::start(stage, &to.to_string(), &output))
        .transpose()
        .with_context(|| format!("measuring {}", variant.title()))?;

    let before = Snapshot::take(stage, agent.as_ref())?;
    let load_result = load
        .run(to, seconds)
        .with_context(|| format!("loading {}, {}", variant.title(), load.title()))?;
    wait_until_quiet(stage)?;
    let after = Snapshot::take(stage, agent.as_ref())?;

    let agent = match agent {
        None => None,
        Some(agent) => {
            let memory = Memory::of(agent.pid())?;
            let cpu_us = micros(after.agent_cpu.saturating_sub(before.agent_cpu));
            Some(AgentUse {
                cpu_us,
                memory,
                ledger: agent.stop()?,
            })
        }
    };
    // Once more: what the agent delivered while it ended counts as well.
    let shadow = stage.shadow.counts()?;
    Ok(Measurement {
        round,
        variant,
        load,
        load_result,
        production: after.production.since(before.production),
        shadow: shadow.since(before.shadow),
        production_cpu_us: micros(after.production_cpu.saturating_sub(before.production_cpu)),
        shadow_cpu_us: micros(after.shadow_cpu.saturating_sub(before.shadow_cpu)),
        machine_busy_us: micros(before.machine.busy_until(&after.machine)),
        machine_time_us: micros(before.machine.time_until(&after.machine)),
        agent,
    })
}

struct Snapshot {
    production: Counts,
    shadow: Counts,
    production_cpu: Duration,
    shadow_cpu: Duration,
    agent_cpu: Duration,
    machine: Moment,
}

impl Snapshot {
    fn take(stage: &Stage, agent: Option<&Agent>) -> anyhow::Result<Self> {
        Ok(Self {
            production: stage.production.counts()?,
            shadow: stage.shadow.counts()?,
            production_cpu: stage.production.cpu()?,
            shadow_cpu: stage.shadow.cpu()?,
            agent_cpu: agent.map(Agent::cpu).transpose()?.unwrap_or_default(),
            machine: Moment::now()?,
        })
    }
}

/// Waits until the shadow counts no more requests.
pub fn wait_until_quiet(stage: &Stage) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut before = stage.shadow.counts()?;
    loop {
        std::thread::sleep(QUIET);
        let now = stage.shadow.counts()?;
        if now == before || start.elapsed() > MAX_DRAIN {
            return Ok(());
        }
        before = now;
    }
}

impl Measurement {
    /// The share of the machine that was used by nothing that takes part: interrupts that are nobody's, and
    /// whatever else runs here.
    pub fn elsewhere(&self) -> f64 {
        let agent = self.agent.as_ref().map_or(0.0, |agent| agent.cpu_us);
        let known = self.load_result.cpu_us + self.production_cpu_us + self.shadow_cpu_us + agent;
        (self.machine_busy_us - known) / self.machine_time_us
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

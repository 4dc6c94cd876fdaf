//! The figures of a measurement: what it means beside production alone in the same round.

use super::load::Load;
use super::measure::Measurement;
use super::variant::Variant;

/// How a figure comes from a measurement and from that of production alone under the same load in the same round.
/// It has no value where it means nothing.
pub type Value = fn(&Measurement, &Measurement) -> Option<f64>;

/// One figure.
pub struct Figure {
    /// Its name in the report.
    pub title: &'static str,
    /// Decimals it is printed with.
    pub decimals: usize,
    /// Its value.
    pub value: Value,
}

const MIB: f64 = 1024.0 * 1024.0;

/// The figures, in the order of the report.
pub const FIGURES: &[Figure] = &[
    Figure {
        title: "production, requests/s",
        decimals: 0,
        value: |m, _| Some(m.load_result.rate()),
    },
    Figure {
        title: "  ratio to alone",
        decimals: 3,
        value: throughput,
    },
    Figure {
        title: "production, p99 ms",
        decimals: 2,
        value: |m, _| Some(m.load_result.p99_us / 1e3),
    },
    Figure {
        title: "  ratio to alone",
        decimals: 2,
        value: p99,
    },
    Figure {
        title: "failed requests",
        decimals: 0,
        value: |m, _| Some(m.load_result.errors as f64),
    },
    Figure {
        title: "load generator, CPU us/request",
        decimals: 1,
        value: |m, _| Some(m.load_result.cpu_per_request()),
    },
    Figure {
        title: "production, CPU us/request",
        decimals: 1,
        value: |m, _| Some(m.production_cpu_us / m.production.requests as f64),
    },
    Figure {
        title: "agent, CPU us/mirrored request",
        decimals: 1,
        value: agent_cpu,
    },
    Figure {
        title: "  ratio to wrk in the same run",
        decimals: 2,
        value: agent_cpu_to_wrk,
    },
    Figure {
        title: "  ratio to wrk, alone",
        decimals: 2,
        value: agent_cpu_to_wrk_alone,
    },
    Figure {
        title: "machine, CPU us/mirrored request",
        decimals: 1,
        value: machine_cpu,
    },
    Figure {
        title: "  without the shadow's own",
        decimals: 1,
        value: machine_cpu_without_shadow,
    },
    Figure {
        title: "machine, busy with anything else, %",
        decimals: 1,
        value: |m, _| Some(m.elsewhere() * 100.0),
    },
    Figure {
        title: "requests mirrored",
        decimals: 0,
        value: mirrored,
    },
    Figure {
        title: "lost (agent's ledger)",
        decimals: 0,
        value: lost_by_ledger,
    },
    Figure {
        title: "lost in capture, packets",
        decimals: 0,
        value: lost_in_capture,
    },
    Figure {
        title: "lost (by the servers' counts)",
        decimals: 0,
        value: lost_by_count,
    },
    Figure {
        title: "  %",
        decimals: 2,
        value: |m, alone| Some(lost_by_count(m, alone)? / m.production.requests as f64 * 100.0),
    },
    Figure {
        title: "shadow's connections/production's",
        decimals: 2,
        value: connections,
    },
    Figure {
        title: "agent, peak resident MiB",
        decimals: 1,
        value: |m, _| memory(m, |memory| memory.peak),
    },
    Figure {
        title: "  resident at the end",
        decimals: 1,
        value: |m, _| memory(m, |memory| memory.resident),
    },
    Figure {
        title: "  of which its own (anonymous)",
        decimals: 1,
        value: |m, _| memory(m, |memory| memory.anonymous),
    },
    Figure {
        title: "  of which files and rings",
        decimals: 1,
        value: |m, _| memory(m, |memory| memory.file + memory.shared),
    },
];

/// Production's throughput.
pub fn throughput(m: &Measurement, alone: &Measurement) -> Option<f64> {
    compared(m).then(|| m.load_result.rate() / alone.load_result.rate())
}

/// Production's 99th percentile.
pub fn p99(m: &Measurement, alone: &Measurement) -> Option<f64> {
    compared(m).then(|| m.load_result.p99_us / alone.load_result.p99_us)
}

/// Requests that were mirrored: by the agent's ledger where there is one, or else as the shadow counted.
pub fn mirrored(m: &Measurement, _: &Measurement) -> Option<f64> {
    match &m.agent {
        Some(agent) => Some(agent.ledger.delivered() as f64),
        None => m.variant.mirrors().then_some(m.shadow.requests as f64),
    }
    .filter(|mirrored| *mirrored > 0.0)
}

/// The agent's processor time for a mirrored request, in microseconds.
pub fn agent_cpu(m: &Measurement, alone: &Measurement) -> Option<f64> {
    Some(m.agent.as_ref()?.cpu_us / mirrored(m, alone)?)
}

/// That, by what wrk took for a request in this very measurement.
pub fn agent_cpu_to_wrk(m: &Measurement, alone: &Measurement) -> Option<f64> {
    (m.load == Load::FlatOut).then_some(agent_cpu(m, alone)? / m.load_result.cpu_per_request())
}

/// That, by what wrk took for a request when production was alone.
pub fn agent_cpu_to_wrk_alone(m: &Measurement, alone: &Measurement) -> Option<f64> {
    (m.load == Load::FlatOut).then_some(agent_cpu(m, alone)? / alone.load_result.cpu_per_request())
}

/// Time that the whole machine was busy beyond what it would have been for the same requests alone, for a
/// mirrored request, in microseconds.
pub fn machine_cpu(m: &Measurement, alone: &Measurement) -> Option<f64> {
    let requests = m.production.requests as f64;
    let would_be = alone.machine_busy_us / alone.production.requests as f64 * requests;
    Some((m.machine_busy_us - would_be) / mirrored(m, alone)?)
}

/// That, without what the shadow's workers took: in life they are on another machine.
pub fn machine_cpu_without_shadow(m: &Measurement, alone: &Measurement) -> Option<f64> {
    Some(machine_cpu(m, alone)? - m.shadow_cpu_us / mirrored(m, alone)?)
}

/// Requests that the agent saw and did not deliver.
pub fn lost_by_ledger(m: &Measurement, _: &Measurement) -> Option<f64> {
    let ledger = &m.agent.as_ref()?.ledger;
    Some(ledger.seen() as f64 - ledger.delivered() as f64)
}

/// Packets that the kernel programs could not copy.
pub fn lost_in_capture(m: &Measurement, _: &Measurement) -> Option<f64> {
    Some(m.agent.as_ref()?.ledger.lost_packets() as f64)
}

/// Requests that production counted and the shadow (or the agent, where there is no shadow) did not; less than
/// none where wrk broke off requests at its end that production never read.
pub fn lost_by_count(m: &Measurement, alone: &Measurement) -> Option<f64> {
    let arrived = if m.variant.mirrors() {
        m.shadow.requests as f64
    } else {
        mirrored(m, alone)?
    };
    Some(m.production.requests as f64 - arrived)
}

/// Connections that the shadow accepted for each that production did.
pub fn connections(m: &Measurement, _: &Measurement) -> Option<f64> {
    m.variant
        .mirrors()
        .then(|| m.shadow.connections as f64 / m.production.connections as f64)
}

/// The agent's peak resident memory in MiB.
pub fn peak_memory(m: &Measurement, _: &Measurement) -> Option<f64> {
    memory(m, |memory| memory.peak)
}

fn memory(m: &Measurement, part: impl Fn(&super::stat::Memory) -> u64) -> Option<f64> {
    Some(part(&m.agent.as_ref()?.memory) as f64 / MIB)
}

fn compared(m: &Measurement) -> bool {
    m.variant != Variant::Alone
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::agent::Ledger;
    use super::super::load::LoadResult;
    use super::super::measure::AgentUse;
    use super::super::nginx::Counts;
    use super::super::stat::Memory;
    use super::*;

    fn measurement(variant: Variant, requests: u64, busy: f64, agent: Option<AgentUse>) -> Measurement {
        Measurement {
            round: 0,
            variant,
            load: Load::FlatOut,
            load_result: LoadResult {
                requests,
                seconds: 1.0,
                p50_us: 500.0,
                p99_us: 1000.0,
                errors: 0,
                cpu_us: requests as f64 * 10.0,
            },
            production: Counts {
                connections: 64,
                requests,
            },
            shadow: Counts {
                connections: 32,
                requests: requests - 5,
            },
            production_cpu_us: 0.0,
            shadow_cpu_us: requests as f64 * 5.0,
            machine_busy_us: busy,
            machine_time_us: busy,
            agent,
        }
    }

    fn pair() -> (Measurement, Measurement) {
        let memory = Memory {
            peak: 1 << 20,
            resident: 0,
            anonymous: 0,
            file: 0,
            shared: 0,
        };
        let ledger = Ledger::read(json!({
            "seen": 1000, "outputs": [{"delivered": 990, "dropped": {"gap": 10}}], "balanced": true,
            "capture": {"ring_full_packets": 3, "load_error_packets": 1},
        }));
        let agent = AgentUse {
            cpu_us: 9900.0 * 2.0,
            memory,
            ledger,
        };
        let mirror = measurement(Variant::Mirror, 1000, 100_000.0, Some(agent));
        (mirror, measurement(Variant::Alone, 2000, 100_000.0, None))
    }

    #[track_caller]
    fn assert_is(value: Option<f64>, expected: f64) {
        assert!(
            (value.expect("a value") - expected).abs() < 1e-9,
            "{value:?} is not {expected}"
        );
    }

    #[test]
    fn figures_are_ratios_to_production_alone() {
        let (mirror, alone) = pair();
        assert_is(throughput(&mirror, &alone), 0.5);
        assert_is(p99(&mirror, &alone), 1.0);
        assert_eq!(throughput(&alone, &alone), None);
    }

    #[test]
    fn costs_are_for_a_mirrored_request() {
        let (mirror, alone) = pair();
        assert_is(agent_cpu(&mirror, &alone), 20.0);
        assert_is(agent_cpu_to_wrk(&mirror, &alone), 2.0);
        // 100 us a request against 50 alone, for 1000 of which 990 were mirrored.
        assert_is(machine_cpu(&mirror, &alone), 50_000.0 / 990.0);
        assert_is(machine_cpu_without_shadow(&mirror, &alone), 45_000.0 / 990.0);
    }

    #[test]
    fn loss_is_counted_by_the_agent_and_by_both_servers() {
        let (mirror, alone) = pair();
        assert_is(lost_by_ledger(&mirror, &alone), 10.0);
        assert_is(lost_in_capture(&mirror, &alone), 4.0);
        assert_is(lost_by_count(&mirror, &alone), 5.0);
        assert_is(connections(&mirror, &alone), 0.5);
    }
}

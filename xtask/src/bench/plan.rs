//! The plan of a measurement: variants, rounds, load.

use clap::ValueEnum;
use serde::Serialize;

use super::Arguments;
use super::load::Load;
use super::variant::Variant;

/// A part that can be asked for by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Production alone.
    Alone,
    /// The agent capturing to null.
    Null,
    /// The agent mirroring to a second nginx.
    Mirror,
    /// nginx's own `mirror` directive.
    Nginx,
    /// Variants under wrk only.
    FlatOut,
    /// Variants at the fixed rate only.
    FixedRate,
    /// Kernel time for a packet.
    Packets,
    /// Recording to disk, and replaying.
    Recordings,
    /// The cost of comparing answers.
    Compare,
    /// Opening TLS.
    Tls,
    /// Mirroring HTTP/2, beside HTTP/1.1.
    #[value(name = "h2")]
    Http2,
    /// Memory with 100,000 idle connections.
    Idle,
}

impl Part {
    /// Those that stand beside the rounds.
    const BESIDE: [Self; 6] = [
        Self::Packets,
        Self::Recordings,
        Self::Compare,
        Self::Tls,
        Self::Http2,
        Self::Idle,
    ];
}

/// The parts that this run measures.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Rounds.
    pub rounds: u32,
    /// Seconds of load for one measurement.
    pub seconds: u32,
    /// Variants of each round; empty, or production alone among them.
    pub variants: Vec<Variant>,
    /// Loads of each variant.
    pub loads: Vec<Load>,
    /// Parts that are measured beside the rounds.
    pub beside: Vec<Part>,
    /// Arguments that the agent is given besides those of the variants.
    pub agent_arguments: Vec<String>,
}

impl Plan {
    /// Everything, or only what was named.
    pub fn new(arguments: &Arguments) -> Self {
        Self {
            agent_arguments: arguments.more.clone(),
            ..Self::of(&arguments.only, arguments.rounds, arguments.seconds)
        }
    }

    fn of(only: &[Part], rounds: u32, seconds: u32) -> Self {
        let named = |part| only.contains(&part);
        let variants: Vec<_> = Variant::ALL
            .into_iter()
            .filter(|variant| named(part_of(*variant)))
            .collect();
        let loads: Vec<_> = Load::ALL
            .into_iter()
            .filter(|load| {
                named(match load {
                    Load::FlatOut => Part::FlatOut,
                    Load::FixedRate => Part::FixedRate,
                })
            })
            .collect();
        let mut plan = Self {
            rounds,
            seconds,
            beside: Part::BESIDE
                .into_iter()
                .filter(|part| only.is_empty() || named(*part))
                .collect(),
            variants,
            loads,
            agent_arguments: Vec::new(),
        };
        if plan.variants.is_empty() && (only.is_empty() || !plan.loads.is_empty()) {
            plan.variants = Variant::ALL.to_vec();
        }
        if !plan.variants.is_empty() && !plan.variants.contains(&Variant::Alone) {
            plan.variants.insert(0, Variant::Alone);
        }
        if plan.loads.is_empty() {
            plan.loads = Load::ALL.to_vec();
        }
        plan
    }

    /// Whether the agent takes part.
    pub fn needs_agent(&self) -> bool {
        !self.beside.is_empty() || self.variants.iter().any(|variant| variant.output().is_some())
    }

    /// Whether this is measured beside the rounds.
    pub fn has(&self, part: Part) -> bool {
        self.beside.contains(&part)
    }
}

fn part_of(variant: Variant) -> Part {
    match variant {
        Variant::Alone => Part::Alone,
        Variant::Null => Part::Null,
        Variant::Mirror => Part::Mirror,
        Variant::Nginx => Part::Nginx,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_measured_unless_something_is_named() {
        let plan = Plan::of(&[], 1, 1);
        assert_eq!(plan.variants, Variant::ALL);
        assert_eq!(plan.loads, Load::ALL);
        assert_eq!(plan.beside, Part::BESIDE);
    }

    #[test]
    fn a_variant_named_alone_keeps_what_it_is_compared_with() {
        let plan = Plan::of(&[Part::Mirror, Part::FlatOut], 1, 1);
        assert_eq!(plan.variants, [Variant::Alone, Variant::Mirror]);
        assert_eq!(plan.loads, [Load::FlatOut]);
        assert_eq!(plan.beside, []);
    }

    #[test]
    fn what_needs_no_rounds_has_none() {
        let plan = Plan::of(&[Part::Idle], 1, 1);
        assert!(plan.variants.is_empty() && plan.has(Part::Idle) && plan.needs_agent());
    }
}

//! The rounds: every variant under every load, in an order that turns, and again where something else disturbed.

use serde::Serialize;

use super::load::Load;
use super::measure::{Measurement, measure};
use super::plan::Plan;
use super::process::progress;
use super::stage::Stage;
use super::variant::Variant;

/// A measurement during which anything else used more of the machine than this is made again. On a machine
/// without other work it is under 0.02: timers, kernel threads, this program.
const DISTURBED: f64 = 0.05;

/// How often one measurement is made again before it stands as it is.
const REPEATS: usize = 3;

/// The results of the rounds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rounds {
    /// One for each round, load and variant.
    pub measurements: Vec<Measurement>,
    /// Those that were made again because something else disturbed them; they count for nothing.
    pub disturbed: Vec<Measurement>,
}

impl Rounds {
    /// Measures them all.
    pub fn measure(stage: &Stage, plan: &Plan) -> anyhow::Result<Self> {
        let mut rounds = Self::default();
        if plan.variants.is_empty() {
            return Ok(rounds);
        }
        // Neither the page cache nor the processor's clock is warm before the first load.
        Load::FlatOut.run(Variant::Alone.address(), 1)?;
        for round in 0..plan.rounds {
            for load in &plan.loads {
                for variant in order(&plan.variants, round) {
                    rounds.add(stage, plan, variant, *load, round)?;
                }
            }
        }
        Ok(rounds)
    }

    fn add(
        &mut self,
        stage: &Stage,
        plan: &Plan,
        variant: Variant,
        load: Load,
        round: u32,
    ) -> anyhow::Result<()> {
        // Half as many again as planned, so that a machine that is never quiet is measured in bounded time.
        let most = plan.rounds as usize * plan.loads.len() * plan.variants.len() / 2;
        let mut repeats = 0;
        loop {
            let measurement = measure(stage, variant, load, round, plan.seconds)?;
            let disturbed = measurement.elsewhere() > DISTURBED;
            let again = disturbed && repeats < REPEATS && self.disturbed.len() < most;
            progress(&format!(
                "round {}/{}, {}, {}: {:.0} requests/s{}",
                round + 1,
                plan.rounds,
                load.title(),
                variant.title(),
                measurement.load_result.rate(),
                match (disturbed, again) {
                    (false, _) => "",
                    (true, true) => "; something else runs: again",
                    (true, false) => "; something else runs",
                },
            ));
            if !again {
                self.measurements.push(measurement);
                return Ok(());
            }
            self.disturbed.push(measurement);
            repeats += 1;
        }
    }

    /// Measurements that stand although something else disturbed them.
    pub fn doubtful(&self) -> usize {
        self.measurements
            .iter()
            .filter(|measurement| measurement.elsewhere() > DISTURBED)
            .count()
    }
}

/// Turns by one from round to round, and runs backwards in every other one: each variant comes early and late,
/// and after each of the others.
fn order(variants: &[Variant], round: u32) -> Vec<Variant> {
    let mut order = variants.to_vec();
    if order.is_empty() {
        return order;
    }
    let turns = round as usize % order.len();
    order.rotate_left(turns);
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_turns_and_swings() {
        use Variant::{Alone, Mirror, Nginx, Null};
        assert_eq!(order(&Variant::ALL, 0), [Alone, Null, Mirror, Nginx]);
        assert_eq!(order(&Variant::ALL, 1), [Alone, Nginx, Mirror, Null]);
        assert_eq!(order(&Variant::ALL, 2), [Mirror, Nginx, Alone, Null]);
        assert_eq!(order(&Variant::ALL, 3), [Mirror, Null, Alone, Nginx]);
    }
}

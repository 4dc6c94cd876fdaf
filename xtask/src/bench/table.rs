//! The table of a load: a row for each figure, a column for each variant, medians with least and most.

use std::fmt::Write as _;

use super::figures::FIGURES;
use super::load::Load;
use super::measure::Measurement;
use super::plan::Plan;
use super::spread::Spread;

/// Width of a row's name, and of a variant's column.
const NAME: usize = 34;
const COLUMN: usize = 27;

/// The table of a load.
pub fn table(measurements: &[Measurement], plan: &Plan, load: Load) -> String {
    let mut text = format!(
        "{}: {} rounds of {} s; median (least..most)\n\n",
        load.title(),
        plan.rounds,
        plan.seconds
    );
    let _ = write!(text, "{:NAME$}", "");
    for variant in &plan.variants {
        let _ = write!(text, "{:>COLUMN$}", variant.title());
    }
    text.push('\n');
    for figure in FIGURES {
        let spreads: Vec<_> = plan
            .variants
            .iter()
            .map(|variant| Spread::of(measurements, *variant, load, figure.value))
            .collect();
        if spreads.iter().all(Option::is_none) {
            continue;
        }
        let _ = write!(text, "{:NAME$}", figure.title);
        for spread in spreads {
            let cell = spread.map_or_else(|| "-".to_owned(), |spread| show(spread, figure.decimals));
            let _ = write!(text, "{cell:>COLUMN$}");
        }
        text.push('\n');
    }
    text
}

/// `median (least..most)`, or the one value that all rounds have.
pub fn show(spread: Spread, decimals: usize) -> String {
    let number = |value: f64| {
        let text = format!("{value:.decimals$}");
        // There is no less than nothing.
        if text.trim_start_matches('-').trim_matches(['0', '.']).is_empty() {
            text.trim_start_matches('-').to_owned()
        } else {
            text
        }
    };
    let [median, least, most] = [spread.median, spread.least, spread.most].map(number);
    if least == most {
        median
    } else {
        format!("{median} ({least}..{most})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_shown_with_its_ends_unless_they_are_the_same() {
        let spread = |median, least, most| Spread { median, least, most };
        assert_eq!(show(spread(0.5, 0.25, 1.0), 2), "0.50 (0.25..1.00)");
        assert_eq!(show(spread(3.0, 3.0, 3.0), 0), "3");
        assert_eq!(show(spread(-0.001, -0.001, 0.0), 1), "0.0");
        assert_eq!(show(spread(-5.0, -5.0, -5.0), 0), "-5");
    }
}

//! A figure over the rounds: its median, and how far it spreads.

use serde::Serialize;

use super::figures::Value;
use super::load::Load;
use super::measure::Measurement;
use super::variant::Variant;

/// A figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of a figure of a variant under a load, over all rounds that have it.
    pub fn of(measurements: &[Measurement], variant: Variant, load: Load, value: Value) -> Option<Self> {
        let values = measurements
            .iter()
            .filter(|m| m.variant == variant && m.load == load)
            .filter_map(|m| {
                let alone = measurements.iter().find(|alone| {
                    alone.variant == Variant::Alone && alone.load == load && alone.round == m.round
                })?;
                value(m, alone)
            });
        Self::of_values(values.filter(|value| value.is_finite()).collect())
    }

    fn of_values(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(*values.get(middle.checked_sub(1)?)?, *values.get(middle)?)
        } else {
            *values.get(middle)?
        };
        Some(Self {
            median,
            least: *values.first()?,
            most: *values.last()?,
        })
    }
}

/// The median, of an even number the upper one; of none, not a number.
pub fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_a_median_and_its_ends() {
        let spread = |values: &[f64]| Spread::of_values(values.to_vec());
        assert_eq!(spread(&[]), None);
        assert_eq!(
            spread(&[3.0, 1.0, 2.0]),
            Some(Spread {
                median: 2.0,
                least: 1.0,
                most: 3.0
            })
        );
        assert_eq!(
            spread(&[4.0, 1.0]),
            Some(Spread {
                median: 2.5,
                least: 1.0,
                most: 4.0
            })
        );
    }
}

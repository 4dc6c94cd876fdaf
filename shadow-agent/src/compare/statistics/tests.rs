use std::time::Duration;

use super::super::histogram::Histogram;
use super::super::simulation::Random;
use super::*;

#[test]
fn a_share_has_wilsons_interval() {
    // Figures of an independent calculator.
    let rate = rate(143, 10_000);
    assert_eq!((rate.count, rate.total), (143, 10_000));
    assert!((rate.share - 0.0143).abs() < 1e-9);
    assert!((rate.low - 0.012_152).abs() < 1e-5, "{rate:?}");
    assert!((rate.high - 0.016_82).abs() < 1e-5, "{rate:?}");
}

/// How often an interval holds the true value in a simulation.
fn coverage(runs: u64, mut holds: impl FnMut(&mut Random) -> bool) -> f64 {
    let mut random = Random(3);
    (0..runs).filter(|_| holds(&mut random)).count() as f64 / runs as f64
}

fn sample(random: &mut Random, size: u64) -> Histogram {
    let mut histogram = Histogram::default();
    for _ in 0..size {
        histogram.record(Duration::from_micros(random.latency() as u64));
    }
    histogram
}

#[test]
fn intervals_of_shares_cover_as_they_claim() {
    for (total, share) in [(50, 0.5), (200, 0.05), (400, 0.01)] {
        let covered = coverage(1_000, |random| {
            let rate = rate(random.count(total, share), total);
            (rate.low..=rate.high).contains(&share)
        });
        assert!((0.93..0.99).contains(&covered), "{share} of {total}: {covered}");
    }
}

#[test]
fn intervals_of_quantiles_cover_as_they_claim() {
    // The normal quantiles of 50, 95 and 99 percent, through the log-normal distribution of the simulation.
    for (quantile, normal, size) in [(0.5, 0.0, 100), (0.95, 1.644_854, 200), (0.99, 2.326_348, 500)] {
        let truth = 20_000.0 * f64::exp(0.8 * normal);
        let covered = coverage(500, |random| {
            let interval = sample(random, size).quantile(quantile, Confidence::NINETY_FIVE);
            interval.is_some_and(|interval| (interval.low..=interval.high).contains(&truth))
        });
        assert!(
            (0.93..=0.99).contains(&covered),
            "{quantile} of {size}: {covered}"
        );
    }
}

#[test]
fn intervals_of_ratios_cover_as_they_claim() {
    for (quantile, size) in [(0.5, 100), (0.95, 200), (0.99, 500)] {
        let covered = coverage(300, |random| {
            let (production, shadow) = (sample(random, size), sample(random, size));
            let floor = Duration::from_micros(1);
            let ratio = production.ratio(&shadow, quantile, floor, Confidence::NINETY_FIVE);
            ratio.is_some_and(|ratio| ratio.low <= 1.0 && 1.0 <= ratio.high)
        });
        assert!(
            (0.93..=0.99).contains(&covered),
            "{quantile} of {size}: {covered}"
        );
    }
}

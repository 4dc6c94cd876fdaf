use super::super::histogram::Histogram;
use super::super::simulation::Random;
use super::*;

#[test]
fn one_of_two_is_surely_seen_more_often_than_the_other() {
    for (often, other, surely) in [
        (6, 0, false),
        (7, 0, true),
        (8, 1, false),
        (10, 1, true),
        (0, 7, false),
        (500, 500, false),
        (538, 462, true),
        (530, 470, false),
        // Beyond where the sum is exact.
        (1060, 940, true),
        (1040, 960, false),
    ] {
        assert_eq!(is_more_often(often, other, 1), surely, "{often} {other}");
    }
}

#[test]
fn of_many_places_one_must_stand_out_from_all() {
    for (places, enough) in [(0, 7), (1, 7), (2, 8), (100, 14), (10_000, 20)] {
        assert!(!is_more_often(enough - 1, 0, places), "{places}");
        assert!(is_more_often(enough, 0, places), "{places}");
    }
}

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
        histogram.record(random.latency());
    }
    histogram
}

#[test]
fn intervals_of_shares_cover_as_they_claim() {
    for (total, share) in [(50, 0.5), (200, 0.05), (1_000, 0.01)] {
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
        let covered = coverage(300, |random| {
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
    // Of the 99th percentile of 500 the ranks themselves are further apart than they need be.
    for (quantile, size, most) in [(0.5, 100, 0.99), (0.95, 200, 0.99), (0.99, 500, 0.998)] {
        let corners = |production: Interval, shadow: Interval| {
            shadow.low <= production.high && production.low <= shadow.high
        };
        let mut in_corners = 0;
        let covered = coverage(300, |random| {
            let (production, shadow) = (sample(random, size), sample(random, size));
            let of = |side: &Histogram| side.quantile(quantile, Confidence::NINETY_FIVE).expect("enough");
            let (production, shadow) = (of(&production), of(&shadow));
            in_corners += u32::from(corners(production, shadow));
            let ratio = ratio(production, shadow, 1.0);
            ratio.low <= 1.0 && 1.0 <= ratio.high
        });
        assert!(
            (0.93..=most).contains(&covered),
            "{quantile} of {size}: {covered}"
        );
        assert!(in_corners >= 296, "{quantile} of {size}: {in_corners} of 300");
    }
}

#[test]
fn nothing_of_nothing_may_be_anything() {
    assert_eq!(
        rate(0, 0),
        Rate {
            count: 0,
            total: 0,
            share: 0.0,
            low: 0.0,
            high: 1.0
        }
    );
    assert_eq!((rate(0, 10).low, rate(10, 10).high), (0.0, 1.0));
    // More than there are is a fault of whoever counts, and no panic here.
    assert!(rate(11, 10).share <= 1.0);
}

#[test]
fn intervals_are_wider_the_more_figures_they_are_to_hold_for() {
    assert_eq!(Confidence::of_each(0), Confidence::NINETY_FIVE);
    assert_eq!(Confidence::of_each(1), Confidence::NINETY_FIVE);
    // The normal quantiles of 99.75%, 99.975% and 99.995%.
    for (figures, z) in [(10, 2.807_034), (100, 3.480_756), (500, 3.890_592)] {
        assert!((Confidence::of_each(figures).z - z).abs() < 5e-4, "{figures}");
    }
    let of_each = rate_at(30, 1_000, Confidence::of_each(500));
    let alone = rate(30, 1_000);
    assert!(of_each.low < alone.low && alone.high < of_each.high);
}

#[test]
fn ranks_are_those_of_the_binomial_distribution() {
    let ranks = |n, quantile| quantile_ranks(n, quantile, Confidence::NINETY_FIVE);
    // Five values are too few for a median, six are not: 2 / 2^6 is 3.1%.
    assert_eq!(ranks(5, 0.5), None);
    assert_eq!(ranks(6, 0.5), Some((1, 6)));
    assert_eq!(ranks(100, 0.5), Some((40, 61)));
    // 0.99^367 is 2.501%, 0.99^368 is 2.476%.
    assert_eq!(ranks(367, 0.99), None);
    assert_eq!(ranks(368, 0.99), Some((360, 368)));
    assert_eq!(ranks(0, 0.5), None);
    // The approximation takes over without a step.
    let (low, high) = ranks(10_101, 0.99).expect("exact");
    let (next_low, next_high) = ranks(10_102, 0.99).expect("approximate");
    assert!(
        next_low.abs_diff(low) <= 2 && next_high.abs_diff(high) <= 2,
        "{low}, {high}: {next_low}, {next_high}"
    );
    let (low, high) = ranks(u64::MAX / 2, 0.95).expect("many");
    assert!(low < high);
}

#[test]
fn latencies_below_the_floor_are_the_floor() {
    let of = |value: f64| Interval {
        value,
        low: value * 0.9,
        high: value * 1.1,
    };
    let none = Interval {
        value: 1.0,
        low: 1.0,
        high: 1.0,
    };
    assert_eq!(ratio(of(100.0), of(300.0), 10_000.0), none);
    // Of no time at all there is no ratio: a microsecond stands for it.
    assert_eq!(ratio(of(0.0), of(0.0), 0.0), none);
    let slower = ratio(of(1_000.0), of(30_000.0), 10_000.0);
    assert!(
        (slower.value - 3.0).abs() < 1e-9 && (slower.low - 2.7).abs() < 1e-9,
        "{slower:?}"
    );
}

#[test]
fn drawing_so_many_of_a_kind_has_fishers_probability() {
    // Exact fractions.
    for (all, drawn, probability) in [
        ((10, 5), (4, 4), 1.0 / 42.0),
        ((1195, 500), (140, 60), 0.431_778),
        ((5000, 3000), (20, 20), 3.564e-5),
        ((1000, 50), (2, 2), 0.002_452_452),
        ((100, 100), (7, 7), 1.0),
        ((100, 0), (7, 0), 1.0),
        ((10, 5), (4, 5), 1.0),
    ] {
        let found = hypergeometric_tail(all, drawn);
        assert!((found - probability).abs() < 1e-6, "{all:?} {drawn:?} {found}");
    }
}

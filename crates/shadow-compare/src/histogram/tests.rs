use super::*;

fn of(micros: impl IntoIterator<Item = u64>) -> Histogram {
    let mut histogram = Histogram::default();
    for micros in micros {
        histogram.record(Duration::from_micros(micros));
    }
    histogram
}

#[test]
fn values_are_told_within_a_hundredth() {
    for micros in (0..100_000).chain([1 << 30, (1 << 39) + 12_345, (1 << 40) - 1]) {
        let (low, high) = bounds(bucket(micros));
        assert!((low..=high).contains(&micros), "{micros} in {low} to {high}");
        let told = u64::midpoint(low, high);
        assert!(
            told.abs_diff(micros) * 125 <= micros,
            "{micros} is told as {told}"
        );
    }
    assert_eq!(bounds(bucket(127)), (127, 127));
    assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    assert_eq!(bucket((1 << 40) - 1), BUCKETS - 1);
}

#[test]
fn quantiles_have_intervals_by_rank() {
    let quantiles = of(1..=100).quantiles();
    assert_eq!(quantiles.count, 100);
    // Ranks 40 and 61 of 100: Conover's table.
    assert_eq!(
        (quantiles.p50.value, quantiles.p50.low, quantiles.p50.high),
        (50.0, 40.0, 61.0)
    );
    // Nobody knows the upper end of the 99th percentile of a hundred.
    assert_eq!(
        (quantiles.p99.value, quantiles.p99.low, quantiles.p99.high),
        (99.0, 1.0, 100.0)
    );
    assert_eq!(of(1..=100).quantile(0.99, Confidence::NINETY_FIVE), None);
    assert_eq!(Histogram::default().quantiles(), Quantiles::default());
}

#[test]
fn two_halves_are_a_whole() {
    let mut half = of((0..500).map(|at| at * 37));
    half.merge(&of((500..1_000).map(|at| at * 37)));
    assert_eq!(half, of((0..1_000).map(|at| at * 37)));
    assert_eq!(half.count(), 1_000);
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let all =
        of((0..64).flat_map(|bit| (0..256).map(move |low| (1_u64 << bit).wrapping_add(low << bit >> 8))));
    assert!(all.buckets.len() <= usize::from(BUCKETS));
    assert_eq!(all.quantiles().count, 64 * 256);
}

#[test]
fn a_drawing_has_few_buckets_without_gaps() {
    assert_eq!(Histogram::default().drawn(), []);
    assert_eq!(of([0, 0, 3]).drawn(), [(0, 2), (1, 0), (2, 0), (3, 1)]);
    assert_eq!(of([5, 7]).drawn(), [(4, 0), (5, 1), (6, 0), (7, 1)]);
    let wide = of((0..40).map(|bit| 1 << bit));
    let drawn = wide.drawn();
    assert!((60..=97).contains(&drawn.len()), "{}", drawn.len());
    assert_eq!(drawn.iter().map(|(_, count)| count).sum::<u64>(), 40);
    assert!(drawn.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(drawn.last(), Some(&((1 << 40) - 1 - (1 << 39) + (1 << 38), 1)));
}

use std::time::Duration;

use super::super::super::simulation::Random;
use super::*;

/// Both sides' times of one endpoint.
#[derive(Default)]
struct Sides {
    production: Histogram,
    shadow: Histogram,
    moments: Moments,
}

impl Sides {
    /// A pair whose request came at `at` milliseconds; times in microseconds.
    fn pair(&mut self, at: u64, production: u64, shadow: u64) {
        self.add(
            at,
            Duration::from_micros(production),
            Duration::from_micros(shadow),
        );
    }

    fn add(&mut self, at: u64, production: Duration, shadow: Duration) {
        self.production.record(production);
        self.shadow.record(shadow);
        self.moments.record(at, shadow);
    }

    fn slow_among(&self, endpoints: u64) -> Vec<SlowAt> {
        self.slow_by(endpoints, &[])
    }

    fn slow_by(&self, endpoints: u64, rules: &[&str]) -> Vec<SlowAt> {
        let rules: Vec<FailRule> = rules.iter().map(|text| text.parse().expect(text)).collect();
        let timed = Timed {
            production: &self.production,
            shadow: &self.shadow,
            moments: &self.moments,
        };
        let found = slow(
            timed,
            endpoints,
            &FailRule::in_force(&rules),
            &Settings::default(),
        );
        found.into_iter().map(|slow| slow.at).collect()
    }
}

/// Pairs at this distance, the shadow's times by their number.
fn sides(pairs: u64, apart: u64, production: u64, shadow: impl Fn(u64) -> u64) -> Sides {
    let mut sides = Sides::default();
    for number in 0..pairs {
        sides.pair(number * apart, production + number % 7, shadow(number));
    }
    sides
}

#[test]
fn a_few_slow_pairs_are_enough_for_the_median() {
    let slow = sides(108, 50, 2_200, |number| 407_000 + number);
    assert_eq!(slow.slow_among(1)[0], SlowAt::P50);
    assert_eq!(slow.slow_among(500)[0], SlowAt::P50);
    assert_eq!(sides(42, 300, 800, |_| 407_000).slow_among(100)[0], SlowAt::P50);
    // Of nine nobody knows.
    assert_eq!(sides(9, 300, 800, |_| 407_000).slow_among(1), []);
}

#[test]
fn slow_answers_that_are_rare_are_in_the_tail() {
    let rare = sides(
        5_200,
        4,
        800,
        |number| if number % 123 == 0 { 407_000 } else { 810 },
    );
    assert_eq!(rare.slow_among(1), [SlowAt::Tail]);
    assert_eq!(rare.slow_among(50), [SlowAt::Tail]);
    assert_eq!(rare.slow_by(50, &["endpoint_tail_ratio > 50"]), []);
    assert_eq!(rare.slow_by(50, &["endpoint_tail_ratio off"]), []);
    // A tenth of the requests, of which the 99th percentile is not known yet.
    let tenth = sides(
        400,
        50,
        800,
        |number| if number % 10 == 0 { 407_000 } else { 810 },
    );
    assert_eq!(tenth.slow_among(10), [SlowAt::Tail]);
}

#[test]
fn what_one_stall_held_up_is_no_slow_endpoint() {
    let stalled = |number: u64| match number {
        1_000..1_100 => 1_000_000 - (number - 1_000) * 10_000,
        _ => 810,
    };
    assert_eq!(sides(5_200, 10, 800, stalled).slow_among(1), []);
    // And none that was asked for during one stall only.
    assert_eq!(
        sides(60, 10, 800, |number| 600_000 - number * 10_000).slow_among(1),
        []
    );
}

#[test]
fn what_nobody_notices_or_production_does_too_is_not_slow() {
    assert_eq!(sides(5_000, 10, 300, |_| 9_000).slow_among(1), []);
    assert_eq!(sides(5_000, 10, 40_000, |_| 55_000).slow_among(1), []);
    assert_eq!(
        sides(5_000, 10, 40_000, |_| 65_000).slow_among(1),
        [SlowAt::P50, SlowAt::P90, SlowAt::P99]
    );
    assert_eq!(sides(5_000, 10, 400_000, |_| 410_000).slow_among(1), []);
}

/// Stalls of a host: when they begin and how long they last, in milliseconds.
fn stalls(random: &mut Random, minutes: u64) -> Vec<(u64, u64)> {
    (0..minutes * 6)
        .map(|_| (random.number() % (minutes * 60_000), 20 + random.number() % 300))
        .collect()
}

/// A latency with a long tail, an outlier now and then, and whatever stall it falls into.
fn latency(random: &mut Random, at: u64, stalls: &[(u64, u64)]) -> Duration {
    let outlier = if random.happens(0.003) { 12.0 } else { 1.0 };
    let stall = stalls
        .iter()
        .find(|(begin, length)| (*begin..begin + length).contains(&at));
    let held_up = stall.map_or(0, |(begin, length)| begin + length - at);
    random.latency().mul_f64(outlier) + Duration::from_millis(held_up)
}

/// How many of so many endpoints are called slow that are as fast as before, on two hosts with stalls of their own.
fn false_alarms(random: &mut Random, endpoints: u64, pairs: u64) -> usize {
    const MINUTES: u64 = 10;
    let (production, shadow) = (stalls(random, MINUTES), stalls(random, MINUTES));
    let is_slow = |_: &u64| {
        let mut sides = Sides::default();
        for number in 0..pairs {
            let at = number * MINUTES * 60_000 / pairs;
            let times = (latency(random, at, &production), latency(random, at, &shadow));
            sides.add(at, times.0, times.1);
        }
        !sides.slow_among(endpoints).is_empty()
    };
    (0..endpoints).filter(is_slow).count()
}

#[test]
fn among_a_thousand_equal_endpoints_none_is_called_slow() {
    let mut random = Random(4);
    for pairs in [12, 40, 150] {
        assert_eq!(false_alarms(&mut random, 1_000, pairs), 0, "{pairs}");
    }
    for _ in 0..8 {
        assert_eq!(false_alarms(&mut random, 5, 3_000), 0);
    }
}

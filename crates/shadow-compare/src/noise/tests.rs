use super::super::simulation::Random;
use super::*;

fn differing(count: u64, of: u64) -> Differing {
    Differing { count, of }
}

const VALUE: Place = Place {
    kind: Kind::Value,
    protected: false,
};

fn by_control_is_noise(raw: (u64, u64), reference: (u64, u64)) -> bool {
    let (raw, reference) = (differing(raw.0, raw.1), differing(reference.0, reference.1));
    by_control(VALUE, raw, reference, &Thresholds::default()).is_some()
}

fn by_repeat_is_noise(raw: (u64, u64), reference: (u64, u64)) -> bool {
    let (raw, reference) = (differing(raw.0, raw.1), differing(reference.0, reference.1));
    by_repeat(VALUE, raw, reference, &Thresholds::default()).is_some()
}

#[test]
fn a_place_where_the_control_differs_as_often_is_noise() {
    assert!(by_control_is_noise((1_000, 1_000), (1_000, 1_000)));
    assert!(by_control_is_noise((500, 1_000), (510, 1_000)));
    // 20% more, relative to both: 600 after 400 is 20%, 610 is more.
    assert!(by_control_is_noise((600, 1_000), (400, 1_000)));
    assert!(!by_control_is_noise((610, 1_000), (400, 1_000)));
    // More by less than 0.03% of all is no more.
    assert!(by_control_is_noise((3, 10_000), (1, 10_000)));
    assert!(!by_control_is_noise((5, 10_000), (1, 10_000)));
    // Shares count, as the control may have answered less.
    assert!(by_control_is_noise((1_000, 1_000), (10, 10)));
}

#[test]
fn a_place_where_the_control_never_differed_is_never_excused() {
    assert!(!by_control_is_noise((1, 1_000_000), (0, 1_000_000)));
    assert!(!by_control_is_noise((1_000, 1_000), (0, 0)));
}

#[test]
fn a_place_where_the_shadow_differs_from_itself_is_noise() {
    assert!(by_repeat_is_noise((10_000, 10_000), (1_000, 1_000)));
    assert!(by_repeat_is_noise((5_000, 6_000), (50, 60)));
    // Nine second answers are too few, ten do.
    assert!(!by_repeat_is_noise((90, 90), (9, 9)));
    assert!(by_repeat_is_noise((100, 100), (10, 10)));
    // More often than it differs from itself: something else is there, too.
    assert!(!by_repeat_is_noise((9_000, 10_000), (300, 1_000)));
    // Less often is no reason to doubt.
    assert!(by_repeat_is_noise((3_000, 10_000), (900, 1_000)));
}

#[test]
fn what_the_shadow_seldom_does_to_itself_is_a_fault() {
    assert!(!by_repeat_is_noise((100, 10_000), (10, 1_000)));
    assert!(!by_repeat_is_noise((200, 10_000), (1, 10)));
    assert!(by_repeat_is_noise((1_000, 10_000), (100, 1_000)));
}

#[test]
fn statuses_unreadable_bodies_and_protected_places_are_never_noise() {
    let all = differing(1_000, 1_000);
    for (kind, protected, noise) in [
        (Kind::Status, false, false),
        (Kind::Unreadable, false, false),
        (Kind::Value, true, false),
        (Kind::Value, false, true),
        (Kind::Type, false, true),
        (Kind::Missing, false, true),
        (Kind::Extra, false, true),
        (Kind::Order, false, true),
        (Kind::Length, false, true),
    ] {
        let place = Place { kind, protected };
        assert_eq!(
            by_control(place, all, all, &Thresholds::default()).is_some(),
            noise,
            "{kind:?}"
        );
        assert_eq!(
            by_repeat(place, all, all, &Thresholds::default()).is_some(),
            noise,
            "{kind:?}"
        );
    }
}

#[test]
fn why_it_is_noise_is_said() {
    let (raw, reference) = (differing(9_950, 10_000), differing(499, 500));
    let noise = by_repeat(VALUE, raw, reference, &Thresholds::default()).expect("noise");
    assert_eq!(
        noise.why,
        "the shadow differs from its own second response in 99.8% of 500, from production in 99.5% of 10000"
    );
    assert_eq!(
        (noise.by, noise.reference),
        (NoiseBy::Repeat, Some(rate(499, 500)))
    );
    let noise = by_control(VALUE, raw, reference, &Thresholds::default()).expect("noise");
    assert_eq!(
        noise.why,
        "the control differs from production in 99.8% of 500, the shadow in 99.5% of 10000"
    );
    assert_eq!(noise.by, NoiseBy::Control);
}

#[test]
fn what_varies_by_nature_is_learned_and_makes_no_false_differences() {
    let mut random = Random(1);
    // Ids, orders of a few elements, a time with seconds, a flag that is either: how often two answers differ there.
    let shares = [1.0, 0.98, 0.83, 0.5, 0.3, 0.2, 0.15];
    let (mut runs, mut missed) = (0_u32, 0_u32);
    for _ in 0..40 {
        for share in shares {
            let raw = differing(random.count(5_000, share), 5_000);
            let repeat = differing(random.count(500, share), 500);
            let control = differing(random.count(5_000, share), 5_000);
            runs += 2;
            missed += u32::from(by_repeat(VALUE, raw, repeat, &Thresholds::default()).is_none());
            missed += u32::from(by_control(VALUE, raw, control, &Thresholds::default()).is_none());
        }
    }
    assert_eq!((runs, missed), (560, 0));
}

#[test]
fn a_change_in_a_hundredth_of_answers_is_never_noise() {
    let mut random = Random(2);
    for _ in 0..200 {
        let raw = differing(random.count(5_000, 0.01), 5_000);
        // The release itself is at odds with itself there, with or without a cause.
        for share in [0.0, 0.01, 0.02] {
            let repeat = differing(random.count(500, share), 500);
            assert_eq!(by_repeat(VALUE, raw, repeat, &Thresholds::default()), None);
        }
        let control = differing(0, 5_000);
        assert_eq!(by_control(VALUE, raw, control, &Thresholds::default()), None);
    }
}

fn raced_is_noise(differing: (u64, u64), pairs: (u64, u64)) -> bool {
    let share = RacedShare {
        differing: differing.0,
        of_differing: differing.1,
        pairs: pairs.0,
        of_pairs: pairs.1,
    };
    raced(VALUE, share).is_some()
}

#[test]
fn a_place_that_differs_where_others_write_is_noise_there() {
    assert!(raced_is_noise((40, 40), (600, 1_195)));
    assert!(raced_is_noise((40, 44), (600, 1_195)));
    assert!(raced_is_noise((4, 4), (20, 1_000)));
}

#[test]
fn a_place_that_differs_whoever_writes_is_no_noise() {
    // As often, also where everything races.
    assert!(!raced_is_noise((600, 1_195), (600, 1_195)));
    assert!(!raced_is_noise((10, 20), (600, 1_195)));
    assert!(!raced_is_noise((1_195, 1_195), (1_195, 1_195)));
    // So few may all have raced by chance.
    assert!(!raced_is_noise((10, 10), (600, 1_195)));
    assert!(!raced_is_noise((2, 2), (20, 1_000)));
    for kind in [Kind::Status, Kind::Unreadable] {
        let share = RacedShare {
            differing: 40,
            of_differing: 40,
            pairs: 600,
            of_pairs: 1_195,
        };
        let place = Place { kind, ..VALUE };
        assert_eq!(raced(place, share), None);
        assert_eq!(
            raced(
                Place {
                    protected: true,
                    ..VALUE
                },
                share
            ),
            None
        );
    }
}

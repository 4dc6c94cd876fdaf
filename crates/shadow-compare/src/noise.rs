//! Whether a difference is noise: what production or the shadow does to itself, too.
//!
//! One place is one endpoint's path and kind of difference. Each pair is judged by itself first ([`super::witness`]); what is
//! judged here, by rates, is what a pair alone cannot tell. The references are comparisons of two answers that should be
//! equal: production's with the control's, or the shadow's with its own second one. A place that differs there as often as it
//! does between production and shadow says nothing about the release.
//!
//! Never noise, whatever was measured: status codes, bodies that cannot be read, protected paths. (Of these, a status code and
//! a body can be excused, in the pairs in which the control has the same.) A list that grows by itself is the one way to look
//! successful while failing, so each entry says what was measured.

use super::Kind;
use super::document::{Noise, NoiseBy, Rate};
use super::statistics::{hypergeometric_tail, is_more_often, rate};

#[cfg(test)]
mod tests;

/// Values of the references up to which they are a choice of few: a value that is neither of them is then no chance.
pub const FEW_VALUES: usize = 16;

/// When noise is noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// How much more often than among the references a place may differ: `(raw - reference) / (raw + reference)`.
    pub relative: f64,
    /// The same as a difference of shares.
    pub absolute: f64,
    /// Answers of the control, or second answers, that an endpoint must have before it is learned from: one that differs proves
    /// nothing.
    pub references: u64,
    /// The share by which the shadow must differ from itself at least, for sure.
    ///
    /// Rarer flaws are a fault rather than noise: an answer that is wrong once in a hundred times is wrong. What varies by
    /// nature, such as an id, a time or an order, does so in a large share of answers.
    pub unstable: f64,
}

impl Default for Thresholds {
    /// Those of Diffy, and ours for second answers.
    fn default() -> Self {
        Self {
            relative: 0.2,
            absolute: 0.0003,
            references: 10,
            unstable: 0.05,
        }
    }
}

/// One place.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The kind of the difference.
    pub kind: Kind,
    /// Whether somebody said that it is never to be learned away.
    pub protected: bool,
}

impl Place {
    /// Whether it can be noise at all.
    pub fn may_vary(self) -> bool {
        !self.protected && !matches!(self.kind, Kind::Status | Kind::Unreadable | Kind::More)
    }
}

/// How many of how many comparisons differ at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

impl Differing {
    fn rate(self) -> Rate {
        rate(self.count, self.of)
    }
}

/// Judges a place by a control, as Diffy does: it is noise where the control differs from production as well, unless the
/// shadow does so more often by both thresholds. Of few answers, where it differs in as many pairs as the shadow: each of these
/// shows what two instances of one release do.
pub fn by_control(
    place: Place,
    raw: Differing,
    reference: Differing,
    thresholds: &Thresholds,
) -> Option<Noise> {
    let is_known = reference.of >= thresholds.references || raw.count <= reference.count;
    if !place.may_vary() || reference.count == 0 || !is_known {
        return None;
    }
    let (raw, reference) = (raw.rate(), reference.rate());
    let more = raw.share - reference.share;
    if more > thresholds.absolute && exceeds(raw.share, reference.share, thresholds) {
        return None;
    }
    Some(Noise {
        by: NoiseBy::Control,
        why: format!(
            "the control differs from production in {}, the shadow in {}",
            of(reference),
            of(raw)
        ),
        reference: Some(reference),
    })
}

/// How often the shadow and the control do the same at a place, each of what only one of them did in a pair.
///
/// Were the shadow another instance of production's release, either of the two would do it as often as the other: so the two
/// counts are compared, not the rates of all that differs, among which few pairs would be lost.
#[derive(Clone, Copy, Debug)]
pub struct Versus {
    /// Pairs in which the shadow did it.
    pub shadow: Differing,
    /// Pairs in which the control did.
    pub control: Differing,
    /// Places of the run of which this is asked.
    pub places: u64,
}

impl Versus {
    /// Whether the shadow surely does it more often.
    pub fn is_more_often(self) -> bool {
        is_more_often(self.shadow.count, self.control.count, self.places)
    }
}

/// Judges the pairs in which production and the control agree at a place, and the shadow alone differs: they count, unless the
/// place is one that differs by itself, and the shadow is not surely alone there more often than the control is.
///
/// `reference` is how often the control differs, alone or not. Where it never does, nothing is noise; where it does, seven
/// pairs of the shadow alone against none of the control are enough, and more where many places differ by themselves.
pub fn alone(place: Place, alone: Versus, reference: Differing, thresholds: &Thresholds) -> Option<Noise> {
    if !place.may_vary() || reference.count == 0 || reference.of < thresholds.references {
        return None;
    }
    let (shadow, control) = (alone.shadow.rate(), alone.control.rate());
    let more = shadow.share - control.share;
    if alone.is_more_often() && more > thresholds.absolute && exceeds(shadow.share, control.share, thresholds)
    {
        return None;
    }
    Some(Noise {
        by: NoiseBy::Control,
        why: format!(
            "the control alone differs in {}, the shadow alone in {}",
            of(control),
            of(shadow)
        ),
        reference: Some(reference.rate()),
    })
}

/// Judges the pairs in which the shadow's value is none of the few that production has at a place that differs by itself: they
/// count, unless the control has such values as well, and the shadow not surely more often. A rare value is new when it comes
/// for the first time, whoever it comes from.
pub fn outside(place: Place, outside: Versus, reference: Differing) -> Option<Noise> {
    if !place.may_vary() || reference.count == 0 || outside.is_more_often() {
        return None;
    }
    Some(Noise {
        by: NoiseBy::Control,
        why: format!(
            "values that production had not had until then: the control in {}, the shadow in {}",
            of(outside.control.rate()),
            of(outside.shadow.rate())
        ),
        reference: Some(reference.rate()),
    })
}

/// Judges the pairs in which all three differ, or of which no control is known, where the shadow differs more often by Diffy's
/// thresholds: they count if that is surely no chance. `alone` is how often one of them differs where the other does not.
pub fn by_chance(
    place: Place,
    alone: Versus,
    raw: Differing,
    reference: Differing,
    thresholds: &Thresholds,
) -> Option<Noise> {
    let is_known = reference.count > 0 && reference.of >= thresholds.references;
    if !place.may_vary() || !is_known || alone.is_more_often() {
        return None;
    }
    Some(Noise {
        by: NoiseBy::Control,
        why: format!(
            "the control differs from production in {}, the shadow in {}, which is not surely more often",
            of(reference.rate()),
            of(raw.rate())
        ),
        reference: Some(reference.rate()),
    })
}

/// A place where production, the shadow and the control each have one value of their own, always: it names the instance.
pub fn constant(reference: Differing) -> Noise {
    Noise {
        by: NoiseBy::Control,
        why: "a constant of the instance: production, the shadow and the control each have one value of their own there, always"
            .to_owned(),
        reference: Some(reference.rate()),
    }
}

/// A pair in which the control has what the shadow has.
pub fn like_control(reference: Option<Differing>) -> Noise {
    Noise {
        by: NoiseBy::LikeControl,
        why: "in these pairs the control has the same as the shadow: another instance of production's release does it, too"
            .to_owned(),
        reference: reference.map(Differing::rate),
    }
}

/// Pairs that differ at a place, and those of an endpoint, both with how many of them raced.
#[derive(Clone, Copy, Debug)]
pub struct RacedShare {
    /// Pairs that differ at the place while another client was changing something.
    pub differing: u64,
    /// All that differ at the place.
    pub of_differing: u64,
    /// Pairs of the endpoint during which another client was changing something.
    pub pairs: u64,
    /// All of the endpoint.
    pub of_pairs: u64,
}

/// The probability, at most, with which a place that differs whatever others do is taken for one that does not.
const BY_CHANCE: f64 = 0.0001;

/// Judges the pairs that differ at a place while another client was changing something: where those who race differ surely more
/// often than those who do not (Fisher's exact test, one-sided), the place shows in which order either side had the two, and says
/// nothing of the release in these pairs. In the pairs that did not race it counts as before: so a difference that stays is never
/// excused, and none is where all pairs race.
pub fn raced(place: Place, share: RacedShare) -> Option<Noise> {
    let chance = hypergeometric_tail(
        (share.of_pairs, share.pairs),
        (share.of_differing, share.differing),
    );
    (place.may_vary() && chance < BY_CHANCE).then(|| Noise {
        by: NoiseBy::Raced,
        why: format!(
            "other clients were changing something at that moment in {} of the {} pairs that differ, and in {}",
            share.differing,
            share.of_differing,
            of(rate(share.pairs, share.of_pairs))
        ),
        reference: None,
    })
}

/// The largest share of pairs with the end of a minute between what happened at production and at the shadow, where that is ten
/// seconds at most.
const ENDS_OF_MINUTES: f64 = 1.0 / 6.0;

/// Whether times to the minute that are one apart are so by chance, as far as is sure: a release that writes all of them another
/// way is apart more often.
pub fn may_be_ends_of_minutes(raw: Differing) -> bool {
    raw.rate().low <= ENDS_OF_MINUTES
}

/// Judges a place by the shadow's second answers: it is noise where the shadow differs from itself often enough to be sure,
/// and not surely less often than from production.
pub fn by_repeat(
    place: Place,
    raw: Differing,
    reference: Differing,
    thresholds: &Thresholds,
) -> Option<Noise> {
    if !place.may_vary() || reference.of < thresholds.references {
        return None;
    }
    let (raw, reference) = (raw.rate(), reference.rate());
    // Few second answers tell the share badly: what counts is what both intervals leave no doubt of.
    if reference.low < thresholds.unstable || exceeds(raw.low, reference.high, thresholds) {
        return None;
    }
    Some(Noise {
        by: NoiseBy::Repeat,
        why: format!(
            "the shadow differs from its own second response in {}, from production in {}",
            of(reference),
            of(raw)
        ),
        reference: Some(reference),
    })
}

/// Judges a place of an endpoint that was asked twice too rarely to be learned from by rates: it is noise where in each pair that
/// was asked twice and differs there, the shadow's second answer is neither its first nor production's. What differs from
/// production alone, and what is wrong only once, does not.
pub fn by_few_repeats(place: Place, apart: Differing) -> Option<Noise> {
    (place.may_vary() && apart.of > 0 && apart.count == apart.of).then(|| Noise {
        by: NoiseBy::Repeat,
        why: format!(
            "the shadow's second response is neither its first nor production's in {}",
            of(apart.rate())
        ),
        reference: Some(apart.rate()),
    })
}

/// Whether a share is larger than another by more than the relative threshold.
fn exceeds(share: f64, other: f64, thresholds: &Thresholds) -> bool {
    share > other && (share - other) / (share + other) > thresholds.relative
}

fn of(rate: Rate) -> String {
    format!("{:.1}% of {}", rate.share * 100.0, rate.total)
}

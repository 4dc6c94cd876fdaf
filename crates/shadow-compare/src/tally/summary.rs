//! The document of a comparison, from its counts and from what the run knows beside them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use shadow_mirror::ledger::{DropReason, OutputCounts};

use super::place_row::PlaceRow;
use super::places::{Codes, Row, Sort};
use super::raced::Totals;
use super::{EndpointTally, Tally};
use crate::causes::causes;
use crate::correlation::Correlated;
use crate::document::{
    Comparison, CopyDelay, Coverage, DifferenceRow, Endpoint, ExtraRequests, InForce, Judgement, KnownCount,
    Noise, NoiseBy, NotLearned, Part, ReleaseNames, StatusPair, Throughput, Verdict,
};
use crate::fail_on::FailRule;
use crate::histogram::latency;
use crate::noise::{self, Differing, Versus};
use crate::pair::NotCompared;
use crate::routes::{EndpointId, MAX_VALUES};
use crate::rules::RuleId;
use crate::statistics::{Confidence, rate};
use crate::{Kind, verdict};

/// Everything the run knows of a comparison, beside its pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The shadow, as the ledger names it.
    pub shadow: String,
    /// The control.
    pub control: Option<String>,
    /// Where production is captured.
    pub production: Vec<String>,
    /// Names of the releases as the cluster has them, for where nobody gave any.
    #[serde(default, skip_serializing_if = "ReleaseNames::is_empty")]
    pub names: ReleaseNames,
    /// Counts of production's requests at the output.
    pub counts: OutputCounts,
    /// Packets that capture lost.
    pub capture_lost_packets: u64,
    /// The share of them among those that were to be captured.
    #[serde(default)]
    pub capture_loss: f64,
    /// Counts of requests that the comparison made itself, each with what they are.
    pub extra: Vec<(String, OutputCounts)>,
    /// When the counts were, in milliseconds of Unix time; 0 where nobody said.
    #[serde(default)]
    pub counted_ms: u64,
    /// How late copies were sent, where requests are captured live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_delay: Option<CopyDelay>,
    /// When its output ended, where that was before the run did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// The work of correlation, where values are mapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlated: Option<Correlated>,
    /// Why nobody can know what all of the requests would have shown, in sentences: with any, the word is NOT ENOUGH DATA.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
}

/// Requests of which capture lost bytes, by the ledger.
const LOST_BY_CAPTURE: [DropReason; 2] = [DropReason::Gap, DropReason::Memory];

impl Tally {
    /// Makes the document of all that was counted.
    pub fn comparison(&self, facts: &Facts) -> Comparison {
        let judging = &self.judging;
        let noise = self.noise();
        let is_noise = |row: u32| noise.get(&row).is_some_and(Option::is_some);
        let compared: u64 = self.endpoints.values().map(|endpoint| endpoint.compared).sum();
        let equal: u64 = self.endpoints.values().map(|endpoint| endpoint.equal).sum();
        let agreeing = |endpoint: &EndpointTally| endpoint.equal + endpoint.agree(is_noise);
        let agree: u64 = self.endpoints.values().map(agreeing).sum();
        let left_out = |endpoint: &EndpointTally| self.left_out(endpoint, &noise);
        let not_learned: u64 = self.endpoints.values().map(|one| left_out(one).pairs).sum();
        let is_excused = |row: u32| {
            let noise = noise.get(&row).and_then(Option::as_ref);
            noise.is_some_and(|noise| noise.by == NoiseBy::LikeControl)
        };
        let excused = |endpoint: &EndpointTally| endpoint.agree_with(is_noise, is_excused);
        let excused = self.endpoints.values().map(excused).sum();
        let is_raced = |row: u32| {
            let noise = noise.get(&row).and_then(Option::as_ref);
            noise.is_some_and(|noise| noise.by == NoiseBy::Raced)
        };
        let raced = |endpoint: &EndpointTally| endpoint.agree_with(is_noise, is_raced);
        let raced = self.endpoints.values().map(raced).sum();
        let new_5xx = self.endpoints.values().map(|endpoint| endpoint.new_5xx).sum();
        let other_status = self
            .endpoints
            .values()
            .map(|endpoint| endpoint.other_status)
            .sum();
        let differences = self.differences(&noise);
        let floor = judging.verdict.latency_floor;
        let ratio = |confidence| {
            self.production
                .last
                .ratio(&self.shadow.last, 0.99, floor, confidence)
        };
        let (from_ms, to_ms) = self.window.unwrap_or_default();
        let coverage = self.coverage(facts, compared);
        let mut comparison = Comparison {
            shadow: facts.shadow.clone(),
            names: judging.names.or(&facts.names),
            production: facts.production.clone(),
            control: facts.control.clone(),
            from_ms,
            to_ms,
            ended_ms: facts.ended_ms,
            verdict: Judgement {
                word: Verdict::NotEnoughData,
                why: Vec::new(),
                rules: Vec::new(),
            },
            throughput: self.throughput(facts, &coverage),
            coverage,
            agreement_raw: rate(equal, compared),
            agreement: rate(agree - not_learned, compared - not_learned),
            not_learned,
            excused,
            raced,
            new_5xx: rate(new_5xx, compared),
            other_status: rate(other_status, compared),
            statuses: self.statuses(),
            endpoints: self.endpoints_of(agreeing, left_out),
            differences,
            causes: Vec::new(),
            known: self.known(),
            differences_beyond: self.places.beyond,
            production_latency: latency(&self.production.last, &self.production.first),
            shadow_latency: latency(&self.shadow.last, &self.shadow.first),
            p99_ratio: ratio(Confidence::NINETY_FIVE).unwrap_or_default(),
            timeline: self.timeline.document(),
            examples: self.examples.kept().to_vec(),
            extra: facts.extra.iter().map(extra).collect(),
            correlated: facts.correlated,
            copy_delay: facts.copy_delay,
            in_force: self.in_force(),
        };
        comparison.causes = causes(&comparison);
        comparison.verdict = verdict::judge(&comparison, &judging.fail_on, &judging.verdict, &facts.doubts);
        if let Some(correlated) = &facts.correlated {
            comparison.verdict.why.extend(correlated.undone());
            comparison.in_force.notes.extend(correlated.done());
        }
        comparison
    }

    /// For each row, why it is noise, if it is.
    pub(super) fn noise(&self) -> HashMap<u32, Option<Noise>> {
        let learns = self.learns_by_repeats();
        let mut totals: HashMap<(_, &str, Kind), Totals> = HashMap::new();
        for (_, row) in self.places.rows() {
            let of_place = totals.entry((row.endpoint, &*row.path, row.kind));
            of_place.or_default().add(row);
        }
        let judge = |row: &Row| {
            let totals = totals.get(&(row.endpoint, &*row.path, row.kind));
            let totals = totals.copied().unwrap_or_default();
            let noise = self.noise_of(row, &totals);
            let noise = noise.or_else(|| self.raced(row, &totals));
            let noise = noise.or_else(|| self.not_learned(row, learns));
            noise.or_else(|| self.undecided_race(row, &totals))
        };
        self.places
            .rows()
            .map(|(number, row)| (number, judge(row)))
            .collect()
    }

    fn noise_of(&self, row: &Row, totals: &Totals) -> Option<Noise> {
        let judging = &self.judging;
        let endpoint = self.endpoints.get(&row.endpoint)?;
        if let Sort::Rule(rule) = row.sort {
            let raw = Differing {
                count: row.count,
                of: endpoint.compared,
            };
            if rule == RuleId::Minute && !noise::may_be_ends_of_minutes(raw) {
                return None;
            }
            return Some(Noise {
                by: match rule {
                    RuleId::Known(_) => NoiseBy::Known,
                    _ => NoiseBy::Rule,
                },
                why: judging.rules.words(rule),
                reference: None,
            });
        }
        let place = noise::Place {
            kind: row.kind,
            protected: judging.rules.is_protected(&endpoint.name, &row.path),
        };
        let referred = self.places.referred(row);
        let of_control = |count| Differing {
            count,
            of: endpoint.controls,
        };
        if row.sort == Sort::LikeControl && !place.protected {
            let reference = referred.map(|referred| of_control(referred.control));
            return Some(noise::like_control(reference));
        }
        let referred = referred?;
        let raw = Differing {
            count: totals.all,
            of: endpoint.compared,
        };
        if self.has_control(endpoint) {
            let reference = of_control(referred.control);
            let versus = |shadow, control| Versus {
                shadow: of_control(shadow),
                control: of_control(control),
                places: self.places.varying,
            };
            let by_rates = match row.sort {
                Sort::Outside => {
                    noise::outside(place, versus(row.count, referred.control_outside), reference)
                }
                Sort::Alone | Sort::Raced { alone: true } => noise::alone(
                    place,
                    versus(totals.alone, referred.control_alone),
                    reference,
                    &judging.thresholds,
                ),
                _ => noise::by_control(place, raw, reference, &judging.thresholds).or_else(|| {
                    // A pair without a control's answer is one in which the shadow may be alone.
                    let alone = totals
                        .all
                        .saturating_sub(referred.control - referred.control_alone);
                    let alone = versus(alone, referred.control_alone);
                    noise::by_chance(place, alone, raw, reference, &judging.thresholds)
                }),
            };
            let is_plain = matches!(row.sort, Sort::Plain | Sort::Raced { alone: false });
            let is_constant = || is_plain && referred.is_constant();
            return match by_rates {
                Some(_) if is_constant() => Some(noise::constant(reference)),
                by_rates => by_rates,
            };
        }
        if judging.by_repeat {
            let reference = Differing {
                count: referred.repeat,
                of: endpoint.repeats,
            };
            if reference.of < judging.thresholds.references {
                let apart = Differing {
                    count: referred.apart,
                    of: referred.asked_twice,
                };
                return noise::by_few_repeats(place, apart);
            }
            return noise::by_repeat(place, raw, reference, &judging.thresholds);
        }
        None
    }

    /// Whether a row counts, as far as is known now and without the rows of other sorts at its place.
    pub(super) fn counts_now(&self, row: u32) -> bool {
        let row = self.places.row(row);
        row.is_some_and(|row| self.noise_of(row, &Totals::of(row)).is_none())
    }

    /// How often each difference occurs that the release intends.
    fn known(&self) -> Vec<KnownCount> {
        let rules = &self.judging.rules;
        let count = |index| {
            let rows = self.places.rows().map(|(_, row)| row);
            rows.filter(|row| row.sort == Sort::Rule(RuleId::Known(index)))
                .fold(0, |sum: u64, row| sum.saturating_add(row.count))
        };
        (0..rules.known().len())
            .map(|index| KnownCount {
                what: rules.words(RuleId::Known(index)),
                count: count(index),
            })
            .collect()
    }

    fn statuses(&self) -> Vec<StatusPair> {
        let pair = |(&(production, shadow), &(count, excused))| StatusPair {
            production,
            shadow,
            count,
            excused,
        };
        self.statuses.iter().map(pair).collect()
    }

    fn endpoints_of(
        &self,
        agreeing: impl Fn(&EndpointTally) -> u64,
        left_out: impl Fn(&EndpointTally) -> NotLearned,
    ) -> Vec<Endpoint> {
        let judging = &self.judging;
        let all_parts = self.parts.all().map(|(_, part)| part);
        let all = self.endpoints.values().chain(all_parts);
        let judged = all.filter(|one| one.timed().is_judged()).count() as u64;
        let slow =
            |tally: &EndpointTally| verdict::slow(tally.timed(), judged, &judging.fail_on, &judging.verdict);
        let floor = judging.verdict.latency_floor;
        let ratio = |tally: &EndpointTally| {
            let production = &tally.production;
            production.ratio(&tally.shadow, 0.99, floor, Confidence::NINETY_FIVE)
        };
        let mut parts: HashMap<_, Vec<Part>> = HashMap::new();
        for (id, tally) in self.parts.all() {
            let agreement = if tally.unsure {
                tally.compared
            } else {
                agreeing(tally)
            };
            let slow = slow(tally);
            let part = Part {
                name: tally.name.to_string(),
                compared: tally.compared,
                agreement: rate(agreement, tally.compared),
                new_5xx: rate(tally.new_5xx, tally.compared),
                p99_ratio: ratio(tally),
                slower: !slow.is_empty(),
                slow,
            };
            if part.new_5xx.count > 0 || agreement < part.compared || part.slower {
                parts.entry(id).or_default().push(part);
            }
        }
        let mut of = |id: &EndpointId, endpoint: &EndpointTally| {
            let (failed, not_compared) = split(&endpoint.not_compared);
            let mut parts = parts.remove(id).unwrap_or_default();
            parts.sort_by(|a, b| a.name.cmp(&b.name).then(a.compared.cmp(&b.compared)));
            let (production, shadow) = (&endpoint.production, &endpoint.shadow);
            let slow = slow(endpoint);
            let not_learned = left_out(endpoint);
            let agree = agreeing(endpoint) - not_learned.pairs;
            Endpoint {
                name: endpoint.name.to_string(),
                compared: endpoint.compared,
                failed,
                not_compared: not_compared.values().sum(),
                agreement_raw: rate(endpoint.equal, endpoint.compared),
                agreement: rate(agree, endpoint.compared - not_learned.pairs),
                not_learned,
                new_5xx: rate(endpoint.new_5xx, endpoint.compared),
                production: production.quantiles(),
                shadow: shadow.quantiles(),
                p99_ratio: ratio(endpoint),
                slower: !slow.is_empty(),
                slow,
                parts,
            }
        };
        let mut endpoints: Vec<Endpoint> = self.endpoints.iter().map(|(id, tally)| of(id, tally)).collect();
        endpoints.sort_by(|a, b| b.compared.cmp(&a.compared).then_with(|| a.name.cmp(&b.name)));
        endpoints
    }

    fn differences(&self, noise: &HashMap<u32, Option<Noise>>) -> Vec<DifferenceRow> {
        // One row for each place: of what counts there, if something does.
        let mut places: BTreeMap<(Kind, &str, EndpointId, Codes), PlaceRow> = BTreeMap::new();
        let mut rows: Vec<(u32, &Row)> = self.places.rows().collect();
        rows.sort_unstable_by_key(|(number, _)| *number);
        for (number, row) in rows {
            if let Some(endpoint) = self.endpoints.get(&row.endpoint) {
                let noise = noise.get(&number).cloned().flatten();
                let place = (row.kind, &*row.path, row.endpoint, row.codes);
                places.entry(place).or_default().add(endpoint, row, noise);
            }
        }
        let mut rows: Vec<DifferenceRow> = places.into_values().filter_map(PlaceRow::row).collect();
        rows.sort_by(|a, b| {
            (a.noise.is_some(), std::cmp::Reverse(a.count))
                .cmp(&(b.noise.is_some(), std::cmp::Reverse(b.count)))
                .then_with(|| (&a.endpoint, &a.path, a.kind).cmp(&(&b.endpoint, &b.path, b.kind)))
        });
        rows
    }

    /// Counts requests by what became of them. What the ledger knows of those that never came to be compared is counted
    /// with them.
    fn coverage(&self, facts: &Facts, compared: u64) -> Coverage {
        let counts = &facts.counts;
        let mut reasons = self.uncounted.clone();
        for endpoint in self.endpoints.values() {
            for (why, count) in &endpoint.not_compared {
                *reasons.entry(*why).or_default() += count;
            }
        }
        // Further copies of a request are nobody's requests.
        reasons.remove(&NotCompared::Copy);
        let all = counts.seen.saturating_sub(counts.copies);
        let left_out = counts.filtered + counts.sampled_out + counts.limited;
        // Those that ended here first, of memory say, are dropped by the ledger later: they are not counted again.
        let ended = compared + reasons.values().sum::<u64>();
        let mut unknown = all.saturating_sub(left_out + ended);
        for (reason, dropped) in &counts.dropped {
            let known = reasons.entry(NotCompared::Shadow(*reason)).or_default();
            let more = dropped.saturating_sub(*known).min(unknown);
            *known += more;
            unknown -= more;
        }
        reasons.retain(|_, count| *count > 0);
        let (failed, not_compared) = split(&reasons);
        let (failures, others): (u64, u64) = (failed.values().sum(), not_compared.values().sum());
        // Pairs are counted a little later than the ledger; kept ones come without it.
        let eligible = all.saturating_sub(left_out).max(compared + failures + others);
        let lost = |reason: &DropReason| counts.dropped.get(reason).copied().unwrap_or_default();
        let holes = LOST_BY_CAPTURE.iter().map(lost).sum::<u64>()
            + reasons
                .get(&NotCompared::ProductionGap)
                .copied()
                .unwrap_or_default();
        let seen = eligible + left_out;
        let all_compared: BTreeSet<&str> = self
            .endpoints
            .values()
            .filter(|endpoint| endpoint.compared > 0)
            .map(|endpoint| &*endpoint.name)
            .collect();
        let mut endpoints_not_compared: Vec<String> = self
            .endpoints
            .values()
            .map(|endpoint| endpoint.name.to_string())
            .filter(|name| !all_compared.contains(name.as_str()))
            .collect();
        endpoints_not_compared.sort();
        let mut coverage = Coverage {
            seen,
            filtered: counts.filtered,
            sampled_out: counts.sampled_out,
            limited: counts.limited,
            eligible,
            compared,
            failed,
            not_compared,
            waiting: eligible - compared - failures - others,
            share: 0.0,
            capture_lost_packets: facts.capture_lost_packets,
            capture_loss: rate(holes, seen).share.max(facts.capture_loss),
            endpoints_not_compared,
        };
        coverage.share = rate(compared + failures, coverage.comparable()).share;
        coverage
    }

    /// Requests to production and answers of the shadow, a second. Where the shadow still answers what came before, it has
    /// had longer for it.
    fn throughput(&self, facts: &Facts, coverage: &Coverage) -> Throughput {
        let Some((from, to)) = self.window else {
            return Throughput::default();
        };
        let counted = facts.ended_ms.unwrap_or(facts.counted_ms);
        let a_second = |requests: u64, until: u64| {
            let millis = until.saturating_sub(from).max(1000);
            requests as f64 * 1000.0 / millis as f64
        };
        let answered = facts
            .counts
            .delivered
            .max(coverage.compared)
            .min(coverage.eligible);
        Throughput {
            production: a_second(coverage.eligible, to),
            shadow: a_second(answered, counted.max(to)),
        }
    }

    /// Says which URLs have more values than are told apart.
    fn beyond_values(&self) -> Option<String> {
        let full = self.routes.beyond_values();
        let (first, more) = (full.first()?, full.len() - 1);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        Some(format!(
            "The requests of {first}{more} have more than {MAX_VALUES} values to be told apart by: the rest is one endpoint, (other ...)."
        ))
    }

    fn in_force(&self) -> InForce {
        let judging = &self.judging;
        let rules = &judging.rules;
        let mut ignored = Vec::new();
        if judging.by_rules {
            ignored.extend(rules.all_words());
        }
        let thresholds = &judging.thresholds;
        let mut noise = Vec::new();
        if judging.by_control {
            noise.push(format!(
                "control: a difference is excused in each pair in which the control has the same; it is noise if the control \
                 differs from production there as well, unless the shadow differs more often by {}% of their sum and {}% \
                 of all pairs",
                thresholds.relative * 100.0,
                thresholds.absolute * 100.0
            ));
        }
        if judging.by_repeat {
            noise.push(format!(
                "repeat: a difference is noise if the shadow differs there from its own second response in at least {}% \
                 (of {} or more), and not significantly less often than from production",
                thresholds.unstable * 100.0,
                thresholds.references
            ));
        }
        let routes = judging.routes.iter().map(ToString::to_string);
        InForce {
            fail_on: judging.fail_on.iter().map(FailRule::to_string).collect(),
            ignored,
            protected: rules.protected().iter().map(ToString::to_string).collect(),
            routes: routes.chain(judging.route_by.words()).collect(),
            noise,
            selection: judging.selection.clone(),
            notes: NOTES
                .map(str::to_owned)
                .into_iter()
                .chain(self.beyond_values())
                .collect(),
        }
    }
}

/// Notes on what the figures cannot tell.
const NOTES: [&str; 4] = [
    "Production's latency is measured on the wire where it is captured, from the last byte of the request to the last byte \
     of the response. The shadow's is measured at the socket of the copy, until the kernel has its response: it includes \
     the network round trip, but no queueing in the agent.",
    "The shadow may have colder caches, fewer users, other hardware or other neighbours than production: its latency is that \
     of this shadow under this load.",
    "The shadow gets its requests a little later than production, so values that change with time may differ.",
    "Side effects of requests (writes, messages, calls of other services) are not compared.",
];

/// Reasons that speak against the release, and the others.
fn split(reasons: &BTreeMap<NotCompared, u64>) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let (mut failed, mut others) = (BTreeMap::new(), BTreeMap::new());
    for (why, count) in reasons {
        let into = if why.is_failure() {
            &mut failed
        } else {
            &mut others
        };
        *into.entry(why.name()).or_default() += count;
    }
    (failed, others)
}

fn extra((what, counts): &(String, OutputCounts)) -> ExtraRequests {
    let lost = counts.dropped.iter();
    ExtraRequests {
        what: what.clone(),
        sent: counts.seen,
        answered: counts.delivered,
        lost: lost.map(|(reason, count)| (reason.name(), *count)).collect(),
        waiting: counts.in_flight,
    }
}

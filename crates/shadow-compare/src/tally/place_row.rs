//! The one row of a place in a document: what counts there, or else why most of it does not, and what does not count beside it.

use std::cmp::Reverse;

use super::EndpointTally;
use super::places::{Row, Sort};
use crate::document::{Aside, DifferenceRow, Noise, NoiseBy};
use crate::grpc_call;
use crate::statistics::rate;

/// The pairs of a place: those that count, and those that do not by each reason.
#[derive(Debug, Default)]
pub(super) struct PlaceRow {
    shares: Vec<DifferenceRow>,
}

impl PlaceRow {
    /// Adds pairs that share their fate: `noise` says why they do not count, if they do not.
    pub fn add(&mut self, endpoint: &EndpointTally, row: &Row, noise: Option<Noise>) {
        let is_same = |known: &&mut DifferenceRow| is_same_reason(known.noise.as_ref(), noise.as_ref());
        let is_suspicious = row.sort == Sort::Outside && noise.is_none();
        let suspicious = if is_suspicious { row.count } else { 0 };
        if let Some(known) = self.shares.iter_mut().find(is_same) {
            known.count += row.count;
            known.share = rate(known.count, endpoint.compared).share;
            known.suspicious += suspicious;
            known.first_ms = known.first_ms.min(row.first);
            known.last_ms = known.last_ms.max(row.last);
            known.examples.extend(row.examples.iter().cloned());
            return;
        }
        // Codes are no secret, and need no example to be shown.
        let name = |code: u16| grpc_call::name_of_code(code).map_or_else(|| code.to_string(), str::to_owned);
        let of_codes = row
            .codes
            .map(|(production, shadow)| (Some(name(production)), Some(name(shadow))));
        let (production, shadow) = of_codes.or_else(|| row.shown.clone()).unwrap_or_default();
        self.shares.push(DifferenceRow {
            endpoint: endpoint.name.to_string(),
            path: row.path.to_string(),
            kind: row.kind,
            count: row.count,
            share: rate(row.count, endpoint.compared).share,
            noise,
            aside: Vec::new(),
            suspicious,
            first_ms: row.first,
            last_ms: row.last,
            production,
            shadow,
            examples: row.examples.clone(),
        });
    }

    /// The row; `None` where nothing differs.
    pub fn row(mut self) -> Option<DifferenceRow> {
        self.shares
            .sort_by_key(|share| (share.noise.is_some(), Reverse(share.count)));
        let mut shares = self.shares.into_iter();
        let mut row = shares.next()?;
        let aside = shares.filter_map(|share| {
            Some(Aside {
                count: share.count,
                noise: share.noise?,
            })
        });
        row.aside = aside.collect();
        Some(row)
    }
}

/// Rules are told apart, what is measured is one.
fn is_same_reason(a: Option<&Noise>, b: Option<&Noise>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.by == b.by && (a.by != NoiseBy::Rule || a.why == b.why),
        (a, b) => a.is_none() && b.is_none(),
    }
}

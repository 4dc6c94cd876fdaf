//! Endpoints of one URL that are told apart by a value in their requests.
//!
//! A URL has at most [`MAX_VALUES`] of them, and they count among all endpoints. The values of requests that production refuses are not
//! learned, so nobody makes endpoints of what is not there. Requests with another value are one endpoint, `(other ...)`, of which
//! each value that counts against the release is named as a part. When URLs become one endpoint, so do the endpoints of the same value.

use std::collections::HashMap;

use super::{EndpointId, RouteId, Routes, is_refusal};
use crate::route_by::Selected;

/// Values of one URL that are told apart: what has more is no choice among a few.
pub const MAX_VALUES: usize = 50;

/// Facts that are known of them.
#[derive(Debug, Default)]
pub(super) struct SelectedRoutes {
    /// Endpoints, by that of their URL and their label.
    ids: HashMap<(u32, u32), u32>,
    /// How many values a URL has.
    values: HashMap<u32, usize>,
    labels: Vec<Box<str>>,
    by_label: HashMap<Box<str>, u32>,
    /// Of the request that was asked for last: the endpoint of its URL, and its label.
    pub asked: Option<(EndpointId, String)>,
}

impl SelectedRoutes {
    /// The text behind the name of an endpoint.
    pub fn label(&self, at: u32) -> &str {
        self.labels.get(at as usize).map_or("", |label| &**label)
    }

    fn find(&self, of: u32, label: &str) -> Option<u32> {
        let label = self.by_label.get(label)?;
        self.ids.get(&(of, *label)).copied()
    }

    fn label_at(&mut self, label: &str) -> u32 {
        if let Some(at) = self.by_label.get(label) {
            return *at;
        }
        let at = self.labels.len() as u32;
        self.labels.push(label.into());
        self.by_label.insert(label.into(), at);
        at
    }
}

impl Routes {
    /// The endpoint of the request that was asked for last, of the URL that `of` is, where it has this value. `status`: the one that
    /// production answered, if that is known.
    pub fn select(&mut self, of: EndpointId, selected: Option<&Selected>, status: Option<u16>) -> EndpointId {
        let of = self.canonical(of);
        let Some(selected) = selected.filter(|_| self.may_be_told_apart(of)) else {
            return of;
        };
        let label = selected.label();
        let asked = label.clone().unwrap_or_else(|| selected.label_of_others());
        let known = self.selected.find(of.0, &asked);
        self.selected.asked = Some((of, asked));
        if let Some(id) = known {
            return self.canonical(EndpointId(id));
        }
        let values = self.selected.values.get(&of.0).copied().unwrap_or_default();
        let has_room = values < MAX_VALUES && self.learned < self.max && self.has_ids();
        match label.filter(|_| has_room && !status.is_some_and(is_refusal)) {
            Some(label) => {
                *self.selected.values.entry(of.0).or_default() += 1;
                self.learned += 1;
                self.add_selected(of, &label)
            }
            None => self.others(of, &selected.label_of_others()),
        }
    }

    /// URLs that have more values than are told apart, by name.
    pub fn beyond_values(&self) -> Vec<String> {
        let full = self
            .selected
            .values
            .iter()
            .filter(|(_, values)| **values >= MAX_VALUES);
        let mut names: Vec<String> = full.map(|(of, _)| self.name(EndpointId(*of))).collect();
        names.sort();
        names
    }

    /// Whether requests of an endpoint have one URL that is there.
    fn may_be_told_apart(&self, of: EndpointId) -> bool {
        let entry = self.entries.get(of.0 as usize);
        entry.is_some_and(|entry| matches!(entry.place, RouteId::Learned(_) | RouteId::Given(_)))
    }

    /// The endpoint of values that are not told apart.
    fn others(&mut self, of: EndpointId, label: &str) -> EndpointId {
        match self.selected.find(of.0, label) {
            Some(id) => self.canonical(EndpointId(id)),
            None if self.has_ids() => {
                self.learned += 1;
                self.add_selected(of, label)
            }
            None => of,
        }
    }

    fn add_selected(&mut self, of: EndpointId, label: &str) -> EndpointId {
        let label = self.selected.label_at(label);
        let method = self.entries[of.0 as usize].method;
        let id = self.add(RouteId::Selected { of: of.0, label }, method);
        self.selected.ids.insert((of.0, label), id);
        EndpointId(id)
    }

    /// URLs have become one endpoint: so do the endpoints of the same value.
    pub(super) fn follow_selected(&mut self) {
        let mut known: Vec<_> = std::mem::take(&mut self.selected.ids).into_iter().collect();
        known.sort_unstable();
        for ((of, label), id) in known {
            let of = self.canonical(EndpointId(of)).0;
            if let Some(into) = self.selected.ids.get(&(of, label)).copied() {
                self.unite(into, id);
                continue;
            }
            self.selected.ids.insert((of, label), id);
            let id = self.canonical(EndpointId(id)).0;
            self.entries[id as usize].place = RouteId::Selected { of, label };
        }
        let selected = &mut self.selected;
        selected.values.clear();
        for (of, label) in selected.ids.keys() {
            let is_of_others = selected.labels[*label as usize].starts_with("(other ");
            *selected.values.entry(*of).or_default() += usize::from(!is_of_others);
        }
    }
}

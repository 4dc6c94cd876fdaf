//! A pair whose answers are equal, as nearly all of a good release are: what is counted of it. Its answers need not come to the
//! comparing thread, whose processor would have to fetch them, and to give their memory back to another.

use super::comparing::are_equal;
use super::grpc_call::called;
use super::pair::{Answer, Times};
use super::route_by::Selected;

/// Longest method and target that are kept, in bytes: longer ones are of pairs that are looked at as all others.
const MAX_CALLED: usize = 1024;

/// Everything that is counted of such a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EqualPair {
    /// Method, in the word that [`crate::called`] has for it, and target.
    called: Box<[u8]>,
    /// Length of the method.
    method: usize,
    /// The value by which it is told from others of its URL.
    pub selected: Option<Selected>,
    /// When the request was seen: Unix time in nanoseconds.
    pub at: u64,
    /// The status codes by which its answers are counted: production's, and the shadow's.
    pub statuses: (u16, u16),
    /// The status code that says whether the endpoint is there.
    pub route_status: u16,
    /// Whether another client was changing something meanwhile.
    pub raced: bool,
    /// How long production took; `None` where nobody knows.
    pub production: Option<Times>,
    /// How long the shadow took.
    pub shadow: Option<Times>,
}

impl EqualPair {
    /// All that is counted of a pair of these answers; `None` where it is not to be seen at a glance that they are equal. `is_same`:
    /// whether one is known to be the other, but for its date.
    pub fn of(
        request_head: &[u8],
        at: u64,
        production: &Answer,
        shadow: &Answer,
        is_same: bool,
    ) -> Option<Self> {
        let (method, target) = called(request_head);
        if method.len() + target.len() > MAX_CALLED || !(is_same || are_equal(production, shadow)) {
            return None;
        }
        let (counted, route_status) = production.statuses();
        let counted_too = if is_same { counted } else { shadow.counted_status() };
        Some(Self {
            called: [method, target].concat().into(),
            method: method.len(),
            selected: None,
            at,
            statuses: (counted, counted_too),
            route_status,
            raced: false,
            production: production.times,
            shadow: shadow.times,
        })
    }

    /// Method and target as endpoints are made of them.
    pub fn called(&self) -> (&[u8], &[u8]) {
        self.called.split_at(self.method)
    }
}

//! Counts of the pairs of a comparison, by outcome.

/// Counts of pairs by outcome, as the document has them: what is noise is learned, so they may rise and fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// The answers are the same.
    pub equal: u64,
    /// They agree; the control differs from production somewhere as the shadow does.
    pub excused: u64,
    /// They differ in what is taken for noise only.
    pub noise: u64,
    /// They differ in what nobody can call noise or not yet.
    pub not_learned: u64,
    /// They differ.
    pub different: u64,
}

impl Outcomes {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("equal", self.equal),
            ("excused", self.excused),
            ("noise", self.noise),
            ("not_learned", self.not_learned),
            ("different", self.different),
        ]
    }
}

//! A share of all requests, and the draws that decide which.
//!
//! Each request is decided on its own, so that a share of a busy route and of a quiet one is the same share, and
//! no pattern in the traffic (every second request a write) can fall into step with the choice.

use std::hash::{BuildHasher, RandomState};

/// All requests, in 2^32nds.
const ALL: u64 = 1 << 32;

/// A share of requests: so many of 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share(u64);

impl Share {
    /// Every request.
    pub const ALL: Self = Self(ALL);

    /// No request.
    pub const NOTHING: Self = Self(0);

    /// `numerator` of `denominator` requests, to the nearest 2^32nd; all, when there are more. None for a
    /// denominator of 0.
    pub fn fraction(numerator: u32, denominator: u32) -> Option<Self> {
        let (numerator, denominator) = (u64::from(numerator), u64::from(denominator));
        match (numerator, denominator) {
            (_, 0) => None,
            (numerator, denominator) if numerator >= denominator => Some(Self::ALL),
            (numerator, denominator) => Some(Self(((numerator << 32) + denominator / 2) / denominator)),
        }
    }

    /// So many of 2^32 requests.
    pub fn of_2_32(parts: u32) -> Self {
        Self(u64::from(parts))
    }

    /// `percent` of a hundred requests; all, when there are more.
    pub fn percent(percent: u32) -> Self {
        Self::fraction(percent, 100).unwrap_or(Self::ALL)
    }

    /// Whether it is a share of nothing.
    pub fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether the request that drew `draw`, evenly from all `u32`, is one of them. None of nothing is, and
    /// every one of all.
    pub fn takes(self, draw: u32) -> bool {
        u64::from(draw) < self.0
    }

    /// The share as a number from 0 to 1.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / ALL as f64
    }
}

/// Even draws for one thread, without a lock or a system call (xorshift64*). Not for secrets.
#[derive(Clone, Debug)]
pub struct Draws {
    state: u64,
}

impl Draws {
    /// Draws that are others in each process and each thread.
    pub fn new() -> Self {
        Self::seeded(RandomState::new().hash_one(()))
    }

    /// The draws that belong to `seed`.
    pub fn seeded(seed: u64) -> Self {
        // 0 is the one state that never changes. The multiplier spreads seeds that lie close together.
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draws = Self { state: state.max(1) };
        draws.draw();
        draws
    }

    /// The next draw.
    pub fn draw(&mut self) -> u32 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}

impl Default for Draws {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of one round of Gateway API's conformance test of percentages.
    const REQUESTS: u32 = 500;

    /// How many of [`REQUESTS`] a share takes with the draws of `seed`.
    fn taken(share: Share, seed: u64) -> u32 {
        let mut draws = Draws::seeded(seed);
        (0..REQUESTS).map(|_| u32::from(share.takes(draws.draw()))).sum()
    }

    #[test]
    fn a_share_of_500_requests_is_within_three_sigma() {
        for share in [
            Share::percent(20),
            Share::fraction(25, 50).unwrap(),
            Share::percent(35),
        ] {
            let mean = f64::from(REQUESTS) * share.as_f64();
            let sigma = (mean * (1.0 - share.as_f64())).sqrt();
            for seed in 1..=20 {
                let taken = f64::from(taken(share, seed));
                assert!(
                    (taken - mean).abs() <= 3.0 * sigma,
                    "{share:?}, seed {seed}: {taken}"
                );
            }
        }
    }

    #[test]
    fn nothing_and_everything_are_exact() {
        for draw in [0, 1, u32::MAX - 1, u32::MAX] {
            assert!(!Share::percent(0).takes(draw));
            assert!(Share::percent(100).takes(draw));
            assert!(Share::ALL.takes(draw));
        }
    }

    #[test]
    fn a_percentage_is_the_fraction_of_a_hundred() {
        assert_eq!(Share::percent(50), Share(1 << 31));
        assert_eq!(Share::fraction(1, 1 << 31), Some(Share(2)));
        assert_eq!(Share::fraction(7, 5), Some(Share::ALL));
        assert_eq!(Share::fraction(0, 5), Some(Share(0)));
        assert_eq!(Share::fraction(1, 0), None);
        assert_eq!(Share::percent(101), Share::ALL);
    }

    #[test]
    fn the_draws_of_two_threads_differ() {
        let mut other = Draws::new();
        let mut draws = Draws::new();
        assert!((0..8).any(|_| draws.draw() != other.draw()));
    }

    #[test]
    fn every_seed_draws() {
        let mut draws = Draws::seeded(0);
        assert_ne!(draws.draw(), draws.draw());
    }
}

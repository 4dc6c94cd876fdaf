//! Random numbers for simulations in tests: the same in each run.

use std::time::Duration;

/// `SplitMix64` (G. L. Steele and others, "Fast splittable pseudorandom number generators", 2014).
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1, neither of them.
    pub fn share(&mut self) -> f64 {
        ((self.number() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Whether something with this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// How often it happens in so many trials.
    pub fn count(&mut self, trials: u64, probability: f64) -> u64 {
        (0..trials).filter(|_| self.happens(probability)).count() as u64
    }

    /// A latency with a long tail: log-normal around 20 milliseconds, by Box and Muller.
    pub fn latency(&mut self) -> Duration {
        let normal = (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos();
        Duration::from_millis(20).mul_f64((0.8 * normal).exp())
    }
}

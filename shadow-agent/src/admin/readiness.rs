//! Whether everything does what it is for: a condition for each thing that can be wrong, and why it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most conditions kept: there is about one for each input and mirror of the settings. Beyond it only bad ones are
/// kept, together, under [`OTHERS`].
pub const MAX_CONDITIONS: usize = 500;

/// The name of the condition that stands for those beyond [`MAX_CONDITIONS`].
pub const OTHERS: &str = "others";

/// Longest reason kept, in bytes: a line that can be read.
const MAX_REASON: usize = 500;

/// The conditions of a run. Clones are the same registry.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<Conditions>>,
}

/// By name: good, with a remark where there is one, or bad with the reason.
type Conditions = BTreeMap<Cow<'static, str>, Result<String, String>>;

impl Readiness {
    /// Reports on a condition: good, or bad with the reason. Called whenever it may have changed.
    pub fn set(&self, name: impl Into<Cow<'static, str>>, state: Result<(), String>) {
        self.put(name.into(), state.map(|()| String::new()));
    }

    /// Reports that a condition is good although nothing happens, and why nothing does: on most nodes of a cluster there
    /// is no pod to capture from, and that must not hold up a rollout.
    pub fn set_idle(&self, name: impl Into<Cow<'static, str>>, why: String) {
        self.put(name.into(), Ok(why));
    }

    fn put(&self, name: Cow<'static, str>, mut state: Result<String, String>) {
        let (Ok(words) | Err(words)) = &mut state;
        // One condition is one line.
        *words = words.replace(char::is_control, " ");
        let end = words.floor_char_boundary(MAX_REASON);
        words.truncate(end);
        let mut conditions = self.lock();
        if conditions.len() < MAX_CONDITIONS || conditions.contains_key(&name) {
            conditions.insert(name, state);
        } else if let Err(reason) = state {
            conditions.insert(OTHERS.into(), Err(format!("{name}: {reason}")));
        }
    }

    /// Forgets a condition: what it was about is gone.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Whether every condition is good, and there is one at least.
    pub fn is_ready(&self) -> bool {
        let conditions = self.lock();
        !conditions.is_empty() && conditions.values().all(Result::is_ok)
    }

    /// Each condition and its state, by name.
    pub fn conditions(&self) -> Vec<(String, Result<(), String>)> {
        let conditions = self.lock();
        let pairs = conditions.iter();
        pairs
            .map(|(name, state)| (name.to_string(), state.clone().map(|_| ())))
            .collect()
    }

    /// One line for each condition: `capture: ok`, `pods: forbidden`.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        for (name, state) in &*self.lock() {
            let _ = match state {
                Ok(remark) if remark.is_empty() => writeln!(text, "{name}: ok"),
                Ok(remark) => writeln!(text, "{name}: ok, {remark}"),
                Err(reason) => writeln!(text, "{name}: {reason}"),
            };
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Conditions> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(reason: &str) -> Result<(), String> {
        Err(reason.to_owned())
    }

    #[test]
    fn it_is_ready_when_there_are_conditions_and_all_are_good() {
        let readiness = Readiness::default();
        assert!(!readiness.is_ready());
        readiness.set("capture", Ok(()));
        assert!(readiness.is_ready());
        readiness.set("pods", bad("forbidden"));
        assert!(!readiness.is_ready());
        assert_eq!(readiness.lines(), "capture: ok\npods: forbidden\n");
        readiness.remove("pods");
        assert!(readiness.is_ready());
    }

    #[test]
    fn a_condition_under_which_nothing_happens_is_good_and_says_why() {
        let readiness = Readiness::default();
        readiness.set_idle("pods", "no pod on this node matches".to_owned());
        assert!(readiness.is_ready());
        assert_eq!(readiness.lines(), "pods: ok, no pod on this node matches\n");
    }

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        let readiness = Readiness::default();
        readiness.set("a", bad("two\nlines"));
        assert_eq!(readiness.lines(), "a: two lines\n");
        readiness.set("a", bad(&"\u{e9}".repeat(1000)));
        assert_eq!(readiness.lines().len(), "a: \n".len() + MAX_REASON);
    }

    #[test]
    fn conditions_beyond_the_bound_are_kept_together_when_bad() {
        let readiness = Readiness::default();
        for index in 0..MAX_CONDITIONS {
            readiness.set(format!("{index}"), Ok(()));
        }
        readiness.set("one more", Ok(()));
        assert!(readiness.is_ready());
        readiness.set("one more", bad("broken"));
        assert_eq!(readiness.conditions().len(), MAX_CONDITIONS + 1);
        assert!(readiness.lines().contains("others: one more: broken\n"));
    }
}

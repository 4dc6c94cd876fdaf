//! Places for connections of strangers: one that is silent holds its place only until somebody else needs it. Otherwise
//! whoever opens connections and says nothing would shut an input for all others.

use std::cell::Cell;
use std::future::Future;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::descriptors::{self, DescriptorPermit};

/// A connection that has been silent for less is not closed for another: it may be about to speak.
const LEAST: Duration = Duration::from_secs(1);

/// The connections of an input.
#[derive(Debug, Default)]
pub struct Silences {
    all: Vec<Weak<Silence>>,
    /// Whether it was said that there are too many.
    told: bool,
}

/// Since when a connection has been silent, and whether that ends it.
#[derive(Debug)]
pub struct Silence {
    since: Cell<Option<Instant>>,
    over: Notify,
    is_over: Cell<bool>,
    _place: DescriptorPermit,
}

impl Silences {
    /// A place for another connection among `most` of the input that `flag` bounds, which may cost the one that has been
    /// idle for longest its own; `None` where none is silent.
    pub fn open(&mut self, most: usize, flag: &str) -> Option<Rc<Silence>> {
        self.all.retain(|silence| silence.strong_count() > 0);
        let place = descriptors::take();
        if self.all.len() >= most || place.is_err() {
            if !std::mem::replace(&mut self.told, true) {
                tracing::warn!(
                    most,
                    "{flag} reached: closing the connection idle for longest to accept another"
                );
            }
            self.longest()?.end();
        }
        // The one that ends has another; it is there for the next that comes.
        let place = place.ok()?;
        let silence = Rc::new(Silence {
            since: Cell::new(Some(Instant::now())),
            over: Notify::new(),
            is_over: Cell::new(false),
            _place: place,
        });
        self.all.push(Rc::downgrade(&silence));
        Some(silence)
    }

    fn longest(&self) -> Option<Rc<Silence>> {
        let silences = self.all.iter().filter_map(Weak::upgrade);
        silences
            .filter_map(|silence| Some((silence.lasts()?, silence)))
            .filter(|(lasts, _)| *lasts >= LEAST)
            .max_by_key(|(lasts, _)| *lasts)
            .map(|(_, silence)| silence)
    }
}

impl Silence {
    /// How long it has lasted; `None` where the connection is not silent, or is ending for it.
    fn lasts(&self) -> Option<Duration> {
        let since = self.since.get().filter(|_| !self.is_over.get())?;
        Some(since.elapsed())
    }

    /// Ends the connection, once it is silent.
    fn end(&self) {
        self.is_over.set(true);
        self.over.notify_one();
    }

    /// Waits for what the other side says; `None` where the place is somebody else's before it says anything.
    pub async fn broken_by<T>(&self, said: impl Future<Output = T>) -> Option<T> {
        self.since.set(Some(Instant::now()));
        let result = tokio::select! {
            biased;
            said = said => Some(said),
            () = self.over.notified() => None,
        };
        self.since.set(None);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_place_of_the_longest_silence_is_the_next_ones() {
        let mut silences = Silences::default();
        let mut open = || silences.open(2, "--flag");
        let (one, other) = (open().unwrap(), open().unwrap());
        assert!(open().is_none(), "both have only just come");
        advance(LEAST).await;
        assert_eq!(other.broken_by(ready(5)).await, Some(5));
        let third = open().unwrap();
        assert_eq!(one.broken_by(pending::<()>()).await, None, "idle for longest");
        assert!(open().is_none(), "who speaks keeps its place");
        drop((one, other));
        assert!(open().is_some());
        drop(third);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_speaks_at_the_same_moment_is_heard() {
        let mut silences = Silences::default();
        let one = silences.open(1, "--flag").unwrap();
        advance(LEAST).await;
        silences.open(1, "--flag").unwrap();
        assert_eq!(one.broken_by(ready(5)).await, Some(5));
        assert_eq!(one.broken_by(pending::<()>()).await, None);
    }
}

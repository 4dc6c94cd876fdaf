//! A copy of some of the cluster's objects, kept as they are by list and watch.
//!
//! A watch that ends is resumed from where it was; one that is too old (410) starts over with a list; an API that cannot
//! be asked is asked again with growing pauses. All the while the last objects known stay, and beside them stands what is
//! wrong, which is what kube's own watcher does not tell. (Kubernetes API concepts, "Efficient detection of changes".)

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, pin_mut};
use kube::api::{Api, ListParams, VersionMatch, WatchEvent, WatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use shadow_core::cluster_metrics::ClusterMetrics;
use shadow_mirror::Draws;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::api_error::Trouble;

/// Objects of one kind that are kept at most: clusters of 5,000 nodes have some tens of thousands of services.
const MAX_OBJECTS: usize = 100_000;

/// How long a watch is asked to last; the server may end it earlier.
const WATCH_SECONDS: u32 = 290;

/// Pauses before asking again: they grow from the first to the last, so that an API server that comes back is not
/// greeted by every node at once, and is not missed for long: with the time to connect (`client.rs`), what is known is
/// up to date again within five seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(3);

/// How long after its request a watch is taken to be refused or let in.
const REFUSAL: Duration = Duration::from_millis(500);

/// Namespace (empty for none) and name.
pub type ObjectKey = (String, String);

/// The copies that are kept of some objects.
#[derive(Clone, Debug)]
pub struct Known<V> {
    /// The objects.
    pub objects: Arc<BTreeMap<ObjectKey, Arc<V>>>,
    /// Whether they have been listed once.
    pub listed: bool,
    /// Why they may be out of date.
    pub trouble: Option<Trouble>,
    /// Counts up with every change of the objects.
    pub revision: u64,
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self {
            objects: Arc::default(),
            listed: false,
            trouble: None,
            revision: 0,
        }
    }
}

/// Which objects are kept: all, unless a selector is given.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// A field selector.
    pub fields: Option<String>,
    /// A label selector.
    pub labels: Option<String>,
}

/// Keeps a copy of some objects for as long as it lives.
pub struct Reflector<V> {
    known: Arc<Mutex<Known<V>>>,
    task: JoinHandle<()>,
}

impl<V: Clone + PartialEq + Send + Sync + 'static> Reflector<V> {
    /// Starts to keep what `slim` leaves of the objects that `apis` has of this choice. Of several APIs, versions
    /// of the same resource, the first that the cluster knows is used. `changed` is told of every change.
    pub fn start<K>(
        apis: Vec<Api<K>>,
        choice: Choice,
        slim: fn(K) -> V,
        changed: Arc<Notify>,
        metrics: ClusterMetrics,
    ) -> Self
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let known = Arc::new(Mutex::new(Known::default()));
        let keeper = WatchTask {
            apis,
            choice,
            slim,
            known: Arc::clone(&known),
            changed,
            metrics,
            current: 0,
            seen: None,
            pause: Pause::default(),
        };
        let task = tokio::spawn(keeper.keep());
        Self { known, task }
    }

    /// The copies at this moment.
    pub fn known(&self) -> MutexGuard<'_, Known<V>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Drop for Reflector<V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct WatchTask<K, V> {
    apis: Vec<Api<K>>,
    choice: Choice,
    slim: fn(K) -> V,
    known: Arc<Mutex<Known<V>>>,
    changed: Arc<Notify>,
    metrics: ClusterMetrics,
    /// Index of the API that is used.
    current: usize,
    /// The newest version seen, for a list that starts over.
    seen: Option<String>,
    /// How long to rest after the next failure: a watch that is let in makes it short again, and so does the first answer
    /// after silence.
    pause: Pause,
}

/// How long to rest before the API is asked again.
#[derive(Debug)]
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    /// The next pause: from half of its length to the whole of it, as `draw` (32 random bits) has it. Then they grow.
    fn next(&mut self, draw: u32) -> Duration {
        let part = 0.5 + f64::from(draw) / f64::from(u32::MAX) / 2.0;
        let pause = self.0.mul_f64(part);
        self.0 = (self.0 * 2).min(LAST_PAUSE);
        pause
    }
}

/// Why a watch ended without an error.
enum Ended {
    /// The server closed it; it is resumed from this version.
    Resume(String),
    /// Its version is too old.
    Expired,
}

impl<K, V> WatchTask<K, V>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    V: Clone + PartialEq + Send + Sync + 'static,
{
    async fn keep(mut self) {
        let mut version: Option<String> = None;
        loop {
            let begun = Instant::now();
            let result = match version.take() {
                None => self.list().await.map(Ended::Resume),
                Some(from) => {
                    let ended = self.watch(&mut version, from).await;
                    // A server that ends every watch at once is not asked without pause.
                    tokio::time::sleep(FIRST_PAUSE.saturating_sub(begun.elapsed())).await;
                    if version.is_some() {
                        self.seen.clone_from(&version);
                    }
                    ended
                }
            };
            match result {
                Ok(Ended::Resume(from)) => {
                    version = Some(from);
                }
                Ok(Ended::Expired) => {
                    version = None;
                    self.answered();
                    // Every node of the cluster may be in the same case.
                    self.rest().await;
                }
                Err(error) => {
                    let trouble = Trouble::of(&error);
                    if trouble.reason == "malformed" {
                        // The same event would come again.
                        version = None;
                    }
                    self.failed(trouble);
                    self.rest().await;
                }
            }
        }
    }

    /// Waits, not in step with the other nodes, and longer the next time.
    async fn rest(&mut self) {
        tokio::time::sleep(self.pause.next(Draws::new().draw())).await;
    }

    /// Lists everything; the version to watch from.
    async fn list(&mut self) -> kube::Result<String> {
        // What the API server has in its cache, no older than what was seen: a list of one node's pods that must be read
        // from the store costs it a look at every pod of the cluster. Without a limit: with one, it is read from there.
        let mut parameters = match self.seen.take() {
            None => ListParams::default().match_any(),
            Some(seen) => ListParams::default()
                .matching(VersionMatch::NotOlderThan)
                .at(&seen),
        };
        parameters.field_selector.clone_from(&self.choice.fields);
        parameters.label_selector.clone_from(&self.choice.labels);
        let mut objects = BTreeMap::new();
        loop {
            let page = self.apis[self.current].list(&parameters).await?;
            let metadata = page.metadata;
            for object in page.items {
                if objects.len() < MAX_OBJECTS {
                    objects.insert(key(&object), Arc::new((self.slim)(object)));
                }
            }
            if let Some(token) = metadata.continue_.filter(|token| !token.is_empty()) {
                parameters.continue_token = Some(token);
                continue;
            }
            let whole = objects.len() < MAX_OBJECTS;
            self.update(|known| {
                known.objects = Arc::new(objects);
                known.listed = true;
                known.trouble = (!whole).then(too_many);
                known.revision += 1;
            });
            let version = metadata.resource_version.unwrap_or_default();
            self.seen = Some(version.clone());
            return Ok(version);
        }
    }

    /// Follows changes until the server ends the watch. `reached` is kept at the last version seen, so that a watch that
    /// breaks is resumed there.
    async fn watch(&mut self, reached: &mut Option<String>, from: String) -> kube::Result<Ended> {
        *reached = Some(from.clone());
        let mut parameters = WatchParams::default().timeout(WATCH_SECONDS);
        parameters.field_selector.clone_from(&self.choice.fields);
        parameters.label_selector.clone_from(&self.choice.labels);
        let events = self.apis[self.current].watch(&parameters, &from).await?;
        pin_mut!(events);
        let mut let_in = false;
        loop {
            let event = if let_in {
                events.next().await
            } else {
                // A refusal does not fail the call: it is what comes first.
                match tokio::time::timeout(REFUSAL, events.next()).await {
                    Ok(refused @ Some(Err(_) | Ok(WatchEvent::Error(_)))) => refused,
                    Ok(event) => {
                        let_in = true;
                        self.nothing_is_wrong();
                        event
                    }
                    Err(_) => {
                        let_in = true;
                        self.nothing_is_wrong();
                        continue;
                    }
                }
            };
            let Some(event) = event else { break };
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    *reached = object.resource_version();
                    let key = key(&object);
                    let slim = Arc::new((self.slim)(object));
                    self.update(|known| {
                        if known.objects.get(&key).is_some_and(|old| **old == *slim) {
                            return;
                        }
                        if known.objects.len() < MAX_OBJECTS || known.objects.contains_key(&key) {
                            Arc::make_mut(&mut known.objects).insert(key, slim);
                            known.revision += 1;
                        } else {
                            known.trouble = Some(too_many());
                        }
                    });
                }
                Ok(WatchEvent::Deleted(object)) => {
                    *reached = object.resource_version();
                    self.update(|known| {
                        Arc::make_mut(&mut known.objects).remove(&key(&object));
                        known.revision += 1;
                    });
                }
                Ok(WatchEvent::Bookmark(bookmark)) => *reached = Some(bookmark.metadata.resource_version),
                // As an event of the watch, or as the answer to the request for it.
                Ok(WatchEvent::Error(status)) | Err(kube::Error::Api(status)) if status.code == 410 => {
                    *reached = None;
                    return Ok(Ended::Expired);
                }
                Ok(WatchEvent::Error(status)) => return Err(kube::Error::Api(status)),
                Err(error) => return Err(error),
            }
        }
        Ok(Ended::Resume(reached.clone().unwrap_or(from)))
    }

    /// The API has answered. Where it was silent before it is coming back: what it refuses now, it may grant in a moment.
    fn answered(&mut self) {
        let was_silent = self
            .lock()
            .trouble
            .as_ref()
            .is_some_and(|known| !known.is_answer());
        if was_silent {
            self.pause = Pause::default();
        }
    }

    fn nothing_is_wrong(&mut self) {
        self.pause = Pause::default();
        let cured = {
            let known = self.lock();
            known.trouble.is_some() && known.objects.len() < MAX_OBJECTS
        };
        if cured {
            self.update(|known| known.trouble = None);
        }
    }

    fn failed(&mut self, trouble: Trouble) {
        if trouble.is_answer() {
            self.answered();
        }
        let first = self
            .lock()
            .trouble
            .as_ref()
            .is_none_or(|known| known.reason != trouble.reason);
        // That a kind is not installed is no new error each time.
        if first || !trouble.is_unknown_resource() {
            self.metrics.api_error(trouble.reason);
        }
        if first {
            tracing::warn!(kind = %self.name(), reason = trouble.reason, error = trouble.words, "cannot query \
                the Kubernetes API");
        }
        if trouble.is_unknown_resource() {
            self.current = (self.current + 1) % self.apis.len();
        }
        self.update(|known| known.trouble = Some(trouble));
    }

    fn name(&self) -> String {
        let url = self.apis[self.current].resource_url();
        url.rsplit('/').next().unwrap_or_default().to_owned()
    }

    fn update(&self, change: impl FnOnce(&mut Known<V>)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Known<V>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many() -> Trouble {
    Trouble {
        reason: "too_many",
        words: format!("there are more than {MAX_OBJECTS} objects of a kind; the rest is ignored"),
    }
}

fn key<K: Resource>(object: &K) -> ObjectKey {
    (object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_three_seconds_and_are_never_in_step() {
        let mut pause = Pause::default();
        let longest: Vec<u128> = (0..6).map(|_| pause.next(u32::MAX).as_millis()).collect();
        assert_eq!(longest, [250, 500, 1000, 2000, 3000, 3000]);
        assert_eq!(pause.next(0), Duration::from_millis(1500));
        assert!(LAST_PAUSE + crate::client::CONNECT <= Duration::from_secs(5));
    }
}

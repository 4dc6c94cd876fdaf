//! Watches: events as lines of JSON, from a version on, with bookmarks, until the client or the time says so.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::body::{Body, Closed, Sender};
use super::failure::Failure;
use super::faults::Fault;
use super::list;
use super::request::{Query, Request};
use super::resource::Resource;
use super::selector::Selector;
use super::state::{Ending, Expiry, Shared, State};
use super::store::Change;
use super::view::View;

/// The real server sends a bookmark a minute; tests have no such time.
const BOOKMARK_EVERY: Duration = Duration::from_secs(1);

/// How long a watch lasts when the client does not say; the least the real server takes by default.
const LONGEST: Duration = Duration::from_mins(30);

/// An open watch.
pub(super) struct Watch {
    shared: Arc<Shared>,
    number: u64,
    request: Request,
    resource: &'static Resource,
    metadata_only: bool,
    selector: Selector,
    /// The version of what was sent last.
    sent: u64,
    /// Lines to be sent first.
    first: Vec<Value>,
    bookmarks: bool,
    bookmarks_asked: u64,
    end: Instant,
}

/// The next step of a watch, after a look at the state.
enum Step {
    Lines(Vec<Value>),
    Last(Value),
    Cut,
}

impl Watch {
    /// Opens a watch under the lock of `state`, so that it misses nothing from here on.
    pub(super) fn open(
        shared: &Arc<Shared>,
        state: &mut State,
        request: &Request,
        resource: &'static Resource,
        metadata_only: bool,
        selector: Selector,
        query: &Query,
    ) -> Result<Self, Failure> {
        let seconds = query.number("timeoutSeconds").map_err(Failure::bad_request)?;
        let asked = query
            .number("resourceVersion")
            .map_err(Failure::bad_request)?
            .unwrap_or(0);
        let bookmarks = query.is_true("allowWatchBookmarks");
        let initial = query.is_true("sendInitialEvents");
        let from_now = initial || asked == 0;
        let expired = state.store.since(asked).err().filter(|_| !from_now);
        if let (Some(expired), Expiry::Status) = (&expired, state.expiry) {
            return Err(expired.clone());
        }
        // Nothing may fail from here on: a watch that is dropped takes the lock.
        let mut watch = Self {
            shared: Arc::clone(shared),
            number: state.open_watch(request.clone()),
            request: request.clone(),
            resource,
            metadata_only,
            selector,
            sent: asked,
            first: Vec::new(),
            bookmarks,
            bookmarks_asked: state.bookmarks,
            end: Instant::now() + seconds.map_or(LONGEST, Duration::from_secs).min(LONGEST),
        };
        if from_now {
            // From no version: first what is there, as if it had just been added.
            watch.sent = state.store.revision();
            let namespace = request.namespace.as_deref();
            let objects = list::now(&state.store, watch.view(), namespace, &watch.selector);
            watch.first = objects
                .values()
                .map(|object| watch.event("ADDED", object))
                .collect();
            if initial && bookmarks {
                let end = watch.view().bookmark(watch.sent, true);
                watch.first.push(json!({"type": "BOOKMARK", "object": end}));
            }
        } else if expired.is_some() {
            state.watches.remove(&watch.number);
            state.ending.insert(watch.number, Ending::Expired);
        }
        Ok(watch)
    }

    /// Starts it and gives the body that it is sent in.
    pub(super) fn start(self, fault: Option<Fault>) -> Body {
        let (sender, body) = Body::stream();
        tokio::spawn(async move {
            // An error means that the client has gone.
            let _ = self.run(sender, fault).await;
        });
        body
    }

    async fn run(mut self, sender: Sender, fault: Option<Fault>) -> Result<(), Closed> {
        match fault {
            Some(Fault::Garbage) => {
                return sender
                    .send(Bytes::from_static(b"{\"type\":\"ADDED\",object}\n"))
                    .await;
            }
            Some(Fault::Cut) => {
                sender
                    .send(Bytes::from_static(b"{\"type\":\"ADDED\",\"obj"))
                    .await?;
                return sender.cut().await;
            }
            _ => {}
        }
        let shared = Arc::clone(&self.shared);
        let mut news = shared.subscribe();
        for line in std::mem::take(&mut self.first) {
            send(&sender, &line).await?;
        }
        let mut bookmark = Instant::now() + BOOKMARK_EVERY;
        loop {
            news.mark_unchanged();
            let now = Instant::now();
            let due = now >= bookmark;
            if due {
                bookmark = now + BOOKMARK_EVERY;
            }
            match shared.change_quietly(|state| self.step(state, due)) {
                Step::Lines(lines) => {
                    for line in lines {
                        send(&sender, &line).await?;
                    }
                }
                Step::Last(line) => return send(&sender, &line).await,
                Step::Cut => return sender.cut().await,
            }
            if now >= self.end {
                return Ok(());
            }
            tokio::select! {
                _ = news.changed() => {}
                () = sleep_until(self.end.min(bookmark)) => {}
                () = sender.closed() => return Err(Closed),
            }
        }
    }

    fn step(&mut self, state: &mut State, bookmark_due: bool) -> Step {
        match state.ending.remove(&self.number) {
            Some(Ending::Cut) => return Step::Cut,
            Some(Ending::Expired) => {
                let expired = Failure::expired(self.sent, state.store.revision());
                return Step::Last(json!({"type": "ERROR", "object": expired.to_json()}));
            }
            None => {}
        }
        let changes = state.store.kept_since(self.sent);
        let mut lines: Vec<_> = changes.filter_map(|change| self.line(change)).collect();
        self.sent = self.sent.max(state.store.revision());
        let asked = std::mem::replace(&mut self.bookmarks_asked, state.bookmarks) != state.bookmarks;
        if self.bookmarks && (bookmark_due || asked) {
            let bookmark = self.view().bookmark(self.sent, false);
            lines.push(json!({"type": "BOOKMARK", "object": bookmark}));
        }
        Step::Lines(lines)
    }

    /// A change as this watch sees it: an object that leaves the selection is deleted, one that enters is added.
    fn line(&self, change: &Change) -> Option<Value> {
        if !change
            .key
            .is_of(self.resource.plural, self.request.namespace.as_deref())
        {
            return None;
        }
        let before = change
            .before
            .as_ref()
            .filter(|object| self.selector.matches(object));
        let after = change
            .after
            .as_ref()
            .filter(|object| self.selector.matches(object));
        match (before, after) {
            (None, Some(after)) => Some(self.event("ADDED", after)),
            (Some(_), Some(after)) => Some(self.event("MODIFIED", after)),
            (Some(before), None) => {
                // As it was, but with the version of its end.
                let mut last = (**before).clone();
                last["metadata"]["resourceVersion"] = change.revision.to_string().into();
                Some(self.event("DELETED", &last))
            }
            (None, None) => None,
        }
    }

    fn event(&self, what: &str, object: &Value) -> Value {
        json!({"type": what, "object": self.view().object(object)})
    }

    fn view(&self) -> View<'_> {
        View {
            resource: self.resource,
            version: &self.request.version,
            metadata_only: self.metadata_only,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.watches.remove(&self.number);
            state.ending.remove(&self.number);
        });
    }
}

async fn send(sender: &Sender, line: &Value) -> Result<(), Closed> {
    sender.send(format!("{line}\n").into()).await
}

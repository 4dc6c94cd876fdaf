//! The state that the server's thread and the test share, and how each learns of what the other did.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::faults::Faults;
use super::request::Request;
use super::resource::Resource;
use super::store::Store;

/// Everything the server knows.
pub(super) struct State {
    pub store: Store,
    pub faults: Faults,
    /// All requests so far, the oldest first.
    pub requests: Vec<Request>,
    /// Watches that are open.
    pub watches: BTreeMap<u64, Request>,
    /// Watches that are to end, and how.
    pub ending: HashMap<u64, Ending>,
    /// Groups, versions or resources that the server does not have: `GROUP[/VERSION[/PLURAL]]`.
    pub hidden: BTreeSet<String>,
    /// How a watch from a forgotten version is refused.
    pub expiry: Expiry,
    /// Grows whenever a test wants bookmarks at once.
    pub bookmarks: u64,
    /// The mode that the server's thread is to be in.
    pub mode: Mode,
    /// The mode that it is in.
    pub running: Mode,
    next_watch: u64,
}

/// Whether connections are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Up,
    Away,
    Stopped,
}

/// How a watch ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// In the middle, as when a connection breaks.
    Cut,
    /// By an ERROR event with code 410.
    Expired,
}

/// How the server refuses a watch from a version that [`compact`](super::ApiServer::compact) has made it forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Status 200 and an ERROR event, as the real server's watch cache does.
    Event,
    /// Status 410, as the real server does without a watch cache and as its documentation says.
    Status,
}

/// [`State`] behind a lock, with news of its changes for both kinds of thread.
pub(super) struct Shared {
    state: Mutex<State>,
    for_test: Condvar,
    for_server: watch::Sender<()>,
}

impl State {
    /// Whether a resource is served in a version.
    pub(super) fn has(&self, resource: &Resource, version: &str) -> bool {
        let group = if resource.group.is_empty() {
            "core"
        } else {
            resource.group
        };
        let names = [
            group.to_owned(),
            format!("{group}/{version}"),
            format!("{group}/{version}/{}", resource.plural),
        ];
        resource.versions.contains(&version) && names.iter().all(|name| !self.hidden.contains(name))
    }

    /// Enters a watch among the open ones and gives its number.
    pub(super) fn open_watch(&mut self, request: Request) -> u64 {
        self.next_watch += 1;
        self.watches.insert(self.next_watch, request);
        self.next_watch
    }

    /// Has every open watch end. None of them counts as open from here on.
    pub(super) fn end_watches(&mut self, how: Ending) {
        let watches = std::mem::take(&mut self.watches);
        self.ending
            .extend(watches.into_keys().map(|number| (number, how)));
    }
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                store: Store::new(),
                faults: Faults::default(),
                requests: Vec::new(),
                watches: BTreeMap::new(),
                ending: HashMap::new(),
                hidden: BTreeSet::new(),
                expiry: Expiry::Event,
                bookmarks: 0,
                mode: Mode::Up,
                running: Mode::Away,
                next_watch: 0,
            }),
            for_test: Condvar::new(),
            for_server: watch::Sender::new(()),
        }
    }

    /// Looks at the state.
    pub(super) fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the state and tells everybody.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.for_test.notify_all();
        self.for_server.send_replace(());
        result
    }

    /// Changes what concerns nobody else.
    pub(super) fn change_quietly<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.lock())
    }

    /// News of changes, for the server's tasks.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.for_server.subscribe()
    }

    /// Blocks until `find` finds something; `None` when it does not within `deadline`.
    pub(super) fn wait<R>(&self, deadline: Duration, mut find: impl FnMut(&State) -> Option<R>) -> Option<R> {
        let end = Instant::now() + deadline;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            let waited = self.for_test.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

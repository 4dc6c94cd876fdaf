//! The connections of one shard to the shadow.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::connection::Connection;

/// All connections, and which of them are idle.
#[derive(Debug, Default)]
pub(super) struct Pool {
    all: Vec<Rc<Connection>>,
    /// The one used last at the end: it is taken first, so that what is not needed grows old.
    idle: Vec<Rc<Connection>>,
}

impl Pool {
    /// A connection that is being opened.
    pub(super) fn add(&mut self, connection: Rc<Connection>) {
        self.all.push(connection);
    }

    pub(super) fn put_idle(&mut self, connection: Rc<Connection>) {
        self.idle.push(connection);
    }

    pub(super) fn take_idle(&mut self) -> Option<Rc<Connection>> {
        self.idle.pop()
    }

    pub(super) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Forgets one that is closed.
    pub(super) fn remove(&mut self, connection: &Rc<Connection>) {
        for list in [&mut self.all, &mut self.idle] {
            if let Some(at) = list.iter().position(|other| Rc::ptr_eq(other, connection)) {
                list.remove(at);
            }
        }
    }

    /// Those whose exchange lasts too long, and those that were idle for too long.
    pub(super) fn due(
        &self,
        now: Instant,
        timeout: Duration,
        idle: Duration,
    ) -> (Vec<Rc<Connection>>, Vec<Rc<Connection>>) {
        let those = |due: &dyn Fn(&Connection) -> bool| {
            self.all
                .iter()
                .filter(|connection| due(connection))
                .cloned()
                .collect()
        };
        (
            those(&|connection| connection.is_overdue(now, timeout)),
            those(&|connection| connection.is_surplus(now, idle)),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn into_all(self) -> Vec<Rc<Connection>> {
        self.all
    }
}

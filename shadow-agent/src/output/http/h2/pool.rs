//! The HTTP/2 connections of one shard, and which of them a request goes to.
//!
//! Streams of one production connection go to one connection as far as the shadow allows, and those of another to another: what
//! stands in front of the shadow divides them as it would have divided production's, and each shadow connection has its streams
//! in production's order.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use super::client::Client;
use super::connection::Multiplexed;
use crate::output::http::lanes::Job;

/// Most connections of one shard; beyond, production connections share them. Enough to keep the workers of a large server
/// busy, and few enough that a flood of clients costs no more descriptors than that.
const MAX_CONNECTIONS: usize = 64;

/// Most requests that wait for a connection that is being opened, when it is not known how many streams it will take: the
/// number that RFC 9113 section 6.5.2 recommends to allow at least.
const EXPECTED_STREAMS: usize = 100;

/// Where a request goes.
#[derive(Debug)]
pub(in crate::output::http) enum Assignment {
    /// On this connection, at once.
    On(Rc<Multiplexed>),
    /// On this connection, once it is open.
    WhenOpen(Rc<Multiplexed>),
    /// On a new connection.
    New,
    /// Nowhere, until a stream has ended.
    Full,
}

/// The HTTP/2 connections of one shard.
#[derive(Debug, Default)]
pub(in crate::output::http) struct Streams {
    all: Vec<Rc<Multiplexed>>,
    /// Requests that have a permit, but no stream, and since when.
    waiting: VecDeque<(Job, Instant)>,
}

impl Streams {
    /// A connection that is being opened.
    pub(in crate::output::http) fn add(&mut self, connection: Rc<Multiplexed>) {
        self.all.push(connection);
    }

    /// Forgets one that is closed.
    pub(in crate::output::http) fn remove(&mut self, connection: &Rc<Multiplexed>) {
        self.all.retain(|other| !Rc::ptr_eq(other, connection));
    }

    /// All connections.
    pub(in crate::output::http) fn all(&self) -> Vec<Rc<Multiplexed>> {
        self.all.clone()
    }

    /// Whether there is neither a connection nor a request.
    pub(in crate::output::http) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.waiting.is_empty()
    }

    /// Whether a stream may begin on a connection that is there.
    pub(in crate::output::http) fn has_room(&self) -> bool {
        self.all.iter().any(|connection| connection.room() > 0)
    }

    /// Where a request of `client` goes. `known`: whether the shadow has spoken HTTP/2; until then one connection tries. `fresh`:
    /// whether it goes where nothing was asked before, since a connection was left under it.
    pub(in crate::output::http) fn assign(
        &self,
        client: Option<Client>,
        known: bool,
        fresh: bool,
    ) -> Assignment {
        let own = |connection: &&Rc<Multiplexed>| connection.client() == client;
        let open = |connection: &&Rc<Multiplexed>| connection.room() > 0;
        let opening = |connection: &&Rc<Multiplexed>| connection.is_opening();
        let may_open = self.all.len() < MAX_CONNECTIONS;
        let fresh = fresh && may_open;
        if let Some(own) = self.all.iter().filter(own).find(open).filter(|_| !fresh) {
            return Assignment::On(Rc::clone(own));
        }
        let waits =
            |connection: &&Rc<Multiplexed>| opening(connection) && connection.waits() < EXPECTED_STREAMS;
        let opened_for_it = self.all.iter().filter(own).find(waits);
        let tries = self.all.iter().find(opening).filter(|_| !known);
        if let Some(connection) = opened_for_it.or(tries) {
            return Assignment::WhenOpen(Rc::clone(connection));
        }
        if fresh {
            return Assignment::New;
        }
        let idle = |connection: &&Rc<Multiplexed>| connection.is_idle() && connection.room() > 0;
        if let Some(idle) = self.all.iter().find(idle) {
            idle.carry(client);
            return Assignment::On(Rc::clone(idle));
        }
        let has_own = self.all.iter().any(|connection| own(&connection));
        let shared = || {
            self.all
                .iter()
                .max_by_key(|connection| connection.room())
                .filter(open)
        };
        match (has_own || !may_open).then(shared).flatten() {
            Some(shared) => Assignment::On(Rc::clone(shared)),
            None if may_open => Assignment::New,
            None => Assignment::Full,
        }
    }

    /// Whether a request waits for a stream.
    pub(in crate::output::http) fn anyone_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A request waits for a stream, as the first of them.
    pub(in crate::output::http) fn wait_first(&mut self, job: Job, now: Instant) {
        self.waiting.push_front((job, now));
    }

    /// A request waits for a stream.
    pub(in crate::output::http) fn wait(&mut self, job: Job, now: Instant) {
        self.waiting.push_back((job, now));
    }

    /// The request that has waited longest.
    pub(in crate::output::http) fn next_waiting(&mut self) -> Option<(Job, Instant)> {
        self.waiting.pop_front()
    }

    /// Takes requests that wait and are `due`.
    pub(in crate::output::http) fn take_waiting(&mut self, due: impl Fn(&Job, Instant) -> bool) -> Vec<Job> {
        let (taken, left): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|(job, since)| due(job, *since));
        self.waiting = left.into();
        taken.into_iter().map(|(job, _)| job).collect()
    }
}

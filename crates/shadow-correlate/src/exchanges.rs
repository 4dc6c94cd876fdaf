//! Exchanges of which an answer is under way: each pairs what production issued with what the output issued, once both are there.

use std::hash::Hash;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashlink::LinkedHashMap;
use shadow_core::time::Timestamp;
use shadow_http::Request;

use crate::exceptions::Exceptions;
use crate::fields;
use crate::issued::{Asked, Issued, Side};
use crate::key::Keys;
use crate::map::Map;
use crate::messages::Methods;
use crate::recent::Recent;
use crate::turns::{Carried, Turn};

/// Most exchanges at once; the oldest is given up first.
const MAX_OPEN: usize = 4096;
/// Most bytes of what was issued in all of them, likewise: few answers issue more than a thousand, and some tens of thousands.
const MAX_BYTES: usize = 8 << 20;

/// The exchanges of one shard with one output, by their names.
#[derive(Debug)]
pub struct Exchanges<K> {
    map: Arc<Mutex<Map>>,
    keys: Keys,
    exceptions: Arc<Exceptions>,
    /// The types of the messages of calls, where they are known.
    methods: Option<Arc<dyn Methods>>,
    /// The oldest first.
    open: LinkedHashMap<K, Open>,
    /// Of what was issued in those.
    bytes: usize,
    /// Production's answers, and the output's.
    recent: (Recent, Recent),
}

#[derive(Debug)]
struct Open {
    request: Rc<Request>,
    production: Option<Answered>,
    own: Option<Own>,
    /// Its turn, and what it carries, once it is on its way.
    carries: Option<(Turn, Carried)>,
}

/// Production's answer.
#[derive(Debug)]
struct Answered {
    issued: Rc<Issued>,
    /// When it began, as it was captured; zero where that is not known.
    at: Timestamp,
    /// The number that the map gave it.
    number: u64,
}

impl Open {
    fn asked<'a>(&'a self, methods: Option<&'a Arc<dyn Methods>>) -> Asked<'a> {
        Asked {
            method: self.request.method(),
            target: self.request.target(),
            methods: methods.map(|methods| &**methods),
        }
    }

    /// Bytes of what was issued in it.
    fn bytes(&self) -> usize {
        let production = self
            .production
            .as_ref()
            .map_or(0, |answered| answered.issued.bytes());
        let own = match &self.own {
            Some(Own::Answered(issued)) => issued.bytes(),
            Some(Own::Lost) | None => 0,
        };
        production + own
    }

    /// Whether production has answered, and the output has not.
    fn is_unanswered(&self) -> bool {
        self.production.is_some() && self.own.is_none()
    }
}

/// As much of production's answer as is known to be the same in the output's.
#[derive(Clone, Copy, Debug)]
pub enum Same<'a> {
    /// Nothing is known.
    Nothing,
    /// The body, byte for byte. Production's head may be, too.
    Body {
        /// Production's head.
        head: &'a [u8],
    },
    /// All of it but its date.
    Answer,
}

impl<'a> Same<'a> {
    /// The body, if `body` says so, of an answer of production's with this head.
    pub fn if_body(body: bool, head: &'a [u8]) -> Self {
        if body { Self::Body { head } } else { Self::Nothing }
    }
}

#[derive(Debug)]
enum Own {
    Answered(Issued),
    Lost,
}

impl<K: Clone + Eq + Hash> Exchanges<K> {
    /// None yet. What they teach goes into `map`, whose keys `keys` makes.
    pub fn new(map: Arc<Mutex<Map>>, keys: Keys, exceptions: Arc<Exceptions>) -> Self {
        let methods = lock(&map).methods().cloned();
        Self {
            methods,
            map,
            keys,
            exceptions,
            open: LinkedHashMap::new(),
            bytes: 0,
            recent: <(Recent, Recent)>::default(),
        }
    }

    /// `request`, as production got it, is on its way to the output.
    pub fn open(&mut self, name: &K, request: &Rc<Request>) {
        let open = Open {
            request: Rc::clone(request),
            production: None,
            own: None,
            carries: None,
        };
        // Another of the same name: whose answers will come is anybody's guess.
        if let Some(before) = self.open.insert(name.clone(), open) {
            self.give_up(&before);
        }
        if self.open.len() > MAX_OPEN {
            self.give_up_oldest();
        }
    }

    /// The request has this turn, and carries these values of production's.
    pub fn carries(&mut self, name: &K, turn: Turn, carried: Carried) {
        let Some(open) = self.open.get_mut(name).filter(|open| open.carries.is_none()) else {
            return;
        };
        if open.is_unanswered() {
            lock(&self.map).turns().begin(turn, &carried);
        }
        open.carries = Some((turn, carried));
    }

    /// Production has answered; the answer began at `at`, on the clock of the requests, or zero where that is not known. How many
    /// bytes are kept of what it issued, until the output has answered.
    pub fn production(
        &mut self,
        name: &K,
        (head, body): (&[u8], &[u8]),
        at: Timestamp,
        now: Timestamp,
    ) -> usize {
        let Some(open) = self.open.get_mut(name).filter(|open| open.production.is_none()) else {
            return 0;
        };
        let (keys, exceptions, asked) = (&self.keys, &self.exceptions, open.asked(self.methods.as_ref()));
        let read = || Issued::of(Side::Production, keys, exceptions, asked, (head, body));
        let issued = self.recent.0.issued(asked, (head, body), read);
        let mut map = lock(&self.map);
        let number = map.production(&issued, at, now);
        match &open.own {
            None => {
                if let Some((turn, carried)) = &open.carries {
                    map.turns().begin(*turn, carried);
                }
                drop(map);
                let kept = issued.bytes();
                open.production = Some(Answered { issued, at, number });
                self.keep(kept);
                return kept;
            }
            Some(Own::Answered(own)) => map.pair((&issued, at), own, number, now),
            Some(Own::Lost) => map.lost(&issued, number),
        }
        drop(map);
        if let Some(open) = self.open.remove(name) {
            self.bytes -= open.bytes();
        }
        0
    }

    /// Production's answer will not be whole.
    pub fn production_lost(&mut self, name: &K) {
        self.close(name);
    }

    /// The output has answered. Whether production's answer was there, and so something may have been learned. `same`: as much of
    /// production's answer as the caller knows to be the same, which spares reading it twice.
    pub fn own(&mut self, name: &K, head: &[u8], body: &[u8], same: Same<'_>, now: Timestamp) -> bool {
        let Some(open) = self.open.get_mut(name).filter(|open| open.own.is_none()) else {
            return false;
        };
        let (keys, exceptions) = (&self.keys, &self.exceptions);
        let Some(Answered { issued, at, number }) = &open.production else {
            let own = Issued::of(
                Side::Output,
                keys,
                exceptions,
                open.asked(self.methods.as_ref()),
                (head, body),
            );
            let kept = own.bytes();
            open.own = Some(Own::Answered(own));
            self.keep(kept);
            return false;
        };
        // Where production issued nothing, nothing of the output's stands for it.
        if !issued.is_empty() {
            let asked = open.asked(self.methods.as_ref());
            let own = match same {
                Same::Answer => Rc::clone(issued),
                Same::Body { head: production } if fields::issue_alike(production, head) => Rc::clone(issued),
                _ => self.recent.1.issued(asked, (head, body), || match same {
                    Same::Body { .. } => Issued::of_same_body(keys, exceptions, asked, (head, body), issued),
                    _ => Issued::of(Side::Output, keys, exceptions, asked, (head, body)),
                }),
            };
            lock(&self.map).pair((issued, *at), &own, *number, now);
        }
        self.close(name);
        true
    }

    /// The output will not answer. Whether production's answer was there.
    pub fn own_lost(&mut self, name: &K) -> bool {
        let Some(open) = self.open.get_mut(name) else {
            return false;
        };
        let Some(production) = &open.production else {
            open.own.get_or_insert(Own::Lost);
            return false;
        };
        lock(&self.map).lost(&production.issued, production.number);
        self.close(name);
        true
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn close(&mut self, name: &K) {
        if let Some(open) = self.open.remove(name) {
            self.end(&open);
        }
    }

    /// So many bytes more are kept of what was issued: those of the oldest go.
    fn keep(&mut self, bytes: usize) {
        self.bytes += bytes;
        while self.bytes > MAX_BYTES && self.give_up_oldest() {}
    }

    /// `false` when there is none.
    fn give_up_oldest(&mut self) -> bool {
        let Some((_, oldest)) = self.open.pop_front() else {
            return false;
        };
        self.give_up(&oldest);
        true
    }

    /// Nobody waits for it any more.
    fn end(&mut self, open: &Open) {
        self.bytes -= open.bytes();
        if let Some((turn, carried)) = &open.carries {
            lock(&self.map).turns().end(*turn, carried);
        }
    }

    fn give_up(&mut self, open: &Open) {
        self.end(open);
        if let Some(production) = &open.production {
            lock(&self.map).lost(&production.issued, production.number);
        }
    }
}

impl<K> Drop for Exchanges<K> {
    /// Nobody waits for what its shard takes along.
    fn drop(&mut self) {
        let mut map = lock(&self.map);
        for (turn, carried) in self.open.iter().filter_map(|(_, open)| open.carries.as_ref()) {
            map.turns().end(*turn, carried);
        }
    }
}

/// A request that production has answered and the output has yet to, where nobody learns from its answer: later ones with the
/// same values wait for it until this is dropped.
#[derive(Debug)]
pub struct Unanswered {
    map: Arc<Mutex<Map>>,
    turn: Turn,
    carried: Carried,
}

impl Unanswered {
    /// The request to the output with this map has this turn, and carries these values of production's.
    pub fn new(map: &Arc<Mutex<Map>>, turn: Turn, carried: Carried) -> Self {
        lock(map).turns().begin(turn, &carried);
        Self {
            map: Arc::clone(map),
            turn,
            carried,
        }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        lock(&self.map).turns().end(self.turn, &self.carried);
    }
}

/// A map that a thread which ended badly had is as good as before: what it changes, it changes in one step.
pub fn lock(map: &Mutex<Map>) -> MutexGuard<'_, Map> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The map of one output: what it gave for what production issued. Bounded: the least recently used goes first, and what nobody
//! asked for in a long time.

use std::sync::Arc;
use std::time::Duration;

use hashlink::LinkedHashMap;
use hashlink::linked_hash_map::Entry;
use shadow_core::time::Timestamp;

use crate::issued::{Issued, Value};
use crate::key::{BuildAsItIs, Key, Keys, Scope};
use crate::messages::Methods;
use crate::turns::{Turn, Turns};

/// Bounds of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of all that is remembered.
    pub bytes: usize,
    /// How long a value is remembered that no request carries.
    pub idle: Duration,
}

impl Default for Bounds {
    /// 16 MiB hold about a hundred thousand tokens: the sessions of a day, for most. Two hours is what sessions commonly live.
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            idle: Duration::from_hours(2),
        }
    }
}

/// The memory that an entry takes beside its value.
const OVERHEAD: usize = 128;
/// Most values that both sides are known to issue alike: about four megabytes.
const MAX_ALIKE: usize = 65_536;
/// Most names of records.
const MAX_NAMES: usize = 4096;

/// The pairs of one output.
pub struct Map {
    keys: Keys,
    bounds: Bounds,
    /// The least recently used first.
    entries: LinkedHashMap<Key, Remembered, BuildAsItIs>,
    bytes: usize,
    /// Values that both sides issued alike, the least recently issued first: nobody waits for them again.
    alike: LinkedHashMap<Key, (), BuildAsItIs>,
    /// Values that the output gave, the least recently given first.
    given: LinkedHashMap<Key, (), BuildAsItIs>,
    /// Pairs of ids of records that were made, of whatever collection, the first made first.
    made: LinkedHashMap<Key, (), BuildAsItIs>,
    /// How many production's values have each length, modulo the count: most of what requests carry has none of them.
    lengths: [u32; 64],
    /// Which collection issues the ids of records of a name: `None` where several do.
    owners: LinkedHashMap<u64, Option<u64>, BuildAsItIs>,
    /// Scheme and authority that the output is asked under, where they are its own.
    origin: Option<Box<[u8]>>,
    /// The types of the messages of calls, where they are known.
    methods: Option<Arc<dyn Methods>>,
    turns: Turns,
    /// How many answers of production it was told of.
    exchanges: u64,
    counts: Counts,
}

/// Without what is in it: secrets.
impl std::fmt::Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (entries, bytes) = (self.entries.len(), self.bytes);
        f.debug_struct("Map")
            .field("entries", &entries)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

struct Remembered {
    state: State,
    /// Length of production's value, modulo those that are told apart.
    length: u8,
    sure: bool,
    /// Whether a request carried it.
    used: bool,
    /// The key of what the output gave for it before that: answers from then may yet be compared.
    before: Option<Key>,
    /// The name of the record, where it is a reference by name.
    name: Option<u64>,
    at: Timestamp,
    /// When the answer began with which production issued it: no request before that has it from there.
    issued: Timestamp,
}

impl Remembered {
    /// Production has issued it once more: the output has another chance to give it.
    fn is_issued_again(&mut self, exchange: u64, at: Timestamp) {
        match &mut self.state {
            State::Own(_) => {}
            // It stands twice in one answer.
            State::Pending(first, _) if *first == exchange => {}
            State::Pending(_, again) => *again = Some((exchange, at)),
            State::Missing => (self.state, self.issued) = (State::Pending(exchange, None), at),
        }
    }

    /// Whether the answer that began at `at` issued it, and none before.
    fn is_first(&self, at: Timestamp) -> bool {
        matches!(self.state, State::Pending(_, None)) && self.issued == at
    }

    /// The output has not given it in its answer to this exchange.
    fn is_missed(&mut self, exchange: u64) {
        match &mut self.state {
            State::Pending(_, again) if again.is_some_and(|(later, _)| later == exchange) => *again = None,
            State::Pending(first, again) if *first == exchange => match *again {
                // Who asked before that has it from the first.
                Some((later, at)) => (self.state, self.issued) = (State::Pending(later, None), at),
                None => self.state = State::Missing,
            },
            _ => {}
        }
    }

    /// Whether it says of `value` that the output's is `own`.
    fn is(&self, value: &Value, own: &[u8]) -> bool {
        let is_own = matches!(&self.state, State::Own(known) if **known == *own);
        is_own && self.name == value.owner.map(|(name, _)| name)
    }
}

enum State {
    /// The answer to this exchange is under way; and one to a later exchange, since this time, by which production issued it again.
    Pending(u64, Option<(u64, Timestamp)>),
    /// The output issued nothing in its place.
    Missing,
    Own(Box<[u8]>),
}

/// A value that a request carries, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<'m> {
    /// Production did not issue it, or both sides issued the same.
    Nothing,
    /// The output's own.
    Own(&'m [u8]),
    /// Production issued it, and the output's answer is under way.
    Pending,
    /// Production issued it, and the output did not.
    Missing,
}

/// Counts of the work of correlation for one output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were sent with values of the output's own.
    pub requests: u64,
    /// Those values.
    pub values: u64,
    /// Requests that carried what production had issued and the output had not.
    pub missing: u64,
    /// Requests that waited: for an answer with what they carry, or for an earlier request with the same.
    pub waited: u64,
    /// Those of them that went before it came. They are in `missing` as well where they carried what had not come.
    pub late: u64,
    /// Pairs that were learned.
    pub learned: u64,
    /// Pairs that went because there was no more room.
    pub evicted: u64,
}

impl Map {
    /// An empty one, whose keys are made by `keys`.
    pub fn new(keys: Keys, bounds: Bounds) -> Self {
        Self {
            keys,
            bounds,
            entries: LinkedHashMap::default(),
            bytes: 0,
            alike: LinkedHashMap::default(),
            given: LinkedHashMap::default(),
            made: LinkedHashMap::default(),
            lengths: [0; 64],
            owners: LinkedHashMap::default(),
            origin: None,
            methods: None,
            turns: Turns::default(),
            exchanges: 0,
            counts: Counts::default(),
        }
    }

    /// The output is asked under a host of its own, and its URLs begin with `origin`: `http://staging:8000`.
    pub fn set_origin(&mut self, origin: &str) {
        self.origin = Some(origin.as_bytes().into());
    }

    /// Calls of gRPC have messages of these types.
    pub fn set_methods(&mut self, methods: Arc<dyn Methods>) {
        self.methods = Some(methods);
    }

    /// The types of the messages of calls, where they are known.
    pub(crate) fn methods(&self) -> Option<&Arc<dyn Methods>> {
        self.methods.as_ref()
    }

    /// Scheme and authority that the output is asked under, where they are its own.
    pub(crate) fn origin(&self) -> Option<&[u8]> {
        self.origin.as_deref()
    }

    /// The turn of a request to the output whose first byte was captured at `at`, on `connection`.
    pub fn turn(&mut self, connection: u64, at: Timestamp) -> Turn {
        self.turns.next(connection, at)
    }

    /// The first of the requests before this turn, on other connections, that carry one of these values and are answered by
    /// production, and not yet by the output.
    pub fn before(&self, turn: Turn, carried: &[Key]) -> Option<Turn> {
        self.turns.before(turn, carried)
    }

    /// Puts off looking up the values that the request with this turn carries: not all that came before it may be known.
    pub fn arrives(&mut self, turn: Turn) {
        self.turns.arrives(turn);
    }

    /// It is looked up now, or is gone.
    pub fn has_arrived(&mut self, turn: Turn) {
        self.turns.has_arrived(turn);
    }

    /// Whether what the requests before this turn carry has been looked up.
    pub fn is_next(&self, turn: Turn) -> bool {
        self.turns.is_next(turn)
    }

    pub(crate) fn turns(&mut self) -> &mut Turns {
        &mut self.turns
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The same, to be counted in.
    pub fn counts_mut(&mut self) -> &mut Counts {
        &mut self.counts
    }

    /// How many values of production it knows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Production issued these, in an answer that began at `at`; the output's is under way. The number of their exchange comes back.
    pub(crate) fn production(&mut self, issued: &Issued, at: Timestamp, now: Timestamp) -> u64 {
        self.exchanges += 1;
        let exchange = self.exchanges;
        for value in issued.values() {
            // What it was before serves until there is another.
            let is_alike = self.alike.to_back(&value.key).is_some();
            match self.entries.get_mut(&value.key) {
                Some(known) if !value.anew => known.is_issued_again(exchange, at),
                None if is_alike && !value.anew => {}
                _ => self.insert(value, State::Pending(exchange, None), at, now),
            }
        }
        exchange
    }

    /// The output answered with these. `at`: when production's answer began.
    pub(crate) fn pair(
        &mut self,
        (production, at): (&Issued, Timestamp),
        own: &Issued,
        exchange: u64,
        now: Timestamp,
    ) {
        let (mut left, mut right) = (production.values(), own.values());
        let mut missed = Vec::new();
        while let Some(first) = left.first() {
            let here = |values: &[Value]| {
                values
                    .iter()
                    .take_while(|value| value.place == first.place)
                    .count()
            };
            let before = right.partition_point(|value| value.place < first.place);
            right = &right[before..];
            let (ours, rest) = left.split_at(here(left));
            let (theirs, others) = right.split_at(here(right));
            (left, right) = (rest, others);
            // A list with a form in each row, and one row more.
            let single = single(own, theirs).filter(|_| single(production, ours).is_some());
            for (index, value) in ours.iter().enumerate() {
                let text = production.text(value);
                let same = || theirs.iter().any(|theirs| own.text(theirs) == text);
                if ours.len() == theirs.len() {
                    self.learn(value, text, own.text(&theirs[index]), (at, now));
                } else if let Some(single) = single {
                    self.learn(value, text, single, (at, now));
                } else if same() {
                    self.learn(value, text, text, (at, now));
                } else {
                    missed.push(value);
                }
            }
        }
        for value in missed {
            // Whether a short id looks random is a matter of luck: that of a record which was made is known by its collection as well.
            let text = production.text(value);
            match as_record(production, own, text) {
                Some(own) => self.learn(value, text, own, (at, now)),
                None => self.miss(value.key, exchange),
            }
        }
    }

    /// The output will not answer.
    pub(crate) fn lost(&mut self, production: &Issued, exchange: u64) {
        for value in production.values() {
            self.miss(value.key, exchange);
        }
    }

    fn miss(&mut self, key: Key, exchange: u64) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.is_missed(exchange);
        }
    }

    fn learn(&mut self, value: &Value, production: &[u8], own: &[u8], (at, now): (Timestamp, Timestamp)) {
        if let Some((name, collection)) = value.owner {
            let owner = *self.owners.entry(name).or_insert(Some(collection));
            if owner != Some(collection) {
                self.owners.insert(name, None);
            }
            if self.owners.len() > MAX_NAMES {
                self.owners.pop_front();
            }
        }
        if production == own {
            self.remove(value.key);
            self.alike.insert(value.key, ());
            if self.alike.len() > MAX_ALIKE {
                self.alike.pop_front();
            }
            return;
        }
        self.counts.learned += 1;
        if value.owner.is_some() {
            self.made.insert(self.made_key(production, own), ());
            if self.made.len() > MAX_ALIKE {
                self.made.pop_front();
            }
        }
        let given = self.keys.key(Scope::Anywhere, own);
        let is_given_first = self.given.insert(given, ()).is_none() && !self.alike.contains_key(&given);
        if self.given.len() > MAX_ALIKE {
            self.given.pop_front();
        }
        let is_issued_first = self
            .entries
            .get(&value.key)
            .is_some_and(|known| known.is_first(at));
        let sure = value.sure || (value.named && is_given_first && is_issued_first);
        let (mut used, mut issued, mut before) = (false, at, None);
        if let Entry::Occupied(mut known) = self.entries.entry(value.key) {
            (used, issued) = (known.get().used, known.get().issued);
            if let State::Own(own) = &known.get().state {
                before = Some(self.keys.key(Scope::Anywhere, own));
            }
            // What an answer said for sure, a list whose elements are told by their order alone does not take back.
            if known.get().sure && !sure && before.is_some() && !known.get().is(value, own) {
                return;
            }
            if known.get().is(value, own) {
                // What an answer said for sure, one that only repeats it does not take back.
                let entry = known.get_mut();
                entry.sure |= sure;
                entry.at = now;
                known.to_back();
                return;
            }
        }
        self.alike.remove(&value.key);
        self.insert(value, State::Own(own.into()), issued, now);
        if let Some(entry) = self.entries.get_mut(&value.key) {
            entry.sure = sure;
            entry.used = used;
            entry.before = before;
        }
    }

    fn insert(&mut self, value: &Value, state: State, issued: Timestamp, now: Timestamp) {
        self.remove(value.key);
        self.bytes += size(&state);
        let length = (value.length % self.lengths.len()) as u8;
        self.lengths[usize::from(length)] += 1;
        let entry = Remembered {
            state,
            length,
            sure: value.sure,
            used: false,
            before: None,
            name: value.owner.map(|(name, _)| name),
            at: now,
            issued,
        };
        self.entries.insert(value.key, entry);
        while self.bytes > self.bounds.bytes {
            let Some((_, entry)) = self.entries.pop_front() else {
                break;
            };
            self.forgotten(&entry);
            self.counts.evicted += 1;
        }
    }

    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.forgotten(&entry);
        }
    }

    fn forgotten(&mut self, entry: &Remembered) {
        self.bytes -= size(&entry.state);
        self.lengths[usize::from(entry.length)] -= 1;
    }

    /// Forgets what no request carried for too long.
    pub fn expire(&mut self, now: Timestamp) {
        let idle = self.bounds.idle;
        while let Some((_, oldest)) = self.entries.front()
            && now.since(oldest.at) >= idle
        {
            if let Some((_, entry)) = self.entries.pop_front() {
                self.forgotten(&entry);
            }
        }
    }

    /// Whether production issued a value of this length: the look that most candidates cost.
    pub(crate) fn may_know(&self, length: usize) -> bool {
        self.lengths[length % self.lengths.len()] > 0
    }

    /// Looks up `value`, which a request that is sent now carries, in `scope`.
    pub fn find(&mut self, scope: Scope<'_>, value: &[u8], now: Timestamp) -> Known<'_> {
        if !self.may_know(value.len()) {
            return Known::Nothing;
        }
        self.find_key(self.keys.key(scope, value), Timestamp(u64::MAX), now)
    }

    pub(crate) fn key(&self, scope: Scope<'_>, value: &[u8]) -> Key {
        self.keys.key(scope, value)
    }

    /// `asked`: when the request began that carries it. What production issued only later, in the answer to this very request for
    /// one, is nothing to it.
    pub(crate) fn find_key(&mut self, key: Key, asked: Timestamp, now: Timestamp) -> Known<'_> {
        let Entry::Occupied(mut occupied) = self.entries.entry(key) else {
            return Known::Nothing;
        };
        if occupied.get().issued > asked {
            return Known::Nothing;
        }
        if let Some(name) = occupied.get().name
            && self.owners.get(&name).is_none_or(Option::is_none)
        {
            return Known::Nothing;
        }
        occupied.to_back();
        let entry = occupied.into_mut();
        entry.at = now;
        entry.used = true;
        match &entry.state {
            State::Pending(..) => Known::Pending,
            State::Missing => Known::Missing,
            State::Own(own) => Known::Own(own),
        }
    }

    /// Whether a record was made that has these ids on the two sides, in whatever collection.
    pub(crate) fn is_made(&self, production: &[u8], own: &[u8]) -> bool {
        self.made.contains_key(&self.made_key(production, own))
    }

    fn made_key(&self, production: &[u8], own: &[u8]) -> Key {
        self.keys.place(self.keys.key(Scope::Anywhere, production), own)
    }

    /// Whether the output's `own` stands for production's `value` in `scope`: both sides issued them as identifiers by their names,
    /// or a request has carried production's since. What only looks like an identifier may be a fault of the release.
    pub fn is_pair(&self, scope: Scope<'_>, value: &[u8], own: &[u8]) -> bool {
        if !self.may_know(value.len()) {
            return false;
        }
        let entry = self.entries.get(&self.keys.key(scope, value));
        entry.is_some_and(|entry| {
            let unambiguous = entry
                .name
                .is_none_or(|name| matches!(self.owners.get(&name), Some(Some(_))));
            let is_own = matches!(&entry.state, State::Own(known) if **known == *own)
                || entry
                    .before
                    .is_some_and(|before| before == self.keys.key(Scope::Anywhere, own));
            is_own && unambiguous && (entry.sure || entry.used)
        })
    }
}

/// The text that the output gave in place of `text`, where that is the id of a record that was just made.
fn as_record<'o>(production: &Issued, own: &'o Issued, text: &[u8]) -> Option<&'o [u8]> {
    let made = production
        .values()
        .iter()
        .find(|value| value.anew && production.text(value) == text)?;
    let at = own.values().partition_point(|value| value.place < made.place);
    let theirs = own.values().get(at).filter(|theirs| theirs.place == made.place)?;
    Some(own.text(theirs))
}

/// The text that all of these have.
fn single<'a>(issued: &'a Issued, values: &[Value]) -> Option<&'a [u8]> {
    let first = issued.text(values.first()?);
    values
        .iter()
        .all(|value| issued.text(value) == first)
        .then_some(first)
}

fn size(state: &State) -> usize {
    OVERHEAD
        + match state {
            State::Own(own) => own.len(),
            State::Pending(..) | State::Missing => 0,
        }
}

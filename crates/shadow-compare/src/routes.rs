//! Which endpoint a request is for: its method and the template of its path, given or learned.
//!
//! Learned of what production served ([`is_refusal`]), so that who asks for what is not there teaches nothing, and in two ways. By looks: `/users/42` is `/users/{id}`, and UUIDs, hashes, dates and e-mail addresses are told as well.
//! And by number: `page0.html` to `page29.html` are `page{number}.html`, and a place with more than [`MAX_NAMES`] different names
//! is `{name}`, beside those of another sort. Which templates come of it does not depend on the order of the requests, as long as
//! no bound is met.
//!
//! Requests of one URL may be told apart by a value in them ([`selected`]): `POST /graphql (operation GetUser)`.
//!
//! Everything is bounded: what there is no room for is the endpoint `(other)`.

mod likeness;
mod path;
mod selected;
#[cfg(test)]
mod selected_tests;
mod shape;
mod template;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;

pub use self::likeness::Likeness;
use self::path::{Form, Path};
pub use self::selected::MAX_VALUES;
use self::selected::SelectedRoutes;
use self::shape::{REST, shape};
use self::template::Given;
pub use self::template::{InvalidTemplate, RouteTemplate};
use self::tree::Tree;

/// Names at one place that are told apart.
pub const MAX_NAMES: usize = 50;
/// Endpoints, where nobody says otherwise.
pub const MAX_ENDPOINTS: usize = 500;
/// Places of the tree for each endpoint: many are there only until they collapse.
const NODES: usize = 64;
/// Ids that there can ever be for each endpoint, as those of merged ones stay valid.
const IDS: usize = 32;
/// Paths whose endpoint is remembered, and the longest of them.
const REMEMBERED: usize = 4096;
const REMEMBERED_LENGTH: usize = 512;

/// The methods that are told apart (RFC 9110 section 9, RFC 5789).
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];
/// Any other: methods are any token, so whoever sends requests could make one endpoint of each.
const OTHER_METHOD: &str = "(other method)";

/// The word that stands for the method of a call of gRPC, whose endpoint is `package.Service/Method`.
pub const GRPC: &[u8] = b"gRPC";
/// Its place behind the methods.
const GRPC_METHOD: u8 = METHODS.len() as u8 + 1;
/// Longest name of a method of gRPC that is told apart.
const MAX_GRPC_NAME: usize = 256;

/// An endpoint. It stays valid; when endpoints become one, [`Routes::canonical`] tells which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(u32);

impl EndpointId {
    /// The endpoint of everything that there was no room for.
    pub const OTHER: Self = Self(0);
}

/// The endpoint of an id.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Itself, or one that it became a part of.
    part_of: u32,
    /// A bound on how far others are from it by `part_of`.
    rank: u8,
    method: u8,
    place: RouteId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RouteId {
    Other,
    Learned(u32),
    Given(usize),
    Asterisk,
    Authority,
    /// Paths that production never served.
    NotServed,
    /// A method of gRPC, by its place among their names.
    Grpc(u32),
    /// Those requests of another endpoint that have a value, by the place of its label.
    Selected {
        of: u32,
        label: u32,
    },
}

/// Whether an answer with this status code says nothing of a route that is there: not found, not for this client, not this
/// method, or not understood (RFC 9110 section 15.5, RFC 6585); or none at all. Whoever sends requests can have as many of them
/// for as many paths as they like.
pub fn is_refusal(status: u16) -> bool {
    matches!(
        status,
        0 | 400 | 401 | 403 | 404 | 405 | 410 | 414 | 421 | 429 | 431 | 451 | 501 | 505
    )
}

/// Everything that was learned of endpoints.
#[derive(Debug)]
pub struct Routes {
    given: Given,
    tree: Tree,
    entries: Vec<Entry>,
    /// Endpoints that are in no tree.
    apart: HashMap<(RouteId, u8), u32>,
    /// How many learned endpoints there are, those that became one counted once.
    learned: usize,
    max: usize,
    remembered: HashMap<Box<[u8]>, u32>,
    /// Endpoints that are told from others of their URL.
    selected: SelectedRoutes,
    path: Path,
    /// The method and the steps of the path.
    key: Vec<u8>,
    /// Where steps begin and end in the key.
    steps: Vec<(usize, usize)>,
    /// Methods of gRPC by name: what they are called is never an id, and never too many at one place.
    grpc: HashMap<Box<str>, u32>,
    grpc_names: Vec<Box<str>>,
    /// Names of endpoints by id, as they were after so many merges.
    names: (u64, Vec<Option<Box<str>>>),
    /// The name that is made at the moment.
    own_name: String,
}

impl Routes {
    /// With given templates, and at most so many endpoints that are learned.
    pub fn new(given: Vec<RouteTemplate>, max: usize) -> Self {
        Self {
            given: Given::new(given),
            tree: Tree::new(MAX_NAMES, max.saturating_mul(NODES).max(NODES)),
            entries: vec![Entry {
                part_of: 0,
                rank: 0,
                method: 0,
                place: RouteId::Other,
            }],
            apart: HashMap::new(),
            learned: 0,
            max,
            remembered: HashMap::new(),
            selected: SelectedRoutes::default(),
            path: Path::default(),
            key: Vec::new(),
            steps: Vec::new(),
            grpc: HashMap::new(),
            grpc_names: Vec::new(),
            names: (0, Vec::new()),
            own_name: String::new(),
        }
    }

    /// The endpoint of a request that production answered with this status code; `None` where nobody knows what it answered.
    pub fn endpoint_of(&mut self, method: &[u8], target: &[u8], status: Option<u16>) -> EndpointId {
        self.find(method, target, !status.is_some_and(is_refusal))
    }

    /// The endpoint of a request, learned if it is new.
    pub fn endpoint(&mut self, method: &[u8], target: &[u8]) -> EndpointId {
        self.find(method, target, true)
    }

    fn find(&mut self, method: &[u8], target: &[u8], learn: bool) -> EndpointId {
        self.key.clear();
        self.selected.asked = None;
        let known = METHODS.iter().position(|known| known.as_bytes() == method);
        let method = if method == GRPC {
            GRPC_METHOD
        } else {
            known.unwrap_or(METHODS.len()) as u8
        };
        self.path.read(target);
        match self.path.form {
            Form::Path => {}
            Form::Asterisk => return self.apart(RouteId::Asterisk, method),
            Form::Authority => return self.apart(RouteId::Authority, method),
        }
        if let Some(given) = self.given.find(&self.path) {
            return self.apart(RouteId::Given(given), method);
        }
        if method == GRPC_METHOD {
            return self.grpc_method(learn);
        }
        self.make_key(method);
        if let Some(id) = self.remembered.get(&*self.key) {
            return self.canonical(EndpointId(*id));
        }
        if !learn {
            let known = self.tree.find(steps(&self.key, &self.steps));
            return match known.and_then(|place| self.tree.end(place, method)) {
                Some(id) => self.canonical(EndpointId(id)),
                None => self.apart(RouteId::NotServed, method),
            };
        }
        let Some(id) = self.learn(method) else {
            return EndpointId::OTHER;
        };
        if self.key.len() <= REMEMBERED_LENGTH {
            if self.remembered.len() >= REMEMBERED {
                self.remembered.clear();
            }
            self.remembered.insert(self.key.as_slice().into(), id);
        }
        EndpointId(id)
    }

    /// The endpoint of a call of gRPC, by the last two segments of the path that was read: `package.Service` and `Method`.
    fn grpc_method(&mut self, learn: bool) -> EndpointId {
        let mut segments: Vec<&str> = self.path.segments().collect();
        let name = segments.split_off(segments.len().saturating_sub(2)).join("/");
        let at = match self.grpc.get(name.as_str()) {
            Some(at) => *at,
            None if !learn => return self.apart(RouteId::NotServed, GRPC_METHOD),
            None if self.grpc.len() >= self.max || name.len() > MAX_GRPC_NAME => return EndpointId::OTHER,
            None => {
                let at = self.grpc_names.len() as u32;
                self.grpc_names.push(name.as_str().into());
                self.grpc.insert(name.into(), at);
                at
            }
        };
        self.apart(RouteId::Grpc(at), GRPC_METHOD)
    }

    /// The endpoint that this is, or has become a part of.
    pub fn canonical(&self, id: EndpointId) -> EndpointId {
        let mut at = id.0;
        while let Some(entry) = self.entries.get(at as usize)
            && entry.part_of != at
        {
            at = entry.part_of;
        }
        EndpointId(at)
    }

    /// The name that the endpoint of the request that was asked for last would have by itself, where `id`, its
    /// endpoint, stands for others as well: because there are many names at its place, or no room.
    pub fn own_name(&mut self, id: EndpointId) -> Option<&str> {
        self.own_name.clear();
        if let Some((method, _)) = self.key.split_first() {
            if self.key.len() > REMEMBERED_LENGTH {
                return None;
            }
            let name = &mut self.own_name;
            name.push_str(METHODS.get(usize::from(*method)).unwrap_or(&OTHER_METHOD));
            name.push(' ');
            if self.steps.is_empty() {
                name.push('/');
            }
            for step in steps(&self.key, &self.steps) {
                name.push('/');
                name.push_str(step.trim_end_matches('/'));
            }
        } else {
            // What was given stands for nothing else, but for values that there is no room for.
            let (of, _) = self.selected.asked.as_ref()?;
            self.own_name = self.name(*of);
        }
        if let Some((_, label)) = &self.selected.asked {
            self.own_name.push(' ');
            self.own_name.push_str(label);
        }
        (!self.is_called(id)).then_some(&*self.own_name)
    }

    /// Whether the endpoint has the name that was made last.
    fn is_called(&mut self, id: EndpointId) -> bool {
        let id = self.canonical(id).0;
        let (merges, names) = &mut self.names;
        if *merges != self.tree.collapses() {
            *merges = self.tree.collapses();
            names.clear();
        }
        let at = id as usize;
        if names.len() <= at {
            names.resize(at + 1, None);
        }
        if let Some(name) = &names[at] {
            return **name == *self.own_name;
        }
        let name = self.name(EndpointId(id));
        let is = name == self.own_name;
        self.names.1[at] = Some(name.into());
        is
    }

    /// How often places became one. When this changes, endpoints may have become one, and names may be others: what is kept by
    /// id is to be added up again.
    pub fn merges(&self) -> u64 {
        self.tree.collapses()
    }

    /// Its name: `GET /users/{id}`.
    pub fn name(&self, id: EndpointId) -> String {
        let Some(entry) = self.entries.get(self.canonical(id).0 as usize) else {
            return "(other)".to_owned();
        };
        let path = match entry.place {
            RouteId::Other => return "(other)".to_owned(),
            RouteId::Learned(at) => self.tree.template(at),
            RouteId::Given(index) => self.given.text(index),
            RouteId::Asterisk => "*".to_owned(),
            RouteId::Authority => "(authority)".to_owned(),
            RouteId::NotServed => "(not served)".to_owned(),
            RouteId::Grpc(at) => {
                let name = self.grpc_names.get(at as usize);
                return name.map_or_else(String::new, ToString::to_string);
            }
            RouteId::Selected { of, label } => {
                return format!("{} {}", self.name(EndpointId(of)), self.selected.label(label));
            }
        };
        if entry.method == GRPC_METHOD {
            return format!("gRPC {path}");
        }
        let method = METHODS.get(usize::from(entry.method)).unwrap_or(&OTHER_METHOD);
        format!("{method} {path}")
    }

    /// Puts the method and the steps of the path in the key.
    fn make_key(&mut self, method: u8) {
        let (key, steps) = (&mut self.key, &mut self.steps);
        key.clear();
        key.push(method);
        steps.clear();
        let mut push = |parts: [&str; 2]| {
            key.push(b'/');
            let start = key.len();
            for part in parts {
                key.extend_from_slice(part.as_bytes());
            }
            // What something is below ends with a slash.
            if let Some((_, end)) = steps.last_mut() {
                *end += 1;
            }
            steps.push((start, key.len()));
        };
        for segment in self.path.segments() {
            let (class, extension) = shape(segment).unwrap_or((segment, ""));
            push([class, extension]);
        }
        if self.path.is_deeper() {
            push([REST, ""]);
        }
    }

    /// The endpoint of what is in the key; `None` if there is no room for it.
    fn learn(&mut self, method: u8) -> Option<u32> {
        let place = self.tree.enter(steps(&self.key, &self.steps));
        self.follow_merges();
        let place = place?;
        if let Some(id) = self.tree.end(place, method) {
            return Some(self.canonical(EndpointId(id)).0);
        }
        if self.learned >= self.max || !self.has_ids() {
            return None;
        }
        let id = self.add(RouteId::Learned(place), method);
        self.tree.set_end(place, method, id);
        self.learned += 1;
        Some(id)
    }

    /// Whether there may be another endpoint that is learned, of all that there ever were.
    fn has_ids(&self) -> bool {
        self.entries.len() - self.apart.len() <= self.max.saturating_mul(IDS)
    }

    /// Makes one of ids whose places became one.
    fn follow_merges(&mut self) {
        for (id, place) in self.tree.take_moved() {
            let id = self.canonical(EndpointId(id)).0;
            self.entries[id as usize].place = RouteId::Learned(place);
        }
        let merged = self.tree.take_merged();
        if merged.is_empty() {
            return;
        }
        for merged in merged {
            self.unite(merged.into, merged.from);
        }
        self.follow_selected();
    }

    /// Makes one of two endpoints, with the place of the first.
    fn unite(&mut self, into: u32, from: u32) {
        let into = self.canonical(EndpointId(into)).0;
        let from = self.canonical(EndpointId(from)).0;
        let place = self.entries[into as usize].place;
        let (top, below) = if self.entries[into as usize].rank < self.entries[from as usize].rank {
            (from, into)
        } else {
            (into, from)
        };
        let rank = self.entries[below as usize].rank + 1;
        self.entries[below as usize].part_of = top;
        let top = &mut self.entries[top as usize];
        top.rank = top.rank.max(rank);
        top.place = place;
        self.learned -= 1;
    }

    fn apart(&mut self, place: RouteId, method: u8) -> EndpointId {
        if let Some(id) = self.apart.get(&(place, method)) {
            return EndpointId(*id);
        }
        let id = self.add(place, method);
        self.apart.insert((place, method), id);
        EndpointId(id)
    }

    fn add(&mut self, place: RouteId, method: u8) -> u32 {
        let id = self.entries.len() as u32;
        self.entries.push(Entry {
            part_of: id,
            rank: 0,
            method,
            place,
        });
        id
    }
}

/// The steps in a key.
fn steps<'a>(key: &'a [u8], at: &'a [(usize, usize)]) -> impl Iterator<Item = &'a str> {
    at.iter()
        .map(|(start, end)| std::str::from_utf8(&key[*start..*end]).unwrap_or_default())
}

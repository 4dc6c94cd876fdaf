//! The status of a route: its conditions, and how it is merged with what others have said.

use serde_json::{Map, Value, json};

use super::CONTROLLER;
use super::input::Route;
use super::kind::{GATEWAY_GROUP, RouteKind};

/// Most parents in a status: the schema's limit.
const MAX_PARENTS: usize = 32;
/// Most problems that one message names.
const MAX_PROBLEMS: usize = 8;
/// Longest message in characters; the schema allows 32,768.
const MAX_MESSAGE: usize = 2_048;

/// The message that says what this agent is to a route, in every one that is accepted.
const ACCEPTED: &str = "Copies of the requests that match are sent to the RequestMirror backends. This agent \
    only mirrors: backendRefs are not enforced, they only select the pods to watch";

/// Why a condition is what it is: the reasons of Gateway API, and one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The route is used.
    Accepted,
    /// There is no such parent, or none that may have this route.
    NoMatchingParent,
    /// Something in the route is not understood or not allowed.
    UnsupportedValue,
    /// There are as many mirrors as there may be (not one of Gateway API's reasons).
    TooManyMirrors,
    /// Every reference leads somewhere.
    ResolvedRefs,
    /// No `ReferenceGrant` allows a reference into another namespace.
    RefNotPermitted,
    /// A reference is to something else than a Service.
    InvalidKind,
    /// There is no such Service, or no such port.
    BackendNotFound,
    /// The backend's port speaks something else.
    UnsupportedProtocol,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// A reference that leads nowhere: the reason for the status, and a sentence.
pub(super) type Problem = (Reason, String);

/// The status that one route shall have under our name.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteStatus {
    /// The route's kind.
    pub kind: RouteKind,
    /// The route's namespace.
    pub namespace: String,
    /// The route's name.
    pub name: String,
    /// The route's uid.
    pub uid: String,
    /// One for each parent that can be ours; empty when the route is none of our business any more.
    pub parents: Vec<ParentStatus>,
}

/// The status of one parent.
#[derive(Clone, Debug, PartialEq)]
pub struct ParentStatus {
    /// The `parentRef` as the route has it.
    pub parent_ref: Value,
    /// `Accepted` and `ResolvedRefs`.
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `Accepted` or `ResolvedRefs`.
    pub kind: &'static str,
    /// Whether it holds.
    pub status: bool,
    /// Why.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// The generation of the route that this is said of.
    pub observed_generation: i64,
}

impl RouteStatus {
    pub(super) fn nothing(route: &Route) -> Self {
        Self {
            kind: route.kind,
            namespace: route.namespace.clone(),
            name: route.name.clone(),
            uid: route.uid.clone(),
            parents: Vec::new(),
        }
    }
}

/// Whether a parent accepts the route, and what should be known of how it is carried out.
pub(super) fn accepted<'a>(
    accepted: Result<(), &Problem>,
    notes: impl Iterator<Item = &'a str>,
    generation: i64,
) -> Condition {
    let (status, reason, message) = if let Err((reason, why)) = accepted {
        (false, *reason, sentence(why))
    } else {
        let all: Vec<_> = [ACCEPTED].into_iter().chain(notes.take(MAX_PROBLEMS)).collect();
        (true, Reason::Accepted, sentence(&all.join(". ")))
    };
    Condition {
        kind: "Accepted",
        status,
        reason,
        message,
        observed_generation: generation,
    }
}

/// Whether every reference leads somewhere; the first that does not gives the reason.
pub(super) fn resolved(problems: &[Problem], generation: i64) -> Condition {
    let (status, reason, message) = match problems.first() {
        None => (
            true,
            Reason::ResolvedRefs,
            "All references resolve to a Service.".to_owned(),
        ),
        Some((reason, _)) => {
            let named = problems.iter().take(MAX_PROBLEMS).map(|(_, why)| why.as_str());
            let mut message = named.collect::<Vec<_>>().join("; ");
            if let Some(more) = problems.len().checked_sub(MAX_PROBLEMS).filter(|more| *more > 0) {
                message = format!("{message}; and {more} more");
            }
            (false, *reason, sentence(&message))
        }
    };
    Condition {
        kind: "ResolvedRefs",
        status,
        reason,
        message,
        observed_generation: generation,
    }
}

/// `text` with a capital and a full stop, cut at [`MAX_MESSAGE`].
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    let mut sentence: String = first.chain(characters).take(MAX_MESSAGE).collect();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

/// The status that a route shall have, given the one it has (`.status` as the API gives it, if any); none when
/// it has that already. `now` is the time in RFC 3339.
///
/// Entries of other controllers stay as they are, in their order. Ours are replaced where they stand, removed
/// when the route has no such parent any more, and appended when they are new, as far as the schema's limit
/// allows. A condition whose status is the same keeps its `lastTransitionTime`.
pub fn merge_status(current: Option<&Value>, ours: &RouteStatus, now: &str) -> Option<Value> {
    let current = current.filter(|status| status.is_object());
    let entries = current.map_or(&[][..], entries);
    let mut wanted: Vec<&ParentStatus> = ours.parents.iter().collect();
    let mut merged = Vec::with_capacity(entries.len() + wanted.len());
    for entry in entries {
        if !is_ours(entry) {
            merged.push(entry.clone());
            continue;
        }
        let same = |parent: &&ParentStatus| same_parent(&parent.parent_ref, &entry["parentRef"]);
        if let Some(index) = wanted.iter().position(same) {
            merged.push(entry_of(wanted.remove(index), Some(entry), now));
        }
    }
    let room = MAX_PARENTS.saturating_sub(merged.len());
    merged.extend(wanted.iter().take(room).map(|parent| entry_of(parent, None, now)));
    if merged == entries {
        return None;
    }
    let mut status = current.and_then(Value::as_object).cloned().unwrap_or_default();
    status.insert("parents".to_owned(), Value::Array(merged));
    Some(Value::Object(status))
}

/// Whether a route has an entry of ours in its status.
pub(super) fn has_ours(route: &Value) -> bool {
    route
        .get("status")
        .is_some_and(|status| entries(status).iter().any(is_ours))
}

fn entries(status: &Value) -> &[Value] {
    let parents = status.get("parents").and_then(Value::as_array);
    parents.map_or(&[], Vec::as_slice)
}

fn is_ours(entry: &Value) -> bool {
    entry.get("controllerName").and_then(Value::as_str) == Some(CONTROLLER)
}

/// Whether two `parentRef`s name the same, whether or not the API has filled in what they left out.
fn same_parent(a: &Value, b: &Value) -> bool {
    let field = |parent: &Value, name: &str, default: &str| match parent.get(name) {
        None | Some(Value::Null) => Value::from(default),
        Some(value) => value.clone(),
    };
    [
        ("group", GATEWAY_GROUP),
        ("kind", "Gateway"),
        ("namespace", ""),
        ("name", ""),
        ("port", ""),
        ("sectionName", ""),
    ]
    .into_iter()
    .all(|(name, default)| field(a, name, default) == field(b, name, default))
}

fn entry_of(parent: &ParentStatus, before: Option<&Value>, now: &str) -> Value {
    let parent_ref = before.and_then(|entry| entry.get("parentRef"));
    let conditions = parent.conditions.iter().map(|condition| {
        let conditions = before.and_then(|entry| entry["conditions"].as_array());
        let before = conditions
            .into_iter()
            .flatten()
            .find(|other| other["type"] == condition.kind);
        condition_of(condition, before, now)
    });
    json!({
        "parentRef": parent_ref.unwrap_or(&parent.parent_ref),
        "controllerName": CONTROLLER,
        "conditions": conditions.collect::<Vec<_>>(),
    })
}

fn condition_of(condition: &Condition, before: Option<&Value>, now: &str) -> Value {
    let status = if condition.status { "True" } else { "False" };
    let since = before
        .filter(|before| before["status"] == status)
        .and_then(|before| before["lastTransitionTime"].as_str())
        .unwrap_or(now);
    let mut value = Map::new();
    value.insert("type".to_owned(), condition.kind.into());
    value.insert("status".to_owned(), status.into());
    value.insert("reason".to_owned(), condition.reason.to_string().into());
    value.insert("message".to_owned(), condition.message.as_str().into());
    value.insert(
        "observedGeneration".to_owned(),
        condition.observed_generation.into(),
    );
    value.insert("lastTransitionTime".to_owned(), since.into());
    Value::Object(value)
}

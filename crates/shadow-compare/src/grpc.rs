//! Answers of gRPC: how the call ended, its messages field by field, and its trailers.
//!
//! What HTTP's status code is to other answers, `grpc-status` is to these. Messages become JSON, by descriptors where there are any, and
//! are compared as JSON is, so that rules, noise and reports hold for them without knowing. Where HTTP's own status is not 200 no
//! call was answered, and the answers are compared as any others.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use shadow_grpc::{Code, Fault, Method, Reply, Side, Status, Unreadable, format, texts};

use super::bodies::{self, MAX_DECODED};
use super::difference_collector::DifferenceCollector;
use super::display_value::DisplayValue;
use super::grpc_call::{LOST, STATUS, is_call};
use super::head::Head;
use super::json::{self, Node, Reader};
use super::rules::Rules;
use super::{Answer, Kind, heads};

/// Where differences of the message of a status are.
const MESSAGE: &str = "grpc-message";

/// Compares two answers, if both are of gRPC; `false` if they are not.
pub(super) fn compare(
    request: &[u8],
    sides: [(&Head<'_>, &Answer); 2],
    findings: &mut DifferenceCollector<'_>,
) -> bool {
    let [Some(production), Some(shadow)] = sides.map(|(head, answer)| {
        let is_answered = head.status == b"200" && is_call(&answer.head);
        is_answered
            .then(|| Reply::read(&answer.head, &answer.body))
            .flatten()
    }) else {
        return false;
    };
    let same = compare_status(production.status.as_ref(), shadow.status.as_ref(), findings);
    let [left, right] =
        [(sides[0].0, &production), (sides[1].0, &shadow)].map(|(head, reply)| Fields::of(head, reply));
    let (left, right) = aligned(left, right);
    for (root, production, shadow) in [
        ("header", &left.head, &right.head),
        ("trailer", &left.trailers, &right.trailers),
    ] {
        heads::compare_fields(
            &as_head(production),
            &as_head(shadow),
            root,
            |name| same || name == "content-type",
            findings,
        );
    }
    if same && !findings.is_full() {
        let method = findings.rules.descriptors();
        let method = method.and_then(|descriptors| descriptors.method(request));
        compare_messages(&production, &shadow, [sides[0].1, sides[1].1], method, findings);
    }
    true
}

/// Compares how two calls ended. Whether they ended alike, so that what came before is worth a look.
fn compare_status(
    production: Option<&Status>,
    shadow: Option<&Status>,
    findings: &mut DifferenceCollector<'_>,
) -> bool {
    let shown = |status: Option<&Status>| status.map_or(LOST, Status::shown).to_owned();
    let (left, right) = (shown(production), shown(shadow));
    if left != right {
        findings.path.start(STATUS);
        findings.add(
            Kind::Status,
            DisplayValue::Text(&left),
            DisplayValue::Text(&right),
        );
        return false;
    }
    // Of a call that went well no client is told one, and some servers send one all the same: Node's says "OK".
    let message = |status: Option<&Status>| match status {
        Some(status) if status.code != Code::Ok => status.message.clone(),
        _ => String::new(),
    };
    let (left, right) = (message(production), message(shadow));
    if left != right {
        findings.path.start(MESSAGE);
        match (left.is_empty(), right.is_empty()) {
            (false, true) => findings.add(Kind::Missing, DisplayValue::Text(&left), DisplayValue::Absent),
            (true, _) => findings.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Text(&right)),
            _ => findings.add(Kind::Value, DisplayValue::Text(&left), DisplayValue::Text(&right)),
        }
    }
    true
}

/// Values by the names of fields, in lower case.
type Values = BTreeMap<String, Vec<Vec<u8>>>;

/// The fields of an answer: those before its messages, and those behind.
struct Fields {
    head: Values,
    trailers: Values,
    /// Whether nobody can tell which they are.
    trailers_only: bool,
}

impl Fields {
    fn of(head: &Head<'_>, reply: &Reply<'_>) -> Self {
        let of_head = head
            .fields
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name.as_str(), *value)));
        let of_trailers = reply.trailers.iter();
        Self {
            head: values(of_head),
            trailers: values(of_trailers.map(|(name, value)| (name.as_str(), value.as_slice()))),
            trailers_only: reply.trailers_only,
        }
    }

    /// Takes what the other side has behind its messages for that.
    fn move_to_trailers(&mut self, names: &BTreeSet<String>) {
        for name in names.iter().filter(|_| self.trailers_only) {
            if let Some(values) = self.head.remove(name) {
                self.trailers.insert(name.clone(), values);
            }
        }
    }
}

fn values<'v>(fields: impl Iterator<Item = (&'v str, &'v [u8])>) -> Values {
    let mut all = Values::new();
    for (name, value) in fields.filter(|(name, _)| *name != STATUS && *name != MESSAGE) {
        let value = match name {
            // Both spellings mean Protocol Buffers.
            "content-type" => match format(value) {
                Some(read) => format!("{read:?}").into_bytes(),
                None => value.to_vec(),
            },
            // Base64, padded or not (PROTOCOL-HTTP2.md, "Custom-Metadata").
            name if name.ends_with("-bin") => without_padding(value).to_vec(),
            _ => value.to_vec(),
        };
        all.entry(name.to_owned()).or_default().push(value);
    }
    all
}

fn without_padding(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| *byte != b'=');
    &value[..end.map_or(0, |end| end + 1)]
}

/// Fields of both sides as if either had sent them where the other did: an answer of trailers only has all in its head.
fn aligned(mut left: Fields, mut right: Fields) -> (Fields, Fields) {
    let behind: BTreeSet<String> = left
        .trailers
        .keys()
        .chain(right.trailers.keys())
        .cloned()
        .collect();
    left.move_to_trailers(&behind);
    right.move_to_trailers(&behind);
    (left, right)
}

fn as_head(values: &Values) -> Head<'_> {
    let fields = values.iter();
    Head {
        status: b"200",
        fields: fields
            .map(|(name, values)| (name.clone(), values.iter().map(Vec::as_slice).collect()))
            .collect(),
    }
}

/// Compares the messages of two answers.
fn compare_messages(
    production: &Reply<'_>,
    shadow: &Reply<'_>,
    answers: [&Answer; 2],
    method: Option<&Method>,
    findings: &mut DifferenceCollector<'_>,
) {
    let most = findings.rules.max_structured().max(MAX_DECODED);
    findings.path.start("$");
    let (a, b) = match (production.messages(most), shadow.messages(most)) {
        (Ok(a), Ok(b)) => (a, b),
        (Ok(_), Err(why)) if why != Unreadable::TooLarge => {
            return findings.add(
                Kind::Unreadable,
                DisplayValue::Absent,
                DisplayValue::Bytes(&answers[1].body),
            );
        }
        (Err(why), Ok(_)) if why != Unreadable::TooLarge => {
            return findings.add(
                Kind::Type,
                DisplayValue::Bytes(&answers[0].body),
                DisplayValue::Absent,
            );
        }
        _ => return of_bytes(&answers[0].body, &answers[1].body, findings),
    };
    if a == b {
        return;
    }
    let max = findings.rules.max_structured();
    let size = |messages: &[Cow<'_, [u8]>]| messages.iter().map(|message| message.len()).sum::<usize>();
    if size(&a) > max || size(&b) > max {
        return of_bytes(&a.concat(), &b.concat(), findings);
    }
    let written = texts([&a, &b], production.codec, method, Side::Answers);
    if written.named {
        findings.path.start("$");
    } else {
        findings.path.start_numbered("$");
    }
    let reader = Reader::default();
    let [left, right] = written.texts.each_ref().map(|text| Messages::of(text, &reader));
    match (left, right) {
        (Messages::Some(left), Messages::Some(right)) => json::compare(&left, &right, findings),
        (Messages::Some(left), Messages::None) => {
            findings.add(Kind::Missing, DisplayValue::Json(&left), DisplayValue::Absent);
        }
        (Messages::None, Messages::Some(right)) => {
            findings.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Json(&right));
        }
        (Messages::None, Messages::None) => {}
        (Messages::Unreadable, Messages::Unreadable) | (Messages::TooMany, _) | (_, Messages::TooMany) => {
            of_bytes(&a.concat(), &b.concat(), findings);
        }
        (_, Messages::Unreadable) => {
            findings.add(
                Kind::Unreadable,
                DisplayValue::Absent,
                DisplayValue::Bytes(&b.concat()),
            );
        }
        (Messages::Unreadable, _) => {
            findings.add(Kind::Type, DisplayValue::Bytes(&a.concat()), DisplayValue::Absent);
        }
    }
}

/// The messages of one side.
enum Messages<'t> {
    /// There are none.
    None,
    Some(Node<'t>),
    /// They are not of their type.
    Unreadable,
    /// There is more in them than is looked into.
    TooMany,
}

impl<'t> Messages<'t> {
    fn of(text: &'t Result<String, Fault>, reader: &Reader) -> Self {
        match text.as_deref() {
            Ok("") => Self::None,
            Ok(text) => reader.read(text).map_or(Self::Unreadable, Self::Some),
            Err(Fault::Invalid) => Self::Unreadable,
            Err(Fault::TooMany) => Self::TooMany,
        }
    }
}

fn of_bytes(production: &[u8], shadow: &[u8], findings: &mut DifferenceCollector<'_>) {
    if production != shadow {
        findings.path.start("body");
        bodies::bytes(production, shadow, findings);
    }
}

/// The messages of a request or an answer as JSON text, to be shown; `None` when it is none of gRPC, or cannot be read within `max`
/// bytes. `request` is the head of the request.
pub(super) fn shown(
    request: &[u8],
    side: Side,
    (head, body): (&[u8], &[u8]),
    rules: &Rules,
    max: usize,
) -> Option<String> {
    let reply = Reply::read(head, body).filter(|_| is_call(head))?;
    let messages = reply.messages(max).ok()?;
    let method = rules
        .descriptors()
        .and_then(|descriptors| descriptors.method(request));
    let [text, _] = texts([&messages, &[]], reply.codec, method, side).texts;
    text.ok()
}

/// The trailers of an answer of gRPC as lines, to be shown below its head; empty where there are none.
pub(super) fn shown_trailers(answer: &Answer) -> String {
    if !is_call(&answer.head) {
        return String::new();
    }
    let Some(reply) = Reply::read(&answer.head, &answer.body).filter(|reply| !reply.trailers_only) else {
        return String::new();
    };
    let mut lines = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = write!(lines, "\n{name}: {}", value.replace(['\r', '\n'], " "));
    };
    if let Some(status) = &reply.status {
        line(STATUS, &status.sent);
        if !status.message.is_empty() {
            line(MESSAGE, &status.message);
        }
    }
    for (name, value) in &reply.trailers {
        line(name, &String::from_utf8_lossy(value));
    }
    lines
}

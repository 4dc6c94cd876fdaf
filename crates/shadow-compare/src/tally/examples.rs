//! Pairs that are kept to show differences: a few for each place, with what is to be hidden hidden.

use std::collections::HashMap;

use shadow_grpc::Side;
use shadow_mirror::rules::{Redaction, Unredactable};

use super::places::{EXAMPLES, Places};
use super::secrets::{
    has_secret_pair, hide_in_difference, hide_in_form, hide_in_head, hide_in_json, hide_in_text,
};
use crate::bodies;
use crate::comparing::compare;
use crate::difference_collector::Compared;
use crate::document::{Body, Example, ExampleAnswer};
use crate::grpc;
use crate::head::Head;
use crate::hosts::CompareContext;
use crate::judging::{Judging, Secrets};
use crate::pair::{Answer, Pair};

/// Bytes of text in all examples together.
const MAX_BYTES: usize = 16 << 20;
/// Bytes of one body that are shown.
const MAX_BODY: usize = 16 << 10;
/// Bytes of one head that are shown.
const MAX_HEAD: usize = 8 << 10;
/// Bytes of a body that are decoded to be shown.
const MAX_DECODED: usize = 1 << 20;

/// Example pairs for differences, redacted.
#[derive(Debug, Default)]
pub(super) struct Examples {
    kept: Vec<Example>,
    bytes: usize,
    /// How often a name was used.
    names: HashMap<String, u32>,
    /// The pair that was offered last, and its example, if it may have one: several rows want it.
    latest: Option<((String, u64), Option<String>)>,
}

impl Examples {
    /// Keeps `pair` for a row of `places` that has too few examples, if there is room.
    pub fn offer(
        &mut self,
        places: &mut Places,
        row: u32,
        pair: &Pair,
        question: &CompareContext<'_>,
        judging: &Judging,
    ) {
        let Some(entry) = places.row_mut(row) else { return };
        if entry.examples.len() >= EXAMPLES || self.bytes >= MAX_BYTES {
            return;
        }
        let key = (pair.id.to_string(), pair.at);
        let name = match &self.latest {
            Some((latest, name)) if *latest == key => name.clone(),
            _ => {
                let example = self.example(pair, question, judging).ok();
                let name = example.as_ref().map(|example| example.id.clone());
                if let Some(example) = example {
                    self.bytes += size(&example);
                    self.kept.push(example);
                }
                self.latest = Some((key, name.clone()));
                name
            }
        };
        // What cannot be redacted is not shown.
        let Some(name) = name else { return };
        if entry.shown.is_none()
            && let Some(example) = self.kept.iter().rev().find(|example| example.id == name)
        {
            let mut differences = example.differences.iter();
            let same = differences.find(|other| *other.path == *entry.path && other.kind == entry.kind);
            entry.shown = same.map(|same| (same.production.clone(), same.shadow.clone()));
        }
        entry.examples.push(name);
    }

    pub fn kept(&self) -> &[Example] {
        &self.kept
    }

    fn example(
        &mut self,
        pair: &Pair,
        question: &CompareContext<'_>,
        judging: &Judging,
    ) -> Result<Example, Unredactable> {
        let redaction = judging.redaction.as_ref();
        let production = redacted_answer(&pair.production, redaction)?;
        let shadow = redacted_answer(&pair.shadow, redaction)?;
        let control = pair.control.as_ref();
        let control = control
            .map(|control| redacted_answer(control, redaction))
            .transpose()?;
        let (request_head, request_body) = redacted(&pair.request_head, &pair.request_body, redaction)?;
        // As they are shown: a value that is hidden is hidden in the list of differences, too.
        let Compared {
            mut differences,
            by_rule,
        } = compare(question, &production, &shadow, &judging.rules);
        differences.extend(by_rule.into_iter().map(|(difference, _)| difference));
        let hide = judging.secrets == Secrets::Hidden;
        if hide {
            let pairs = [&production, &shadow]
                .iter()
                .any(|answer| has_pairs(question, answer, judging));
            for difference in &mut differences {
                hide_in_difference(difference, pairs);
            }
        }
        let id = pair.id.to_string();
        let used = self.names.entry(id.clone()).or_default();
        *used += 1;
        let id = if *used == 1 { id } else { format!("{id}.{used}") };
        Ok(Example {
            id,
            endpoint: question.endpoint.to_owned(),
            at_ms: pair.at / super::MILLISECOND,
            request_body: {
                let message = (&request_head[..], &request_body[..]);
                let calls = grpc::shown(
                    question.head,
                    Side::Requests,
                    message,
                    &judging.rules,
                    MAX_DECODED,
                );
                body(b"", message, calls, hide)
            },
            request_head: head(&request_head, hide),
            production: answer(question, &production, judging),
            shadow: answer(question, &shadow, judging),
            control: control.map(|control| answer(question, &control, judging)),
            differences,
        })
    }
}

fn redacted(
    head: &bytes::Bytes,
    body: &bytes::Bytes,
    redaction: Option<&Redaction>,
) -> Result<(bytes::Bytes, bytes::Bytes), Unredactable> {
    let other = match redaction {
        Some(redaction) => redaction.message(head, body)?,
        None => None,
    };
    Ok(match other {
        None => (head.clone(), body.clone()),
        Some(other) => (
            other.head.into(),
            other.body.map_or_else(|| body.clone(), Into::into),
        ),
    })
}

fn redacted_answer(answer: &Answer, redaction: Option<&Redaction>) -> Result<Answer, Unredactable> {
    let (head, body) = redacted(&answer.head, &answer.body, redaction)?;
    Ok(Answer {
        head,
        body,
        times: answer.times,
    })
}

/// The messages of an answer of gRPC, as JSON.
fn messages(question: &CompareContext<'_>, answer: &Answer, judging: &Judging) -> Option<String> {
    let message = (&answer.head[..], &answer.body[..]);
    grpc::shown(question.head, Side::Answers, message, &judging.rules, MAX_DECODED)
}

fn answer(question: &CompareContext<'_>, answer: &Answer, judging: &Judging) -> ExampleAnswer {
    let hide = judging.secrets == Secrets::Hidden;
    let mut head = head(&answer.head, hide);
    let trailers = grpc::shown_trailers(answer);
    head.push_str(&if hide { hide_in_head(&trailers) } else { trailers });
    let messages = messages(question, answer, judging);
    ExampleAnswer {
        head,
        body: body(question.method, (&answer.head, &answer.body), messages, hide),
        took_us: answer
            .times
            .map(|times| u64::try_from(times.last.as_micros()).unwrap_or(u64::MAX)),
    }
}

fn head(bytes: &[u8], hide: bool) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_HEAD)]).replace("\r\n", "\n");
    let text = text.trim_end();
    if hide { hide_in_head(text) } else { text.to_owned() }
}

/// A body as it is shown: laid out where it is JSON, or `messages` that were written as JSON.
fn body(method: &[u8], (head, body): (&[u8], &[u8]), messages: Option<String>, hide: bool) -> Body {
    if let Some(messages) = messages {
        return cut(laid_out(&messages, hide).unwrap_or_default(), body.len());
    }
    let head = Head::new(head);
    let side = bodies::Side::new(method, &head, body);
    let Ok(decoded) = side.decoded(MAX_DECODED) else {
        return Body {
            text: None,
            bytes: body.len() as u64,
            cut: !body.is_empty(),
        };
    };
    let bytes = decoded.len() as u64;
    let Some(text) = side.text(&decoded) else {
        return Body {
            text: None,
            bytes,
            cut: false,
        };
    };
    let json = side.is_json(&decoded).then(|| laid_out(&text, hide)).flatten();
    let text = match json {
        Some(laid_out) => laid_out,
        None if hide && side.is_form() => hide_in_form(&text),
        None if hide => hide_in_text(&text),
        None => text.into_owned(),
    };
    cut(text, decoded.len())
}

/// JSON on several lines, without secrets where they are hidden.
fn laid_out(text: &str, hide: bool) -> Option<String> {
    let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
    if hide {
        hide_in_json(&mut value);
    }
    serde_json::to_string_pretty(&value).ok()
}

/// As much of a text as is shown of a body of so many bytes.
fn cut(mut text: String, bytes: usize) -> Body {
    let end = text.floor_char_boundary(MAX_BODY);
    let cut = end < text.len();
    text.truncate(end);
    Body {
        cut,
        text: Some(text),
        bytes: bytes as u64,
    }
}

/// Whether the body of an answer is JSON with a pair in it that says that its value is secret.
fn has_pairs(question: &CompareContext<'_>, answer: &Answer, judging: &Judging) -> bool {
    let is_pair = |text: &str| serde_json::from_str(text).is_ok_and(|value| has_secret_pair(&value));
    if let Some(messages) = messages(question, answer, judging) {
        return is_pair(&messages);
    }
    let head = Head::new(&answer.head);
    let side = bodies::Side::new(question.method, &head, &answer.body);
    let Ok(decoded) = side.decoded(MAX_DECODED) else {
        return false;
    };
    let text = side.text(&decoded);
    text.is_some_and(|text| is_pair(&text))
}

/// About as many bytes as it holds.
fn size(example: &Example) -> usize {
    let of = |body: &Body| body.text.as_ref().map_or(0, String::len);
    let answers = [&example.production, &example.shadow].into_iter();
    let values = |value: &Option<String>| value.as_ref().map_or(0, String::len);
    example.request_head.len()
        + of(&example.request_body)
        + answers
            .chain(&example.control)
            .map(|answer| answer.head.len() + of(&answer.body))
            .sum::<usize>()
        + example
            .differences
            .iter()
            .map(|one| one.path.len() + values(&one.production) + values(&one.shadow))
            .sum::<usize>()
}

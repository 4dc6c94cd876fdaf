//! Pairs that are kept to show differences: a few for each place, with what is to be hidden hidden.

use std::collections::HashMap;

use shadow_mirror::rules::{Redaction, Unredactable};

use super::places::{EXAMPLES, Places};
use super::secrets::{
    has_secret_pair, hide_in_difference, hide_in_form, hide_in_head, hide_in_json, hide_in_text,
};
use crate::bodies::Side;
use crate::comparing::compare;
use crate::difference_collector::Compared;
use crate::document::{Body, Example, ExampleAnswer};
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
                .any(|answer| has_pairs(question.method, answer));
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
            request_body: body(b"", &request_head, &request_body, hide),
            request_head: head(&request_head, hide),
            production: answer(question.method, &production, hide),
            shadow: answer(question.method, &shadow, hide),
            control: control.map(|control| answer(question.method, &control, hide)),
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

fn answer(method: &[u8], answer: &Answer, hide: bool) -> ExampleAnswer {
    ExampleAnswer {
        head: head(&answer.head, hide),
        body: body(method, &answer.head, &answer.body, hide),
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

fn body(method: &[u8], head: &[u8], body: &[u8], hide: bool) -> Body {
    let head = Head::new(head);
    let side = Side::new(method, &head, body);
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
    let laid_out = side
        .is_json(&decoded)
        .then(|| serde_json::from_str::<serde_json::Value>(&text).ok())
        .flatten()
        .and_then(|mut value| {
            if hide {
                hide_in_json(&mut value);
            }
            serde_json::to_string_pretty(&value).ok()
        });
    let text = match laid_out {
        Some(laid_out) => laid_out,
        None if hide && side.is_form() => hide_in_form(&text),
        None if hide => hide_in_text(&text),
        None => text.into_owned(),
    };
    let end = text.floor_char_boundary(MAX_BODY);
    Body {
        cut: end < text.len(),
        text: Some(text[..end].to_owned()),
        bytes,
    }
}

/// Whether the body of an answer is JSON with a pair in it that says that its value is secret.
fn has_pairs(method: &[u8], answer: &Answer) -> bool {
    let head = Head::new(&answer.head);
    let side = Side::new(method, &head, &answer.body);
    let Ok(decoded) = side.decoded(MAX_DECODED) else {
        return false;
    };
    let text = side.text(&decoded);
    text.is_some_and(|text| serde_json::from_str(&text).is_ok_and(|value| has_secret_pair(&value)))
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

//! A request with production's values in it, as an output shall get it: each replaced by the output's own.
//!
//! What is not replaced stays byte for byte. The length of a body is written anew, and a chunked body becomes one chunk.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use shadow_core::time::Timestamp;
use shadow_grpc::Method;
use shadow_http::{Framing, Request, RewriteError, is_field_value};

use crate::carried::{self, Candidate, MAX_BODY, Section, Take, Written};
use crate::exceptions::Exceptions;
use crate::key::{Key, Scope};
use crate::map::{Known, Map};
use crate::turns::{Carried, MAX_CARRIED};
use crate::{json, messages, origin, url};

/// Counts of the values of one request, by what became of them.
#[derive(Debug, Default)]
pub struct Rewriting {
    edits: Vec<Edit>,
    /// How many of the edits name the output in place of production.
    hosts: usize,
    /// How many of its values the output has not answered yet.
    pub pending: usize,
    /// How many it never gave.
    pub missing: usize,
    /// The values that production issued, whatever the output gave for them.
    pub carried: Carried,
}

#[derive(Debug)]
struct Edit {
    section: Section,
    range: Range<usize>,
    text: Vec<u8>,
}

impl Rewriting {
    /// Looks up all that `request` carries.
    pub fn of(request: &Request, exceptions: &Exceptions, map: &mut Map, now: Timestamp) -> Self {
        let mut taking = Taking {
            request,
            map,
            asked: match request.first_byte {
                Timestamp(0) => Timestamp(u64::MAX),
                known => known,
            },
            now,
            done: Self::default(),
        };
        taking.name_output(exceptions);
        if taking.map.is_empty() || exceptions.has_path(url::path(request.target())) {
            return taking.done;
        }
        // A call's messages are read as what they are.
        let kind = request.header("content-type").unwrap_or_default();
        let body = carried::readable_body(request).filter(|_| !messages::is_grpc(kind));
        carried::all(request, body.as_deref(), exceptions, &mut taking);
        taking.done
    }

    /// How many values are replaced.
    pub fn values(&self) -> usize {
        self.edits.len() - self.hosts
    }

    /// Whether the output gets another request: with other values, or with its own name in it.
    pub fn is_changed(&self) -> bool {
        !self.edits.is_empty()
    }

    /// The request with the output's values.
    ///
    /// # Errors
    ///
    /// Where it would be no valid request any more, or memory is short.
    pub fn apply(mut self, request: &Request) -> Result<Request, RewriteError> {
        self.edits.sort_by_key(|edit| (edit.section, edit.range.start));
        let (mut head_edits, mut body_edits, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for edit in self.edits {
            match edit.section {
                Section::Head => head_edits.push(edit),
                Section::Body => body_edits.push(edit),
                Section::Message(number) => others.push((number, edit.range, edit.text)),
            }
        }
        let mut body = request.body.clone();
        let mut length = None;
        if !others.is_empty() {
            let after = messages::with_others(request, &others, MAX_BODY)?;
            length = (request.framing != Framing::Chunked).then_some(after.len());
            body = Bytes::from(after);
        } else if !body_edits.is_empty() {
            let before = carried::readable_body(request).ok_or(RewriteError::Invalid)?;
            let mut after = spliced(&before, &body_edits);
            if request.framing == Framing::Chunked {
                after = one_chunk(&after);
            } else {
                length = Some(after.len());
            }
            body = Bytes::from(after);
        }
        if let Some(length) = length {
            head_edits.extend(lengths(request, length));
            head_edits.sort_by_key(|edit| edit.range.start);
        }
        request.rewritten(spliced(&request.head, &head_edits), body)
    }
}

/// The edits that say how long the body is.
fn lengths(request: &Request, length: usize) -> impl Iterator<Item = Edit> {
    let fields = request.headers.iter().filter(|field| {
        request.head[field.name.start as usize..field.name.end as usize]
            .eq_ignore_ascii_case(b"content-length")
    });
    fields.map(move |field| Edit {
        section: Section::Head,
        range: field.value.start as usize..field.value.end as usize,
        text: length.to_string().into_bytes(),
    })
}

/// Whether it can stand in JSON as it is.
fn is_number(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit) && (text.len() == 1 || !text.starts_with(b"0"))
}

fn one_chunk(data: &[u8]) -> Vec<u8> {
    let mut body = format!("{:x}\r\n", data.len()).into_bytes();
    body.extend_from_slice(data);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    body
}

/// `text` with edits in it, which are in order and apart.
fn spliced(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut at = 0;
    for edit in edits {
        if edit.range.start < at {
            continue;
        }
        out.extend_from_slice(&text[at..edit.range.start]);
        out.extend_from_slice(&edit.text);
        at = edit.range.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

struct Taking<'a> {
    request: &'a Request,
    map: &'a mut Map,
    /// When it began; the end of time where that is not known.
    asked: Timestamp,
    now: Timestamp,
    done: Rewriting,
}

impl Take for Taking<'_> {
    fn wants(&self, length: usize) -> bool {
        self.map.may_know(length)
    }

    fn method(&self, target: &[u8]) -> Option<Method> {
        self.map.methods()?.method(target).cloned()
    }

    fn take(&mut self, candidate: &Candidate<'_>, scopes: &[Scope<'_>]) -> bool {
        for scope in scopes {
            let key = self.map.key(*scope, &candidate.value);
            let own = match self.map.find_key(key, self.asked, self.now) {
                Known::Nothing => continue,
                Known::Pending => {
                    self.done.pending += 1;
                    self.carries(key);
                    return true;
                }
                Known::Missing => {
                    self.done.missing += 1;
                    self.carries(key);
                    return true;
                }
                Known::Own(own) => own.to_vec(),
            };
            self.carries(key);
            self.replace(candidate, &own);
            return true;
        }
        false
    }
}

impl Taking<'_> {
    /// Names the output where the request names the server that was asked.
    fn name_output(&mut self, exceptions: &Exceptions) {
        let Some(own) = self.map.origin() else { return };
        for range in origin::places(self.request, exceptions) {
            self.done.hosts += 1;
            self.done.edits.push(Edit {
                section: Section::Head,
                range,
                text: own.to_vec(),
            });
        }
    }

    fn carries(&mut self, key: Key) {
        let carried = &mut self.done.carried;
        if carried.len() < MAX_CARRIED && !carried.contains(&key) {
            carried.push(key);
        }
    }

    fn replace(&mut self, candidate: &Candidate<'_>, own: &[u8]) {
        let range = candidate.range.clone();
        let mut text = Vec::with_capacity(own.len());
        match candidate.written {
            Written::Plain => text.extend_from_slice(own),
            Written::Percent(within) => url::encode(own, within, &mut text),
            Written::JsonString => json::escape(own, &mut text),
            Written::JsonNumber if is_number(own) => text.extend_from_slice(own),
            Written::JsonNumber => {
                text.push(b'"');
                json::escape(own, &mut text);
                text.push(b'"');
            }
            Written::Basic { password } => {
                // The other part may have been replaced already.
                let before = self.done.edits.iter().position(|edit| edit.range == range);
                let before = before.map(|at| self.done.edits.swap_remove(at));
                let written = before
                    .as_ref()
                    .map_or(&self.request.head[range.clone()], |edit| &edit.text[..]);
                let both = STANDARD.decode(written).unwrap_or_default();
                let colon = memchr::memchr(b':', &both).unwrap_or(both.len());
                let (user, secret) = both.split_at(colon);
                let secret = secret.get(1..).unwrap_or_default();
                let parts = if password { [user, own] } else { [own, secret] };
                text.extend_from_slice(STANDARD.encode(parts.join(&b':')).as_bytes());
            }
        }
        if candidate.section == Section::Head && !is_field_value(&text) {
            self.done.missing += 1;
            return;
        }
        self.done.edits.push(Edit {
            section: candidate.section,
            range,
            text,
        });
    }
}

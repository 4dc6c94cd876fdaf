//! The request of a pair, as it is sent again.

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;

use crate::budget::MemoryBudget;
use crate::compare::store::{KeptPair, MAX_RECORD};
use crate::http::{Limits, RequestKind, head_fields, is_field_value, whole_request};
use crate::mirror::rules::{Invalid, has_hash, header_name};
use crate::output::HttpOutputSettings;
use crate::output::copy_head;

/// Bounds of a request that was kept: those of the store.
const LIMITS: Limits = Limits {
    max_head: 1 << 20,
    max_body: MAX_RECORD,
    max_headers: 1 << 16,
};

/// A header that the user gives in the place of what was kept.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenHeader {
    name: Box<str>,
    value: Box<str>,
}

impl std::fmt::Debug for GivenHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It may be a credential.
        write!(f, "{}: (secret)", self.name)
    }
}

impl GivenHeader {
    /// Reads `NAME: VALUE`.
    ///
    /// # Errors
    ///
    /// Without a colon, and for a name or a value that no header may have.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| Invalid("there is no ':'".to_owned()))?;
        let value = value.trim();
        if !is_field_value(value.as_bytes()) {
            return Err(Invalid("the value has bytes that no header may have".to_owned()));
        }
        Ok(Self {
            name: header_name(name.trim())?,
            value: value.into(),
        })
    }
}

/// A request that can be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its head, as it goes on the wire.
    pub head: Vec<u8>,
    /// Its body, likewise.
    pub body: Bytes,
    /// Kind of the request.
    pub kind: RequestKind,
    /// Its method.
    pub method: Vec<u8>,
    /// Its target as production got it.
    pub target: Vec<u8>,
    /// Names of headers that are left out, because a hash stands in the place of their values.
    pub left_out: Vec<String>,
    /// Whether a hash stands in the place of something in its target or in its body.
    pub has_hashes: bool,
}

impl Prepared {
    /// The request of `kept` as an output with these settings sends it: its marker included. Headers that were redacted
    /// are left out, unless they are given.
    ///
    /// # Errors
    ///
    /// For a pair of which only start lines are stored, and for a request that is not whole or cannot be sent.
    pub fn new(
        kept: &KeptPair,
        given: &[GivenHeader],
        settings: &HttpOutputSettings,
    ) -> anyhow::Result<Self> {
        let pair = &kept.pair;
        if !kept.whole {
            bail!("its responses were equal, and of such pairs only the start lines are stored");
        }
        let (mut payload, left_out) =
            edited(&pair.request_head, given).context("its request has no complete head")?;
        payload.extend_from_slice(&pair.request_body);
        let request = whole_request(&payload, LIMITS, &MemoryBudget::new(usize::MAX / 2))
            .map_err(|reject| anyhow!("cannot send its request: {reject:?}"))?;
        let kind = RequestKind::of(request.method());
        let head = copy_head(settings, &request).map_err(|why| anyhow!("cannot send its request: {why}"))?;
        Ok(Self {
            head,
            kind,
            method: request.method().to_vec(),
            target: request.target().to_vec(),
            has_hashes: has_hash(request.target()) || has_hash(&request.body),
            body: request.body,
            left_out,
        })
    }
}

/// The head with what is given, and without what was redacted; and the names of that.
fn edited(head: &[u8], given: &[GivenHeader]) -> Option<(Vec<u8>, Vec<String>)> {
    let fields = head_fields(head)?;
    let line_end = memchr::memchr(b'\n', head)? + 1;
    let mut out = head[..line_end].to_vec();
    let mut left_out: Vec<String> = Vec::new();
    let is_given = |name: &[u8]| {
        given
            .iter()
            .any(|given| given.name.as_bytes().eq_ignore_ascii_case(name))
    };
    for field in &fields {
        let name = &head[field.name.start as usize..field.name.end as usize];
        let value = &head[field.value.start as usize..field.value.end as usize];
        if is_given(name) {
            continue;
        }
        if has_hash(value) {
            let name = String::from_utf8_lossy(name).into_owned();
            if !left_out.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                left_out.push(name);
            }
            continue;
        }
        let colon: &[u8] = if value.is_empty() { b":" } else { b": " };
        for part in [name, colon, value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    for GivenHeader { name, value } in given {
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
    Some((out, left_out))
}

//! Identifiers that one answer issues, each with its place: where the other side's answer to the same request has its own.
//!
//! A place in JSON is the path of names; an element of an array is told by what else it holds, so that one record more in a list
//! pairs no record with its neighbour. Ids of records are taken from answers that create them, not from lists and reads: a release
//! that answers with another record than it was asked for must not teach that the two are one.

use std::borrow::Cow;
use std::ops::Range;

use shadow_http::{Codings, chunked_data, is_json};

use self::members::JsonReader;
use crate::exceptions::Exceptions;
use crate::fields;
use crate::html::{self, Handed};
use crate::json;
use crate::key::{Key, Keys, Scope};
use crate::lines;
use crate::messages::{self, Methods};
use crate::named_tokens;
use crate::shape::{
    MAX_VALUE, RecordName, cookie_template, is_id, is_moment, is_own_id, is_reference, is_tag_number,
    is_token, names_identifier, names_token,
};
use crate::url::{self, PartKind, Within};
use crate::xml;

mod members;
mod pages;

/// Largest decoded body that is looked into, in bytes: pages and records that issue something are smaller by far.
const MAX_BODY: usize = 256 * 1024;
/// Most identifiers of one answer.
const MAX_VALUES: usize = 512;
/// Most bytes of all of them.
const MAX_TEXT: usize = 64 * 1024;
/// Bytes of all that most answers issue: a cookie, a tag and a date.
const FEW_TEXT: usize = 192;

/// The request that is answered, as production got it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a [u8],
    /// Its target.
    pub target: &'a [u8],
    /// The types of the messages of calls, where they are known.
    pub methods: Option<&'a dyn Methods>,
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Production, whose values are looked up later.
    Production,
    /// The output, whose values stand for production's: they are never looked up, and have no keys.
    Output,
}

/// One identifier at one place.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub place: u64,
    /// Zero of the output's.
    pub key: Key,
    /// Where it stands in [`Issued::text`].
    text: Range<usize>,
    /// Bytes of what the key is made of.
    pub length: usize,
    /// Whether place and name say that it is an identifier, and not its look alone.
    pub sure: bool,
    /// Of a reference to a record by its name: that name, and which collection issued it.
    pub owner: Option<(u64, u64)>,
    /// Whether it is of a record that was just created: what the id meant before, it means no more.
    pub anew: bool,
    /// Whether its name says that it is an identifier, in an answer that may have made it: one that nobody has seen before is sure then.
    pub named: bool,
}

/// All identifiers of one answer.
#[derive(Clone, Default)]
pub struct Issued {
    text: Vec<u8>,
    values: Vec<Value>,
    /// Where in the text those of the body begin, and how the body was read.
    body: usize,
    manner: Manner,
}

/// Everything but its bytes that decides on what a body issues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Manner {
    /// Whether the answer says that a record was created.
    creates: bool,
    media: Media,
    codings: Codings,
    /// Codings of the messages of gRPC.
    messages: Codings,
    chunked: bool,
}

/// Without the values, which are secrets.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued")
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl Issued {
    /// Those of an answer by `side` with this head and body, as they were on the wire. Scopes are of production's words on both
    /// sides.
    pub fn of(
        side: Side,
        keys: &Keys,
        exceptions: &Exceptions,
        asked: Asked<'_>,
        (head, body): (&[u8], &[u8]),
    ) -> Self {
        let mut issued = Self::default();
        if issued.read_head((keys, side), exceptions, asked, head) {
            issued.read_body((keys, side), asked, (head, body));
        }
        issued.sort();
        issued
    }

    /// The same of the output's answer where its body is, byte for byte, that of production's answer to the same request, which
    /// issued `production`: it is not read again.
    pub fn of_same_body(
        keys: &Keys,
        exceptions: &Exceptions,
        asked: Asked<'_>,
        (head, body): (&[u8], &[u8]),
        production: &Self,
    ) -> Self {
        let mut issued = Self::default();
        let keys = (keys, Side::Output);
        if issued.read_head(keys, exceptions, asked, head) && !issued.take_body(production) {
            issued.read_body(keys, asked, (head, body));
        }
        issued.sort();
        issued
    }

    /// Whether the request is one to learn from.
    fn read_head(
        &mut self,
        keys: (&Keys, Side),
        exceptions: &Exceptions,
        asked: Asked<'_>,
        head: &[u8],
    ) -> bool {
        if exceptions.has_path(url::path(asked.target)) {
            return false;
        }
        let status = head.get(9..12).unwrap_or_default();
        self.manner.creates =
            status == b"201" || (asked.method == b"POST" && matches!(status.first(), Some(b'2' | b'3')));
        let mut manner = std::mem::take(&mut self.manner);
        let mut reader = Reader::new(keys, self, manner.creates, asked);
        for (name, value) in fields::of(head) {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            match name.len() {
                12 if is("content-type") => manner.media = Media::of(value),
                13 if is("grpc-encoding") => manner.messages.read(value),
                16 if is("content-encoding") => manner.codings.read(value),
                17 if is("transfer-encoding") => manner.chunked = true,
                _ if fields::is_plain(name) || exceptions.has_header(name) => {}
                _ => reader.field(name, value),
            }
        }
        if manner.media == Media::Grpc {
            manner.creates = messages::creates(asked.target);
        }
        self.manner = manner;
        self.body = self.text.len();
        true
    }

    /// Takes the body's from `other`, whose body is the same; `false` where they might not be those that reading gives.
    fn take_body(&mut self, other: &Self) -> bool {
        let (text, values) = (self.text.len(), self.values.len());
        // Where a bound was met, that depends on the head's, too.
        let fits =
            text + other.text.len() + MAX_VALUE <= MAX_TEXT && values + other.values.len() < MAX_VALUES;
        if self.manner != other.manner || !fits {
            return false;
        }
        self.text.extend_from_slice(&other.text[other.body..]);
        for value in other.values.iter().filter(|value| value.text.start >= other.body) {
            let start = value.text.start - other.body + text;
            self.values.push(Value {
                text: start..start + value.text.len(),
                ..value.clone()
            });
        }
        true
    }

    fn read_body(&mut self, keys: (&Keys, Side), asked: Asked<'_>, (head, body): (&[u8], &[u8])) {
        let Manner {
            creates,
            media,
            chunked,
            ..
        } = self.manner;
        if media == Media::Other || body.is_empty() || body.len() > MAX_BODY {
            return;
        }
        if media == Media::Grpc {
            let text = messages::issuing((head, body), MAX_BODY, asked.methods, asked.target);
            if let Some(text) = text {
                let mut reader = Reader::new(keys, self, creates, asked);
                reader.writes = creates;
                reader.json(text.as_bytes());
            }
            return;
        }
        let whole = if chunked {
            chunked_data(body).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(body))
        };
        let Some(Ok(body)) = whole.map(|body| self.manner.codings.undo(body, MAX_BODY)) else {
            return;
        };
        if media == Media::Plain && !lines::has_json(&body) {
            return;
        }
        let mut reader = Reader::new(keys, self, creates, asked);
        match media {
            Media::Html if !begins_json(&body) => {
                html::handed(&body, |handed| match handed {
                    Handed::Named(name, value) => reader.handed(name, &value),
                    Handed::Part(url) => reader.part(&url),
                });
                named_tokens::found(&body, |found| reader.named(found));
            }
            Media::Xml => xml::texts(&body, |name, text| reader.element(name, &body[text])),
            Media::Plain | Media::Lines if !begins_json(&body) => {
                lines::documents(&body, |document| reader.document(&body[document]));
            }
            _ => reader.json(&body),
        }
    }

    fn sort(&mut self) {
        // Stable: values of one place stay in the order of the answer.
        self.values.sort_by_key(|value| value.place);
    }

    /// The values, by place.
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// The bytes of one of the values.
    pub(crate) fn text(&self, value: &Value) -> &[u8] {
        &self.text[value.text.clone()]
    }

    /// Whether a body issues nothing, whatever is in it, or, where it is text, as long as it [has no JSON](lines::has_json); and the head no
    /// more than a tag and a date.
    pub(crate) fn is_tag_and_date(&self) -> bool {
        let reads_nothing = match self.manner.media {
            Media::Other => true,
            Media::Plain => !self.manner.chunked && self.manner.codings.is_empty(),
            _ => false,
        };
        reads_nothing
            && self
                .values
                .iter()
                .all(|value| matches!(value.place, FIELD | LAST_MODIFIED))
    }

    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.capacity() + self.values.capacity() * size_of::<Value>()
    }

    /// Whether the body is text.
    pub(crate) fn is_text(&self) -> bool {
        self.manner.media == Media::Plain
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Whether text begins as JSON does.
fn begins_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Media {
    Json,
    Html,
    Xml,
    /// Messages of gRPC.
    Grpc,
    /// Text, or anything: JSON where it begins so, as `CouchDB` gives it to whoever takes all types, or where its packets do.
    Plain,
    /// JSON in lines, or events with it.
    Lines,
    #[default]
    Other,
}

impl Media {
    fn of(content_type: &[u8]) -> Self {
        let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
        let media = content_type[..end].trim_ascii();
        if is_json(media) {
            Self::Json
        } else if media.eq_ignore_ascii_case(b"text/html")
            || media.eq_ignore_ascii_case(b"application/xhtml+xml")
        {
            Self::Html
        } else if xml::is_xml(media) {
            Self::Xml
        } else if media.eq_ignore_ascii_case(b"text/plain") {
            Self::Plain
        } else if lines::is_lines(media) {
            Self::Lines
        } else if messages::is_grpc(media) {
            Self::Grpc
        } else {
            Self::Other
        }
    }
}

/// Takes identifiers out of one answer.
struct Reader<'r> {
    keys: &'r Keys,
    side: Side,
    issued: &'r mut Issued,
    /// Whether the answer says that a record was created.
    creates: bool,
    /// Whether the request may have made something.
    writes: bool,
    resource: &'r [u8],
    path: &'r [u8],
}

impl<'r> Reader<'r> {
    fn new((keys, side): (&'r Keys, Side), issued: &'r mut Issued, creates: bool, asked: Asked<'r>) -> Self {
        let resource = url::resource(asked.target);
        Self {
            keys,
            side,
            issued,
            creates,
            writes: creates || !matches!(asked.method, b"GET" | b"HEAD" | b"OPTIONS"),
            resource,
            path: url::path_of(resource),
        }
    }
}

/// Kinds of places, so that none is taken for another.
const COOKIE: u64 = 1;
const COOKIE_DECODED: u64 = 2;
const FIELD: u64 = 3;
const HANDED: u64 = 4;
const MEMBER: u64 = 5;
const RECORD: u64 = 6;
const COLLECTION: u64 = 7;
const LAST_MODIFIED: u64 = 8;
const PART: u64 = 9;
const ELEMENT: u64 = 10;
const TAG_NUMBER: u64 = 11;
const NAMED: u64 = 12;
const LINE: u64 = 13;
const COOKIE_NAME: u64 = 14;
const FILLED: u64 = 15;

impl Reader<'_> {
    fn push(&mut self, place: u64, scope: Scope<'_>, text: &[u8], sure: bool) {
        self.push_key(place, self.key(scope, text), text, sure, None);
    }

    fn key(&self, scope: Scope<'_>, text: &[u8]) -> Key {
        match self.side {
            Side::Production => self.keys.key(scope, text),
            Side::Output => 0,
        }
    }

    /// Whether there was room for it.
    fn push_key(&mut self, place: u64, key: Key, text: &[u8], sure: bool, owner: Option<(u64, u64)>) -> bool {
        let issued = &mut *self.issued;
        let start = issued.text.len();
        if text.is_empty()
            || text.len() > MAX_VALUE
            || issued.values.len() >= MAX_VALUES
            || start + text.len() > MAX_TEXT
        {
            return false;
        }
        if start == 0 {
            issued.text.reserve(FEW_TEXT);
        }
        issued.text.extend_from_slice(text);
        issued.values.push(Value {
            place,
            key,
            text: start..start + text.len(),
            length: text.len(),
            sure,
            owner,
            anew: false,
            named: false,
        });
        true
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            4 if is("etag") => {
                let opaque = value.strip_prefix(b"W/").unwrap_or(value);
                // Requests may carry it weakened, or strong (RFC 9110 section 8.8.3.2).
                let key = self.key(Scope::Tag(self.resource), opaque);
                if self.push_key(FIELD, key, value, true, None)
                    && let Some(tag) = self.issued.values.last_mut()
                {
                    tag.length = opaque.len();
                }
                // Where it is a number, as where it says when a list was changed, clients ask by it for what is newer.
                let number = opaque.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\""));
                if let Some(number) = number.filter(|number| is_tag_number(number)) {
                    self.push(TAG_NUMBER, Scope::Collection(self.path), number, true);
                }
            }
            13 if is("last-modified") => {
                self.push(LAST_MODIFIED, Scope::Date(self.resource), value, true);
            }
            10 if is("set-cookie") => self.cookie(value),
            8 | 16 if is("location") || is("content-location") => {
                let place = self.keys.place(FIELD, name);
                self.url(place, value, true, true);
            }
            _ if url::is_url(value) => {
                let place = self.keys.place(FIELD, &name.to_ascii_lowercase());
                self.url(place, value, false, false);
            }
            _ if names_token(name) || names_identifier(name) => {
                let token = crate::carried::credentials(value);
                if is_token(token) {
                    let place = self.keys.place(FIELD, &name.to_ascii_lowercase());
                    self.push(place, Scope::Anywhere, token, true);
                }
            }
            _ => {}
        }
    }

    fn cookie(&mut self, value: &[u8]) {
        let pair = value.split(|byte| *byte == b';').next().unwrap_or_default();
        let Some(equals) = memchr::memchr(b'=', pair) else {
            return;
        };
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        let told = cookie_template(name);
        if *told != *name {
            self.push(self.keys.place(COOKIE_NAME, &told), Scope::CookieName, name, true);
        }
        let place = self.keys.place(COOKIE, &told);
        self.push(place, Scope::Cookie(name), value, is_token(value));
        // What a page sends back in a header or a form is often the cookie's value without its encoding.
        if let Some(decoded) = url::decoded(value, Within::Cookie).filter(|decoded| is_token(decoded)) {
            self.push(
                self.keys.place(COOKIE_DECODED, &told),
                Scope::Anywhere,
                &decoded,
                true,
            );
        }
    }

    /// A random-looking value that is called `name`.
    fn token(&mut self, place: u64, name: &[u8], text: &[u8], sure: bool) {
        let is_there = self.push_key(place, self.key(Scope::Anywhere, text), text, sure, None);
        if is_there && let Some(value) = self.issued.values.last_mut() {
            value.named = self.writes && is_reference(name);
        }
    }

    /// Parts of a URL that are identifiers. `created`: whether it may be that of a record that was created.
    fn url(&mut self, place: u64, text: &[u8], created: bool, sure: bool) {
        let mut segments = 0_u32;
        url::parts(text, |part| {
            segments += u32::from(matches!(part.kind, PartKind::Segment(_)));
        });
        let place = self.keys.place(place, &segments.to_be_bytes());
        let mut index = 0_u32;
        url::parts(text, |part| {
            let (within, name, above) = match part.kind {
                PartKind::Segment(above) => (Within::Path, None, Some(above)),
                PartKind::Query(name) => (Within::Query, Some(name), None),
            };
            let Some(value) = url::decoded(&text[part.range], within) else {
                return;
            };
            index += 1;
            let place = match name {
                Some(name) => self.keys.place(place, name),
                None => self.keys.place(place, &index.to_be_bytes()),
            };
            if is_token(&value) {
                let sure = sure || name.is_some_and(names_token);
                self.push(place, Scope::Anywhere, &value, sure);
            }
            let looks_like_id = is_id(&value) && value.iter().any(u8::is_ascii_digit);
            if !created || !looks_like_id {
                return;
            }
            if let Some(above) = above {
                self.record(place, above, &value);
            } else if name.is_some_and(is_own_id) {
                self.record(place, self.collection_of_query(url::path(text)), &value);
            } else if let Some(name) = name.filter(|name| !is_reference(name) && !is_moment(&value)) {
                let collection = url::collection_of(url::path(text), name);
                self.push(place, Scope::Collection(&collection), &value, true);
            }
        });
    }

    /// The collection of the record that `?id=` behind this path names: the path itself, as in `/items?id=5`; or what is above it,
    /// where the record was made at a path beside it, as at `/post/new` for `/post/edit?id=5`.
    fn collection_of_query<'u>(&self, path: &'u [u8]) -> &'u [u8] {
        let (above, last) = url::split_last(path);
        let (asked_above, asked) = url::split_last(self.path);
        if above == asked_above && last != asked && !above.is_empty() {
            above
        } else {
            path
        }
    }

    /// The id of a record that was created in the collection at `collection`.
    fn record(&mut self, place: u64, collection: &[u8], id: &[u8]) {
        let first = self.issued.values.len();
        let (_, name) = url::split_last(collection);
        self.push(
            self.keys.place(place, &COLLECTION.to_be_bytes()),
            Scope::Collection(collection),
            id,
            true,
        );
        if let Some(name) = RecordName::of_collection(name) {
            let owner = (self.keys.place(RECORD, name.as_bytes()), self.kind_of(collection));
            let key = self.key(Scope::Record(&name), id);
            self.push_key(
                self.keys.place(place, &RECORD.to_be_bytes()),
                key,
                id,
                true,
                Some(owner),
            );
        }
        for value in &mut self.issued.values[first..] {
            value.anew = self.creates;
        }
    }

    /// Which kind of collection it is: `/posts/5/comments` and `/posts/6/comments` are of one.
    fn kind_of(&self, collection: &[u8]) -> u64 {
        collection
            .split(|byte| *byte == b'/')
            .fold(COLLECTION, |kind, segment| {
                let is_fixed = !segment.iter().any(u8::is_ascii_digit);
                self.keys.place(kind, if is_fixed { segment } else { b"*" })
            })
    }

    fn json(&mut self, text: &[u8]) {
        let mut walk = JsonReader::new(self, text);
        // What is no JSON has been read up to there, on both sides alike.
        let _ = json::walk(text, &mut walk);
    }
}

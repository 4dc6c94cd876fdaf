//! Whatever is lost of a connection, and wherever it is joined, what is told of it is what was sent: random exchanges,
//! interleaved, with header blocks written in every way that HPACK allows.

use std::collections::BTreeMap;
use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::h2::hpack::tests::encoder::{self, Encoded, Field};

/// A request or an answer.
#[derive(Clone, Debug)]
struct Message {
    /// `GET` or `POST`, path, authority; or a status.
    start: Vec<String>,
    fields: Vec<(String, String)>,
    /// Bytes of each DATA frame.
    body: Vec<usize>,
    trailers: Vec<(String, String)>,
    /// How its fields are written, and its frames; used again and again.
    how: Vec<encoder::How>,
    padding: u8,
    /// Bytes of each frame of a header block; 0 for all.
    split: usize,
}

/// A part of a direction.
#[derive(Clone, Debug)]
enum Part {
    Block {
        stream: u32,
        fields: Vec<Field>,
        ends: bool,
        padding: u8,
        split: usize,
    },
    Data {
        stream: u32,
        length: usize,
        ends: bool,
        padding: u8,
    },
    Other(u8),
}

/// One direction as it is sent.
struct Sent {
    bytes: Vec<u8>,
    /// Where the contents of frames are: of which stream, of which header block, and the bytes.
    contents: Vec<(u32, Option<usize>, Range<usize>)>,
    blocks: Vec<Encoded>,
    /// Where frames begin.
    frames: Vec<usize>,
}

fn text_fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = select(vec![
        "accept",
        "x-a",
        "x-request-id",
        "user-agent",
        "cache-control",
    ]);
    let value = prop_oneof![
        select(vec!["a", "b", "", "no-cache"]).prop_map(str::to_owned),
        "[a-z0-9]{0,90}"
    ];
    let field = (name, value).prop_map(|(name, value)| (name.to_owned(), value));
    prop::collection::vec(field, 0..4)
}

fn message(start: impl Strategy<Value = Vec<String>>) -> impl Strategy<Value = Message> {
    (
        start,
        text_fields(),
        prop::collection::vec(0..300_usize, 0..4),
        prop_oneof![2 => Just(Vec::new()), 1 => text_fields()],
        prop::collection::vec(encoder::how(), 1..9),
        prop_oneof![2 => Just(0), 1 => 1..40_u8],
        prop_oneof![2 => Just(0), 1 => 10..40_usize],
    )
        .prop_map(|(start, fields, body, trailers, how, padding, split)| Message {
            start,
            fields,
            body,
            trailers,
            how,
            padding,
            split,
        })
}

fn request() -> impl Strategy<Value = Message> {
    let method = select(vec!["GET", "POST"]);
    let path = select(vec!["/", "/a", "/shop.Orders/Get", "/index.html"]);
    let start = (method, path, select(vec!["a.example", "b.example"]))
        .prop_map(|(method, path, authority)| [method, path, authority].map(str::to_owned).to_vec());
    message(start)
}

fn answer() -> impl Strategy<Value = Message> {
    message(select(vec!["200", "404", "500"]).prop_map(|status| vec![status.to_owned()]))
}

fn exchanges() -> impl Strategy<Value = Vec<(Message, Message)>> {
    prop::collection::vec((request(), answer()), 1..10)
}

impl Message {
    /// The fields of its head.
    fn head(&self) -> Vec<(String, String)> {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(own).collect()
        };
        let start = match &self.start[..] {
            [method, path, authority] => own(&[
                (":method", method),
                (":scheme", "http"),
                (":path", path),
                (":authority", authority),
            ]),
            _ => own(&[(":status", &self.start[0])]),
        };
        [start, self.fields.clone()].concat()
    }

    fn written(&self, fields: &[(String, String)]) -> Vec<Field> {
        let field = |((name, value), how): (&(String, String), &encoder::How)| Field {
            name: name.clone().into_bytes(),
            value: value.clone().into_bytes(),
            how: how.clone(),
        };
        fields.iter().zip(self.how.iter().cycle()).map(field).collect()
    }

    /// Its frames on a stream.
    fn parts(&self, stream: u32) -> Vec<Part> {
        let block = |fields: &[(String, String)], ends| Part::Block {
            stream,
            fields: self.written(fields),
            ends,
            padding: self.padding,
            split: self.split,
        };
        let has_trailers = !self.trailers.is_empty();
        let mut parts = vec![block(&self.head(), self.body.is_empty() && !has_trailers)];
        for (at, length) in self.body.iter().enumerate() {
            parts.push(Part::Data {
                stream,
                length: *length,
                ends: at + 1 == self.body.len() && !has_trailers,
                padding: self.padding,
            });
        }
        if has_trailers {
            parts.push(block(&self.trailers, true));
        }
        parts
    }

    /// The text that stands for it (`docs/http2.md`).
    fn text(&self, stream: u32) -> (String, String) {
        let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
        let lines = |fields: &[(String, String)]| fields.iter().map(line).collect::<String>();
        let start = match &self.start[..] {
            [method, path, authority] => format!("{method} {path} HTTP/2.0\r\nhost: {authority}\r\n"),
            _ => format!("HTTP/2.0 {} \r\n", self.start[0]),
        };
        if self.body.is_empty() && self.trailers.is_empty() {
            return (format!("{start}{}\r\n", lines(&self.fields)), String::new());
        }
        let octet = char::from(octet(stream)).to_string();
        let chunk = |length: &usize| format!("{length:x}\r\n{}\r\n", octet.repeat(*length));
        let chunks: String = self
            .body
            .iter()
            .filter(|length| **length > 0)
            .map(chunk)
            .collect();
        (
            format!("{start}{}transfer-encoding: chunked\r\n\r\n", lines(&self.fields)),
            format!("{chunks}0\r\n{}\r\n", lines(&self.trailers)),
        )
    }
}

/// Parts of a stream's data.
fn octet(stream: u32) -> u8 {
    b'a' + (stream % 26) as u8
}

/// The parts of several messages, interleaved; the first of each come in their order.
fn interleaved(messages: &[&Message], order: &[Index]) -> Vec<Part> {
    let mut waiting: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(at, message)| message.parts(2 * at as u32 + 1).into_iter())
        .collect();
    let mut opened = 0;
    let mut parts = Vec::new();
    let mut choices = order.iter().cycle();
    loop {
        let unfinished = |at: &usize| waiting[*at].len() > 0;
        let candidates: Vec<usize> = (0..waiting.len().min(opened + 1)).filter(unfinished).collect();
        let Some(choice) = choices.next().filter(|_| !candidates.is_empty()) else {
            return parts;
        };
        let at = *choice.get(&candidates);
        opened = opened.max(at + 1);
        parts.extend(waiting[at].next());
        if choice.index(5) == 0 {
            parts.push(Part::Other(choice.index(4) as u8));
        }
    }
}

/// Writes a direction behind its first bytes.
fn sent(first: &[u8], parts: &[Part]) -> Sent {
    let blocks: Vec<encoder::Block> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Block { fields, .. } => Some(encoder::Block {
                sizes: Vec::new(),
                fields: fields.clone(),
            }),
            _ => None,
        })
        .collect();
    let mut sent = Sent {
        bytes: first.to_vec(),
        contents: Vec::new(),
        blocks: encoder::encode(&blocks),
        frames: Vec::new(),
    };
    let mut block = 0;
    for part in parts {
        match part {
            Part::Block {
                stream,
                ends,
                padding,
                split,
                ..
            } => {
                sent.block(*stream, block, *ends, *padding, *split);
                block += 1;
            }
            Part::Data {
                stream,
                length,
                ends,
                padding,
            } => {
                let data = vec![octet(*stream); *length];
                sent.frame(DATA, u8::from(*ends), *stream, *padding, &data, None);
            }
            Part::Other(kind) => {
                sent.frames.push(sent.bytes.len());
                sent.bytes.extend(other(*kind));
            }
        }
    }
    sent
}

/// A frame that is not of a stream.
fn other(kind: u8) -> Vec<u8> {
    match kind {
        0 => frame(PING, 0, 0, &[0; 8]),
        1 => frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
        2 => frame(0x42, 0xff, 0, b"unknown"),
        _ => frame(SETTINGS, 1, 0, &[]),
    }
}

impl Sent {
    fn block(&mut self, stream: u32, block: usize, ends: bool, padding: u8, split: usize) {
        let bytes = self.blocks[block].bytes.clone();
        let size = if split == 0 { bytes.len().max(1) } else { split };
        let mut pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        if pieces.is_empty() {
            pieces.push(&[]);
        }
        let last = pieces.len() - 1;
        for (at, piece) in pieces.into_iter().enumerate() {
            let end = if at == last { END_HEADERS } else { 0 };
            if at == 0 {
                self.frame(HEADERS, end | u8::from(ends), stream, padding, piece, Some(block));
            } else {
                self.frame(CONTINUATION, end, stream, 0, piece, Some(block));
            }
        }
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, padding: u8, content: &[u8], block: Option<usize>) {
        let (flags, payload) = if padding == 0 {
            (flags, content.to_vec())
        } else {
            let padded = [&[padding][..], content, &vec![0; usize::from(padding)]].concat();
            (flags | PADDED, padded)
        };
        let start = self.bytes.len() + 9 + usize::from(padding > 0);
        self.frames.push(self.bytes.len());
        self.contents.push((stream, block, start..start + content.len()));
        self.bytes.extend(frame(kind, flags, stream, &payload));
    }
}

/// Both directions of a connection.
struct Wire {
    sides: [Sent; 2],
    requests: BTreeMap<u32, (String, String)>,
    answers: BTreeMap<u32, (String, String)>,
}

fn wire(exchanges: &[(Message, Message)], order: &[Index]) -> Wire {
    let requests: Vec<&Message> = exchanges.iter().map(|(request, _)| request).collect();
    let answers: Vec<&Message> = exchanges.iter().map(|(_, answer)| answer).collect();
    let texts = |messages: &[&Message]| {
        let text = |(at, message): (usize, &&Message)| {
            let stream = 2 * at as u32 + 1;
            (stream, message.text(stream))
        };
        messages.iter().enumerate().map(text).collect()
    };
    Wire {
        sides: [
            sent(&greeting(), &interleaved(&requests, order)),
            sent(&frame(SETTINGS, 0, 0, &[]), &interleaved(&answers, order)),
        ],
        requests: texts(&requests),
        answers: texts(&answers),
    }
}

/// Events that were told, by stream.
#[derive(Debug, Default)]
struct Heard {
    requests: BTreeMap<u32, (String, String)>,
    answers: BTreeMap<u32, (String, String)>,
    rejected: BTreeMap<u32, String>,
}

/// How a connection is seen.
struct View<'a> {
    join: Join,
    /// Of each direction, the first byte that is seen.
    start: [usize; 2],
    /// The side whose segment comes next, and its length; used again and again.
    segments: &'a [(bool, usize)],
    /// Whether segments of the client begin with a frame each.
    is_framed: bool,
    /// Bytes that are lost, of the request direction or of the other.
    lost: Vec<(usize, Range<usize>)>,
}

const SIDES: [Direction; 2] = [Direction::Request, Direction::Response];

impl Wire {
    /// Reads all that is seen of it.
    fn read(&self, view: &View<'_>) -> Heard {
        let mut feed = Feed::of(Connection::new(LIMITS, true, view.join));
        let mut at = view.start;
        for (side, length) in view.segments.iter().cycle() {
            let ends = [0, 1].map(|side| at[side] >= self.sides[side].bytes.len());
            if ends == [true, true] {
                break;
            }
            let side = if ends[usize::from(*side)] {
                1 - usize::from(*side)
            } else {
                usize::from(*side)
            };
            let (lost, end) = view.next(side, at[side], *length, &self.sides[side]);
            if lost {
                feed.gap(SIDES[side], (end - at[side]) as u64);
            } else {
                feed.push(SIDES[side], &self.sides[side].bytes[at[side]..end], true);
            }
            if side == 1 {
                feed.acknowledgment += (end - at[side]) as u32;
            }
            at[side] = end;
        }
        for direction in SIDES {
            feed.end(direction, Close::Finished);
        }
        feed.heard()
    }

    /// Asserts that what was told is what was sent.
    fn check(&self, heard: &Heard) {
        for (told, sent) in [(&heard.requests, &self.requests), (&heard.answers, &self.answers)] {
            for (stream, text) in told {
                assert_eq!(Some(text), sent.get(stream), "stream {stream}");
            }
        }
        let known = |stream: &u32| self.requests.contains_key(stream);
        assert!(heard.rejected.keys().all(known), "{heard:?}");
    }
}

impl View<'_> {
    /// Whether the bytes from `at` on are lost, and where that, or their segment, ends.
    fn next(&self, side: usize, at: usize, length: usize, sent: &Sent) -> (bool, usize) {
        let end = sent.bytes.len();
        let lost = self
            .lost
            .iter()
            .filter(|(of, _)| *of == side)
            .map(|(_, lost)| lost);
        if let Some(lost) = lost.clone().find(|lost| lost.contains(&at)) {
            return (true, lost.end.min(end));
        }
        let edges = lost.map(|lost| lost.start).filter(|start| *start > at);
        let length = match sent.frames.iter().find(|start| **start >= at + length) {
            Some(start) if self.is_framed && side == 0 => start - at,
            _ => length,
        };
        (false, edges.chain([at + length, end]).min().unwrap_or(end))
    }
}

impl Feed {
    /// All that was told, by stream.
    fn heard(&mut self) -> Heard {
        let texts = |head: &[u8], body: &[u8]| (text(head), text(body));
        let (mut requests, mut responses) = (self.requests.iter(), self.responses.iter());
        let mut heard = Heard::default();
        for line in &self.lines {
            let mut words = line.split(' ');
            let (word, stream) = (words.next().unwrap(), words.next().unwrap());
            let Ok(stream) = stream.parse() else { continue };
            match word {
                "complete" => {
                    let request = requests.next().unwrap();
                    heard.requests.insert(stream, texts(&request.head, &request.body));
                }
                "answered" => {
                    let response = responses.next().unwrap();
                    heard
                        .answers
                        .insert(stream, texts(&response.head, &response.body));
                }
                "rejected" => {
                    heard.rejected.insert(stream, words.next().unwrap().to_owned());
                }
                _ => {}
            }
        }
        heard
    }
}

fn segments() -> impl Strategy<Value = Vec<(bool, usize)>> {
    prop::collection::vec((any::<bool>(), prop_oneof![1..30_usize, 1..2000_usize]), 1..20).prop_map(
        |mut segments| {
            // Both come on.
            let other = !segments[0].0;
            segments.push((other, 100));
            segments
        },
    )
}

fn order() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 20..60)
}

/// Bytes of a direction from one place to another.
fn between(bytes: &[u8], places: (Index, Index)) -> Range<usize> {
    let (first, second) = (places.0.index(bytes.len() + 1), places.1.index(bytes.len() + 1));
    first.min(second)..first.max(second)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn interleaved_exchanges_are_told_as_they_were_sent(
        exchanges in exchanges(),
        order in order(),
        segments in segments(),
    ) {
        let wire = wire(&exchanges, &order);
        let (join, start, lost) = (Join::Preface, [0, 0], Vec::new());
        let heard = wire.read(&View { join, start, segments: &segments, is_framed: false, lost });
        prop_assert_eq!(&heard.requests, &wire.requests);
        prop_assert_eq!(&heard.answers, &wire.answers);
    }

    #[test]
    fn whatever_is_lost_nothing_is_told_that_was_not_sent(
        exchanges in exchanges(),
        order in order(),
        segments in segments(),
        losses in prop::collection::vec((0..2_usize, any::<Index>(), 1..400_usize), 1..6),
    ) {
        let wire = wire(&exchanges, &order);
        let lost = losses.iter().map(|(side, place, length)| {
            let place = place.index(wire.sides[*side].bytes.len());
            (*side, place..place + length)
        });
        let (join, start, lost) = (Join::Preface, [0, 0], lost.collect());
        wire.check(&wire.read(&View { join, start, segments: &segments, is_framed: false, lost }));
    }

    #[test]
    fn wherever_it_is_joined_nothing_is_told_that_was_not_sent(
        exchanges in prop::collection::vec((request(), answer()), 8..20),
        order in order(),
        segments in segments(),
        places in any::<(Index, Index)>(),
    ) {
        let wire = wire(&exchanges, &order);
        // Somewhere in the first half, so that enough follows.
        let frames = &wire.sides[0].frames;
        let start = [frames[places.0.index(frames.len() / 2 + 1)], places.1.index(wire.sides[1].bytes.len())];
        let (join, is_framed, lost) = (Join::MidStream, true, Vec::new());
        let heard = wire.read(&View { join, start, segments: &segments, is_framed, lost });
        wire.check(&heard);
    }

    #[test]
    fn a_hole_in_data_costs_its_stream_alone(
        exchanges in exchanges(),
        order in order(),
        segments in segments(),
        which in any::<Index>(),
        places in any::<(Index, Index)>(),
        side in 0..2_usize,
    ) {
        let wire = wire(&exchanges, &order);
        let of_data = |(_, block, bytes): &&(u32, Option<usize>, Range<usize>)| block.is_none() && !bytes.is_empty();
        let data: Vec<_> = wire.sides[side].contents.iter().filter(of_data).collect();
        prop_assume!(!data.is_empty());
        let (stream, _, bytes) = which.get(&data);
        let hole = between(&wire.sides[side].bytes[bytes.clone()], places);
        prop_assume!(!hole.is_empty());
        let lost = vec![(side, bytes.start + hole.start..bytes.start + hole.end)];
        let (join, start) = (Join::Preface, [0, 0]);
        let heard = wire.read(&View { join, start, segments: &segments, is_framed: false, lost });
        let mut left = [wire.requests.clone(), wire.answers.clone()];
        left[side].remove(stream);
        if side == 0 {
            left[1].remove(stream);
            prop_assert_eq!(heard.rejected.get(stream).map(String::as_str), Some("h2_gap"));
        }
        prop_assert_eq!([heard.requests, heard.answers], left);
    }

    #[test]
    fn a_hole_in_a_header_block_costs_what_was_in_the_table(
        exchanges in exchanges(),
        order in order(),
        segments in segments(),
        which in any::<Index>(),
        places in any::<(Index, Index)>(),
    ) {
        let wire = wire(&exchanges, &order);
        let requests = &wire.sides[0];
        let of_blocks: Vec<_> = requests.contents.iter().filter(|(_, block, bytes)| block.is_some() && !bytes.is_empty()).collect();
        prop_assume!(!of_blocks.is_empty());
        let (_, block, bytes) = which.get(&of_blocks);
        let hole = between(&requests.bytes[bytes.clone()], places);
        prop_assume!(!hole.is_empty());
        let lost = vec![(0, bytes.start + hole.start..bytes.start + hole.end)];
        let (join, start) = (Join::Preface, [0, 0]);
        let heard = wire.read(&View { join, start, segments: &segments, is_framed: false, lost });
        let lost = block.unwrap();
        let mut left = wire.requests.clone();
        for (stream, block, _) in &requests.contents {
            let Some(block) = *block else { continue };
            let is_known = |(_, _, since): &(Vec<u8>, Vec<u8>, usize)| *since > lost;
            if block == lost || (block > lost && !requests.blocks[block].fields.iter().all(is_known)) {
                left.remove(stream);
            }
        }
        prop_assert_eq!(heard.requests, left);
        for why in heard.rejected.values() {
            prop_assert!(matches!(&why[..], "h2_gap" | "h2_table_unknown"), "{}", why);
        }
    }
}

//! Which requests were served while another client was changing something: production may have served the two in one order, and
//! the shadow in the other, and both would be right.
//!
//! A read is a moment, when it came; a write is a time, from when it came until both sides have answered it. Where the moment is
//! before that time at production and at the shadow, or behind it at both, the order is the same. Else the two raced; so they do
//! where the write came before production had answered the read. How long the shadow took for a read does not matter: what is slow because it is broken
//! must not look as if it had raced. Only writes to the same part of a site count ([`part`]), and those on other connections: requests of one
//! connection keep their order. What races is not excused for it: it takes evidence that differences come with it
//! ([`crate::noise::raced`]).
//!
//! Sans-IO: times come in as arguments. Bounded: what is forgotten has raced with nobody.

use std::collections::VecDeque;
use std::time::Duration;

use shadow_core::time::Timestamp;
use shadow_mirror::MessageId;

/// Writes that are remembered: those of a second at a busy site.
const MAX_WRITES: usize = 256;
/// Longest name of a part of a site, in bytes, that is told from others.
const MAX_PART: usize = 64;

/// The writes of all clients, the latest last.
#[derive(Debug, Default)]
pub(super) struct Races {
    writes: VecDeque<Write>,
}

#[derive(Debug)]
struct Write {
    id: MessageId,
    connection: u64,
    part: Box<[u8]>,
    /// When it was seen, on the clock of this program.
    seen: Timestamp,
    /// When production's answer to it ended, on the clock of capture; the end of time until then.
    production_ended: Timestamp,
    /// Whether the shadow has answered it, or will not.
    shadow_ended: bool,
}

/// The moment of a request, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// The part of the site that it is for.
    pub part: &'a [u8],
    /// When its first byte was captured.
    pub captured: Timestamp,
    /// When it was seen here, to be sent on.
    pub seen: Timestamp,
}

/// Whether a request with this method may change what others are answered: it is not safe by the registry of methods of HTTP (RFC 9110
/// section 16.1.1).
pub(super) fn may_change(method: &[u8]) -> bool {
    let reads = [
        b"GET".as_slice(),
        b"HEAD",
        b"OPTIONS",
        b"TRACE",
        b"PROPFIND",
        b"REPORT",
        b"SEARCH",
        b"QUERY",
    ];
    !reads.contains(&method)
}

/// The part of a site that a target is of: the first segment of its path that is not the name or version of an interface. Of the
/// root, nothing: that may be made of all parts.
pub(super) fn part(target: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let is_version = |segment: &[u8]| {
        segment.len() > 1
            && segment[0] == b'v'
            && segment[1..].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.'))
    };
    let mut segments = target[..end].split(|byte| *byte == b'/');
    let first = segments
        .find(|segment| !(segment.is_empty() || matches!(*segment, b"api" | b"rest") || is_version(segment)));
    let first = first.unwrap_or_default();
    &first[..first.len().min(MAX_PART)]
}

impl Races {
    /// Remembers a write that has come.
    pub fn write(&mut self, id: &MessageId, at: Moment<'_>) {
        if self.writes.len() == MAX_WRITES {
            self.writes.pop_front();
        }
        self.writes.push_back(Write {
            id: id.clone(),
            connection: id.connection(),
            part: at.part.into(),
            seen: at.seen,
            production_ended: Timestamp(u64::MAX),
            shadow_ended: false,
        });
    }

    /// Production has answered a write; what it refused changed nothing.
    pub fn production_answered(&mut self, id: &MessageId, status: Option<u16>, ended: Timestamp) {
        if status.is_some_and(|status| status >= 400) {
            self.writes.retain(|write| write.id != *id);
        } else if let Some(write) = self.find(id) {
            write.production_ended = ended;
        }
    }

    /// The shadow has answered a write, or will not.
    pub fn shadow_ended(&mut self, id: &MessageId) {
        if let Some(write) = self.find(id) {
            write.shadow_ended = true;
        }
    }

    /// Whether there are none that anything could race with.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Whether a request that comes now is in the time of a write.
    pub fn is_within(&self, id: &MessageId, at: Moment<'_>) -> bool {
        let mut others = self.others(id, at.part);
        others.any(|write| !write.shadow_ended || write.production_ended >= at.captured)
    }

    /// Whether a write came so soon after a request that this may have been served after it: before production, which took so
    /// long, had answered it.
    pub fn came_soon_after(&self, id: &MessageId, at: Moment<'_>, took: Duration) -> bool {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let soon = at.seen.0..at.seen.0.saturating_add(took);
        let mut others = self.others(id, at.part);
        others.any(|write| soon.contains(&write.seen.0))
    }

    fn others(&self, id: &MessageId, part: &[u8]) -> impl Iterator<Item = &Write> {
        let connection = id.connection();
        let concerns = move |write: &Write| write.part.is_empty() || part.is_empty() || *write.part == *part;
        let others = self.writes.iter().rev();
        others.filter(move |write| write.connection != connection && concerns(write))
    }

    fn find(&mut self, id: &MessageId) -> Option<&mut Write> {
        self.writes.iter_mut().rev().find(|write| write.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> MessageId {
        MessageId::given(name.as_bytes()).unwrap()
    }

    /// A moment in milliseconds, seen three milliseconds after it was captured.
    fn at(milliseconds: u64) -> Moment<'static> {
        Moment {
            part: b"orders",
            captured: Timestamp(milliseconds * 1_000_000),
            seen: Timestamp((milliseconds + 3) * 1_000_000),
        }
    }

    /// A write that came at 100 ms, was answered by production at 110 ms and then by the shadow.
    fn written() -> Races {
        let mut races = Races::default();
        races.write(&id("write"), at(100));
        races.production_answered(&id("write"), Some(201), at(110).captured);
        races
    }

    #[test]
    fn a_read_races_until_both_sides_have_answered_the_write() {
        let mut races = Races::default();
        races.write(&id("write"), at(100));
        assert!(races.is_within(&id("read"), at(105)));
        races.production_answered(&id("write"), Some(201), at(110).captured);
        assert!(
            races.is_within(&id("read"), at(111)),
            "the shadow has yet to answer it"
        );
        races.shadow_ended(&id("write"));
        assert!(
            races.is_within(&id("read"), at(109)),
            "it came before production's answer ended"
        );
        assert!(!races.is_within(&id("read"), at(111)), "both sides had it before");
    }

    #[test]
    fn a_read_races_with_a_write_that_comes_before_it_is_answered() {
        let races = written();
        let soon = |at, took| races.came_soon_after(&id("read"), at, Duration::from_millis(took));
        assert!(soon(at(60), 41));
        assert!(!soon(at(60), 40), "it was answered before");
        assert!(!soon(at(101), 50), "it came behind it");
    }

    #[test]
    fn only_writes_to_the_same_part_of_a_site_race() {
        let races = written();
        let is_within = |part| races.is_within(&id("read"), Moment { part, ..at(105) });
        assert!(is_within(b"orders") && is_within(b""));
        assert!(!is_within(b"products"));
        for (target, expected) in [
            ("/orders/7?x=/a", "orders"),
            ("/api/v1/orders", "orders"),
            ("/rest/v2.1/", ""),
            ("/?a=b", ""),
            ("/v1beta", "v1beta"),
        ] {
            assert_eq!(part(target.as_bytes()), expected.as_bytes(), "{target}");
        }
    }

    #[test]
    fn nobody_races_with_a_connection_of_its_own_or_with_what_was_refused() {
        let mut races = written();
        let own = id("write");
        assert!(
            !races.is_within(&own, at(105)) && !races.came_soon_after(&own, at(99), Duration::from_secs(1))
        );
        races.production_answered(&id("write"), Some(403), at(110).captured);
        assert!(!races.is_within(&id("read"), at(105)));
    }

    #[test]
    fn as_many_writes_are_remembered_as_a_second_has() {
        let mut races = Races::default();
        for number in 0..1000 {
            races.write(&id(&format!("write-{number}")), at(number));
        }
        assert_eq!(races.writes.len(), 256);
        assert_eq!(races.writes[0].id, id("write-744"));
    }
}

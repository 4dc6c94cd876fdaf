//! Which safe requests the shadow is asked twice: a share of all of them, and more where little is known yet.
//!
//! An endpoint is learned from once it has had ten second answers, which at one in twenty takes two hundred requests. So of
//! requests that look alike the first four and then every other one are asked twice at first, until [`FIRST`] were: some 20 requests. Who asks for ever new
//! paths makes the shadow's load no greater than that: these are at most as many again as the share gives, and [`ADVANCE`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hashlink::DefaultHashBuilder;
use shadow_mirror::{Draws, Share};

use super::routes::Likeness;

/// Requests that look alike and are asked twice before the share alone decides: two more than are learned from, as some are
/// not answered.
const FIRST: u8 = 12;
/// Of these, so many come at once: what is asked rarely tells as much as there is to tell.
const AT_ONCE: u64 = 4;
/// Kinds of requests that are known by their looks: as many as endpoints, and some that become one of them.
const MAX_KINDS: usize = 1024;
/// Requests that may be asked twice beyond the share before it has given as many: those of forty endpoints.
const ADVANCE: u64 = 480;

/// Chooses, for one shard.
#[derive(Debug)]
pub struct Repeats {
    share: Share,
    draws: Draws,
    likeness: Likeness,
    /// Requests by their looks: how many there were, and how many were asked twice.
    kinds: HashMap<u64, (u64, u8), DefaultHashBuilder>,
    /// Those that the share had asked twice.
    by_share: u64,
    /// Those besides.
    besides: u64,
}

impl Repeats {
    /// None are chosen yet.
    pub fn new(share: Share, draws: Draws) -> Self {
        Self {
            share,
            draws,
            likeness: Likeness::default(),
            kinds: HashMap::default(),
            by_share: 0,
            besides: 0,
        }
    }

    /// Whether the shadow is to be asked this a second time.
    pub fn takes(&mut self, method: &[u8], target: &[u8]) -> bool {
        if self.share.is_nothing() || !matches!(method, b"GET" | b"HEAD" | b"OPTIONS") {
            return false;
        }
        let by_share = self.share.takes(self.draws.draw());
        self.by_share += u64::from(by_share);
        let key = self.likeness.of(method, target);
        let has_room = self.kinds.len() < MAX_KINDS;
        let (requests, asked) = match self.kinds.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if has_room => new.insert((0, 0)),
            Entry::Vacant(_) => return by_share,
        };
        *requests += 1;
        let is_due = *asked < FIRST
            && (*requests <= AT_ONCE || *requests % 2 == 1)
            && self.besides < self.by_share + ADVANCE;
        self.besides += u64::from(is_due && !by_share);
        let takes = by_share || is_due;
        *asked = asked.saturating_add(u8::from(takes));
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(percent: u32) -> Repeats {
        Repeats::new(Share::percent(percent), Draws::seeded(7))
    }

    /// How many of these are asked twice.
    fn taken(repeats: &mut Repeats, targets: impl Iterator<Item = String>) -> usize {
        targets
            .filter(|target| repeats.takes(b"GET", target.as_bytes()))
            .count()
    }

    #[test]
    fn an_endpoint_has_what_is_learned_from_within_thirty_requests() {
        let mut repeats = repeats(5);
        let users = (0..30).map(|id| format!("/users/{id}?page={id}"));
        assert!((10..=15).contains(&taken(&mut repeats, users)));
        let pages = (0..30).map(|page| format!("/docs/page{page}.html"));
        assert!((10..=15).contains(&taken(&mut repeats, pages)));
        // From then on it is the share.
        let users = (0..2_000).map(|id| format!("/users/{id}"));
        assert!((60..=140).contains(&taken(&mut repeats, users)));
    }

    #[test]
    fn what_is_asked_rarely_is_asked_twice_each_time() {
        let mut repeats = Repeats::new(Share::percent(1), Draws::seeded(7));
        assert_eq!(taken(&mut repeats, (0..4).map(|id| format!("/rare/{id}"))), 4);
    }

    #[test]
    fn ever_new_paths_are_asked_twice_within_a_bound() {
        let mut repeats = repeats(1);
        let word = |mut number: u32| {
            let mut word = String::new();
            for _ in 0..5 {
                word.push(char::from(b'a' + (number % 26) as u8));
                number /= 26;
            }
            word
        };
        let scanned = taken(
            &mut repeats,
            (0..20_000).map(|number| format!("/{}", word(number))),
        );
        assert!(scanned < 480 + 2 * 300, "{scanned}");
        assert!(repeats.kinds.len() <= MAX_KINDS);
    }

    #[test]
    fn nothing_that_may_change_something_is_asked_twice() {
        let mut all = repeats(100);
        assert!(!all.takes(b"POST", b"/a") && !all.takes(b"DELETE", b"/a"));
        assert!(all.takes(b"GET", b"/a") && all.takes(b"HEAD", b"/a") && all.takes(b"OPTIONS", b"/a"));
        assert_eq!(
            taken(
                &mut Repeats::new(Share::NOTHING, Draws::seeded(7)),
                (0..50).map(|_| "/a".to_owned())
            ),
            0
        );
    }
}

//! Who of the agents writes statuses: one leader, elected through a Lease, as client-go does it.
//!
//! Pure: the Lease as last read and the time go in, what to do next comes out. A Lease of another is honoured for
//! its duration from the moment when *this* agent saw it change, by this agent's own clock: what the clocks of
//! two nodes show is never compared. The times in the Lease are for people.
//!
//! The caller writes with the `resourceVersion` it has read, so that of two who take over at once one fails, and
//! tells [`Election::written`] only of a write that succeeded. After one that failed it reads again, a
//! [`RETRY_PERIOD`] later.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// For how long a Lease is honoured without being renewed.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// After how long without a renewal a leader gives up, before others may take over.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often the Lease is read, and renewed.
pub const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// Longest time for which a Lease is honoured, whatever it says: a mistyped one must not stop statuses for ever.
const MAX_DURATION: Duration = Duration::from_hours(1);

/// One agent's view of the election.
#[derive(Debug)]
pub struct Election {
    identity: String,
    /// The Lease as last seen to change, and when that was.
    seen: Option<(LeaseSpec, Instant)>,
    /// When the last write of ours that succeeded was begun.
    renewed: Option<Instant>,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// We hold the Lease: it is to be read again, and renewed, at this time.
    RenewAt(Instant),
    /// The Lease is to be written so now: created if there is none, else updated.
    Write(Box<LeaseSpec>),
    /// Another holds the Lease: it is to be read again at this time.
    WaitUntil(Instant),
}

impl Election {
    /// The election as the agent called `identity` sees it; no other may have this name.
    pub fn new(identity: String) -> Self {
        Self {
            identity,
            seen: None,
            renewed: None,
        }
    }

    /// Decides what to do about `lease`, read now; `None` when there is none. `wall` goes into the Lease.
    pub fn decide(&mut self, lease: Option<&Lease>, now: Instant, wall: MicroTime) -> Step {
        let Some(spec) = lease.and_then(|lease| lease.spec.as_ref()) else {
            self.seen = None;
            self.renewed = None;
            return Step::Write(Box::new(self.spec(None, wall)));
        };
        let since = match &self.seen {
            Some((seen, since)) if seen == spec => *since,
            _ => {
                self.seen = Some((spec.clone(), now));
                now
            }
        };
        let holder = spec.holder_identity.as_deref().unwrap_or("");
        if holder == self.identity {
            let next = self.renewed.map(|renewed| renewed + RETRY_PERIOD);
            return match next.filter(|next| *next > now) {
                Some(next) => Step::RenewAt(next),
                None => Step::Write(Box::new(self.spec(Some(spec), wall))),
            };
        }
        self.renewed = None;
        if holder.is_empty() || now >= since + duration(spec) {
            return Step::Write(Box::new(self.spec(Some(spec), wall)));
        }
        Step::WaitUntil((now + RETRY_PERIOD).min(since + duration(spec)))
    }

    /// The write of `spec`, begun at `began`, has succeeded.
    pub fn written(&mut self, spec: LeaseSpec, began: Instant) {
        self.renewed = (spec.holder_identity.as_deref() == Some(&self.identity)).then_some(began);
        self.seen = Some((spec, began));
    }

    /// Whether this agent may act as the leader. False well before another may: a leader that cannot reach the
    /// API stops by itself.
    pub fn leads(&self, now: Instant) -> bool {
        self.renewed
            .is_some_and(|renewed| now.saturating_duration_since(renewed) < RENEW_DEADLINE)
    }

    /// Makes the Lease that a leader writes when it ends, so that another need not wait; none when it leads no more.
    pub fn release(&self, now: Instant, wall: MicroTime) -> Option<LeaseSpec> {
        let (seen, _) = self.seen.as_ref().filter(|_| self.leads(now))?;
        Some(LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            acquire_time: Some(wall.clone()),
            renew_time: Some(wall),
            ..seen.clone()
        })
    }

    /// The Lease with us as its holder.
    fn spec(&self, before: Option<&LeaseSpec>, wall: MicroTime) -> LeaseSpec {
        let before = before.cloned().unwrap_or_default();
        let ours = before.holder_identity.as_deref() == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or(0);
        let taken_over = before.renew_time.is_some() && !ours;
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
            acquire_time: before
                .acquire_time
                .filter(|_| ours)
                .or_else(|| Some(wall.clone())),
            renew_time: Some(wall),
            lease_transitions: Some(transitions.saturating_add(i32::from(taken_over))),
            preferred_holder: before.preferred_holder,
            strategy: before.strategy,
        }
    }
}

/// For how long `spec` is honoured; a Lease that does not say is no Lease of ours and is left alone for as long.
fn duration(spec: &LeaseSpec) -> Duration {
    let seconds = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    seconds
        .map_or(LEASE_DURATION, Duration::from_secs)
        .min(MAX_DURATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(second: i64) -> MicroTime {
        MicroTime(k8s_openapi::jiff::Timestamp::from_second(second).unwrap())
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A Lease of `holder`, renewed at `second` of its own clock.
    fn lease(holder: &str, second: i64) -> Lease {
        Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(15),
                acquire_time: Some(wall(1)),
                renew_time: Some(wall(second)),
                lease_transitions: Some(3),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        }
    }

    fn election() -> (Election, Instant) {
        (Election::new("a".to_owned()), Instant::now())
    }

    /// Takes the step's write as done.
    fn write(election: &mut Election, step: Step, now: Instant) -> Lease {
        let Step::Write(spec) = step else {
            panic!("{step:?} is no write")
        };
        election.written((*spec).clone(), now);
        Lease {
            spec: Some(*spec),
            ..Lease::default()
        }
    }

    #[test]
    fn without_a_lease_one_is_created() {
        let (mut election, now) = election();
        let step = election.decide(None, now, wall(100));
        let lease = write(&mut election, step, now);
        assert_eq!(
            lease.spec,
            Some(LeaseSpec {
                holder_identity: Some("a".to_owned()),
                lease_duration_seconds: Some(15),
                acquire_time: Some(wall(100)),
                renew_time: Some(wall(100)),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            })
        );
        assert!(election.leads(now));
    }

    #[test]
    fn a_leader_renews_every_two_seconds_and_keeps_when_it_began() {
        let (mut election, now) = election();
        let step = election.decide(None, now, wall(100));
        let lease = write(&mut election, step, now);
        let step = election.decide(Some(&lease), now + seconds(1), wall(101));
        assert_eq!(step, Step::RenewAt(now + seconds(2)));
        let step = election.decide(Some(&lease), now + seconds(2), wall(102));
        let spec = write(&mut election, step, now + seconds(2)).spec.unwrap();
        assert_eq!(spec.acquire_time, Some(wall(100)));
        assert_eq!(spec.renew_time, Some(wall(102)));
        assert_eq!(spec.lease_transitions, Some(0));
    }

    #[test]
    fn a_leader_that_cannot_renew_stops_before_another_may_take_over() {
        let (mut election, now) = election();
        let step = election.decide(None, now, wall(100));
        write(&mut election, step, now);
        assert!(election.leads(now + seconds(9)));
        assert!(!election.leads(now + RENEW_DEADLINE));
        const { assert!(RENEW_DEADLINE.as_secs() < LEASE_DURATION.as_secs()) };
    }

    #[test]
    fn a_foreign_lease_is_honoured_from_when_it_was_seen_to_change() {
        let (mut election, now) = election();
        // The other's clock is a day behind, or ahead: it does not matter.
        for start in [1, 1_000_000_000] {
            let other = lease("b", start);
            let at = |offset| now + seconds(offset);
            assert_eq!(
                election.decide(Some(&other), at(0), wall(100_000)),
                Step::WaitUntil(at(2))
            );
            let renewed = lease("b", start + 10);
            assert_eq!(
                election.decide(Some(&renewed), at(10), wall(100_010)),
                Step::WaitUntil(at(12))
            );
            assert_eq!(
                election.decide(Some(&renewed), at(24), wall(100_024)),
                Step::WaitUntil(at(25))
            );
            assert!(matches!(
                election.decide(Some(&renewed), at(25), wall(100_025)),
                Step::Write(_)
            ));
        }
    }

    #[test]
    fn who_takes_over_leads_only_once_that_is_written() {
        let (mut election, now) = election();
        let other = lease("b", 1);
        election.decide(Some(&other), now, wall(100));
        let later = now + seconds(15);
        let step = election.decide(Some(&other), later, wall(115));
        assert!(!election.leads(later));
        let spec = write(&mut election, step, later).spec.unwrap();
        assert!(election.leads(later));
        assert_eq!(spec.holder_identity.as_deref(), Some("a"));
        assert_eq!(spec.acquire_time, Some(wall(115)));
        assert_eq!(spec.lease_transitions, Some(4));
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let (mut leader, now) = election();
        let step = leader.decide(None, now, wall(100));
        write(&mut leader, step, now);
        let released = Lease {
            spec: leader.release(now, wall(101)),
            ..Lease::default()
        };
        let mut next = Election::new("b".to_owned());
        let step = next.decide(Some(&released), now, wall(101));
        let spec = write(&mut next, step, now).spec.unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("b"));
        assert_eq!(spec.lease_duration_seconds, Some(15));
        assert_eq!(next.release(now + RENEW_DEADLINE, wall(200)), None);
    }

    #[test]
    fn a_leader_that_was_replaced_leads_no_more() {
        let (mut election, now) = election();
        let step = election.decide(None, now, wall(100));
        write(&mut election, step, now);
        let step = election.decide(Some(&lease("b", 1)), now + seconds(1), wall(101));
        assert_eq!(step, Step::WaitUntil(now + seconds(3)));
        assert!(!election.leads(now + seconds(1)));
    }

    #[test]
    fn an_agent_that_finds_a_lease_of_its_own_name_renews_it() {
        let (mut election, now) = election();
        let step = election.decide(Some(&lease("a", 1)), now, wall(100));
        assert!(!election.leads(now));
        let spec = write(&mut election, step, now).spec.unwrap();
        assert_eq!(spec.lease_transitions, Some(3));
        assert_eq!(spec.acquire_time, Some(wall(1)));
    }
}

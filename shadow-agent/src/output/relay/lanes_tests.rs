//! Lanes: what waits in them, within which bounds, and when it leaves; and that a session over a connection that is cut
//! again and again loses and doubles nothing.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::mirror::ledger::{OutputCounts, ShardLedger};
use crate::relay::sessions::{Offer, Sessions};

struct Rig {
    lanes: Lanes,
    owner: Arc<Owner>,
    ledger: ShardLedger,
}

impl Rig {
    fn new(records: usize, bytes: usize, lanes: usize, sticky: bool) -> Self {
        let bounds = Bounds {
            records,
            bytes,
            lanes,
            sticky,
        };
        Self {
            lanes: Lanes::new(bounds),
            owner: Arc::default(),
            ledger: ShardLedger::new(1),
        }
    }

    fn put(&self, name: &str, record: &str) {
        let ticket = self.ledger.open().split().next();
        let id = MessageId::given(name.as_bytes()).unwrap();
        let make = || record.as_bytes().to_vec();
        self.lanes.put(&id, record.len(), make, &self.owner, ticket);
    }

    fn records(&self, lane: usize, after: u64) -> Vec<(u64, String)> {
        let batch = self.lanes.batch(lane, after, usize::MAX).into_iter();
        batch
            .map(|(sequence, record)| (sequence, String::from_utf8(record.to_vec()).unwrap()))
            .collect()
    }

    fn counts(&self) -> OutputCounts {
        self.ledger.snapshot().outputs[0].clone()
    }
}

#[test]
fn lanes_take_turns_unless_a_name_says_which() {
    let rig = Rig::new(9, 99, 2, false);
    for name in ["a", "b", "c"] {
        rig.put(name, name);
    }
    assert_eq!(rig.records(1, 0), [(1, "a".to_owned()), (2, "c".to_owned())]);
    assert_eq!(rig.records(0, 0), [(1, "b".to_owned())]);
    let rig = Rig::new(9, 99, 10, true);
    for record in ["1", "2", "3"] {
        rig.put("9c4000500a010203deadbeef", record);
    }
    // FNV-1a of 32 bits, modulo ten.
    let hash = "9c4000500a010203deadbeef"
        .bytes()
        .fold(2_166_136_261_u64, |hash, byte| {
            ((hash ^ u64::from(byte)) * 16_777_619) % (1 << 32)
        });
    let lane = usize::try_from(hash % 10).unwrap();
    assert_eq!(rig.records(lane, 1).len(), 2, "all in one lane, in their order");
}

#[test]
fn what_finds_no_room_is_dropped_and_what_arrived_makes_room() {
    let rig = Rig::new(2, 10, 1, false);
    rig.put("a", "12345");
    rig.put("b", "123456");
    assert_eq!(rig.counts().dropped[&DropReason::QueueFull], 1, "too many bytes");
    rig.put("c", "12345");
    rig.put("d", "");
    assert_eq!(
        rig.counts().dropped[&DropReason::QueueFull],
        2,
        "too many records"
    );
    assert!(!rig.lanes.has_room());
    rig.lanes.delivered(0, 1);
    assert_eq!(rig.counts().delivered, 1);
    rig.put("e", "12345");
    assert_eq!(rig.records(0, 0).len(), 2);
    assert_eq!((rig.counts().in_flight, rig.lanes.len()), (2, 2));
}

#[test]
fn what_is_given_up_makes_room_and_the_rest_stays() {
    let rig = Rig::new(3, 99, 1, false);
    for name in ["a", "b", "c"] {
        rig.put(name, name);
    }
    rig.lanes.delivered(0, 1);
    assert_eq!(rig.lanes.give_up(0, 2, DropReason::Timeout), 1);
    assert_eq!(rig.records(0, 0), [(3, "c".to_owned())]);
    let counts = rig.counts();
    assert_eq!(
        (
            counts.delivered,
            counts.dropped[&DropReason::Timeout],
            counts.in_flight
        ),
        (1, 1, 1)
    );
    assert_eq!((rig.lanes.delivered_up_to(0), rig.lanes.latest(0)), (1, 3));
    assert_eq!(rig.lanes.give_up(0, 2, DropReason::Timeout), 0);
}

#[tokio::test]
async fn a_shard_is_drained_when_nothing_of_it_waits() {
    let rig = Rig::new(9, 99, 1, false);
    rig.owner.drained().await;
    rig.put("a", "a");
    rig.put("b", "b");
    let other = Arc::new(Owner::default());
    let id = MessageId::given(b"c").unwrap();
    rig.lanes.put(&id, 1, || vec![b'c'], &other, None);
    rig.lanes.delivered(0, 1);
    rig.lanes.abort(&rig.owner, DropReason::Shutdown);
    rig.owner.drained().await;
    assert_eq!(rig.counts().dropped[&DropReason::Shutdown], 1);
    assert_eq!(
        rig.records(0, 0),
        [(3, "c".to_owned())],
        "what is another's stays"
    );
    assert!(rig.lanes.wait(0, 2).await);
    rig.lanes.end();
    assert!(!rig.lanes.wait(0, 2).await);
}

/// The next thing that happens between a sender and a receiver.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A request is captured.
    Put,
    /// The sender writes a frame.
    Send,
    /// The receiver reads a frame.
    Read,
    /// The receiver's ledger takes a message.
    Take,
    /// The receiver says what was taken.
    Acknowledge,
    /// The sender reads an acknowledgment.
    Hear,
    /// The connection is cut; what is on it is lost.
    Cut,
    /// The sender opens another, while the receiver may not have noticed the end of the last one.
    Open,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Put),
        4 => Just(Step::Send),
        4 => Just(Step::Read),
        4 => Just(Step::Take),
        3 => Just(Step::Acknowledge),
        3 => Just(Step::Hear),
        1 => Just(Step::Cut),
        1 => Just(Step::Open),
    ]
}

/// Both ends of a session and what is on its way between them.
struct Session {
    rig: Rig,
    name: Arc<str>,
    sessions: Sessions,
    connection: u64,
    open: bool,
    after: u64,
    frames: VecDeque<(u64, String)>,
    acknowledgments: VecDeque<u64>,
    /// Messages that were read and not taken, with the connection that offered them.
    waiting: VecDeque<(u64, String)>,
    taken: Vec<String>,
    put: u64,
}

impl Session {
    fn step(&mut self, step: Step) {
        match step {
            Step::Put => {
                self.put += 1;
                let record = self.put.to_string();
                self.rig.put(&record, &record);
            }
            Step::Send if self.open => {
                let next = self.rig.records(0, self.after).into_iter().next();
                if let Some((sequence, record)) = next {
                    self.after = sequence;
                    self.frames.push_back((sequence, record));
                }
            }
            Step::Read => {
                if let Some((sequence, record)) = self.frames.pop_front()
                    && self.sessions.offer(&self.name, self.connection, sequence) == Offer::Take
                {
                    self.waiting.push_back((sequence, record));
                }
            }
            Step::Take => {
                if let Some((sequence, record)) = self.waiting.pop_front() {
                    self.sessions.taken(&self.name, sequence, true);
                    self.taken.push(record);
                }
            }
            Step::Acknowledge if self.open => {
                let taken = self.sessions.last(&self.name, self.connection);
                self.acknowledgments.extend(taken);
            }
            Step::Hear => {
                if let Some(taken) = self.acknowledgments.pop_front() {
                    self.rig.lanes.delivered(0, taken);
                }
            }
            Step::Cut => self.cut(),
            Step::Open => {
                self.cut();
                self.connection += 1;
                let taken = self.sessions.hello(&self.name, self.connection).unwrap();
                self.rig.lanes.delivered(0, taken);
                self.after = taken;
                self.open = true;
            }
            Step::Send | Step::Acknowledge => {}
        }
    }

    fn cut(&mut self) {
        self.open = false;
        self.frames.clear();
        self.acknowledgments.clear();
    }
}

proptest! {
    #[test]
    fn a_session_loses_and_doubles_nothing_however_often_it_is_cut(steps in prop::collection::vec(step(), 0..400)) {
        let mut session = Session {
            rig: Rig::new(1000, 100_000, 1, false),
            name: "s".into(),
            sessions: Sessions::new(1),
            connection: 0,
            open: false,
            after: 0,
            frames: VecDeque::new(),
            acknowledgments: VecDeque::new(),
            waiting: VecDeque::new(),
            taken: Vec::new(),
            put: 0,
        };
        for step in steps {
            session.step(step);
            let counts = session.rig.counts();
            prop_assert!(counts.delivered <= session.taken.len() as u64, "nothing is delivered that was not taken");
        }
        session.step(Step::Open);
        while session.rig.lanes.len() > 0 {
            for step in [Step::Send, Step::Read, Step::Take, Step::Acknowledge, Step::Hear] {
                session.step(step);
            }
        }
        let all: Vec<String> = (1..=session.put).map(|number| number.to_string()).collect();
        prop_assert_eq!(&session.taken, &all);
        let counts = session.rig.counts();
        prop_assert_eq!(counts.delivered, session.put);
        let (_, receiver) = session.sessions.counts().next().unwrap();
        prop_assert_eq!(receiver.requests, session.put);
    }
}

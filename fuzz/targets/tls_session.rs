//! Both directions of a connection with any secrets: what is told keeps its promises, memory is bounded and given back, and
//! cutting segments smaller changes nothing.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::tcp::{Chunk, Direction, GapCause};
use shadow_agent::time::Timestamp;
use shadow_agent::tls::{
    Handshake, Hash, Label, Secret, SecretBytes, SecretStore, Session, SessionLimits, StoreLimits, TlsEvent,
    Unreadable,
};

const LABELS: [Label; 8] = [
    Label::ClientEarlyTraffic,
    Label::ClientHandshakeTraffic,
    Label::ServerHandshakeTraffic,
    Label::ClientTraffic0,
    Label::ServerTraffic0,
    Label::Master,
    Label::EarlySecret,
    Label::HandshakeSecret,
];

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step<'a> {
    Data(Direction, &'a [u8]),
    Gap(Direction, u64),
    Finished(Direction),
    Secret(Secret),
    Retry,
    Stalled,
}

/// An input: a byte of choices, and steps. Each is a byte that says what, two of a length, and as many bytes.
fn steps(mut rest: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while let Some((&[what, high, low], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (bytes, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        let direction = if what & 1 == 0 {
            Direction::Request
        } else {
            Direction::Response
        };
        let step = match what >> 1 & 7 {
            0..=2 => Some(Step::Data(direction, bytes)),
            3 => Some(Step::Gap(direction, length as u64)),
            4 => Some(Step::Finished(direction)),
            5 => secret(what, bytes).map(Step::Secret),
            6 => Some(Step::Retry),
            _ => Some(Step::Stalled),
        };
        steps.extend(step.filter(|step| !matches!(step, Step::Data(_, []) | Step::Gap(_, 0))));
    }
    steps
}

/// A label, how many bytes its handshake takes, these, and the secret.
fn secret(what: u8, bytes: &[u8]) -> Option<Secret> {
    let (&[label, length], rest) = bytes.split_first_chunk()?;
    let (of, secret) = rest.split_at_checked(usize::from(length))?;
    Some(Secret {
        label: LABELS[usize::from(label) % LABELS.len()],
        of: match of {
            [] => Handshake::Unknown,
            of if what & 1 == 0 => Handshake::ClientRandom(of.try_into().ok()?),
            of => Handshake::Transcript(Hash::new(of)?),
        },
        bytes: SecretBytes::new(secret)?,
    })
}

/// The events that were told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    inside: [Vec<u8>; 2],
    finished: [bool; 2],
    alpn: Option<Vec<u8>>,
    unreadable: Option<Unreadable>,
    losses: u64,
}

impl Told {
    fn note(&mut self, event: TlsEvent<'_>) {
        let is_count = matches!(event, TlsEvent::RecordLost(..));
        assert!(is_count || self.unreadable.is_none(), "{event:?}");
        match event {
            TlsEvent::Data(direction, chunk) => {
                assert!(!chunk.bytes.is_empty() && !self.finished[side(direction)]);
                self.inside[side(direction)].extend_from_slice(chunk.bytes);
            }
            TlsEvent::Gap(direction, bytes, _) => {
                assert!(bytes >= 1 && !self.finished[side(direction)]);
                self.losses += 1;
            }
            TlsEvent::Finished(direction) => {
                assert!(!std::mem::replace(&mut self.finished[side(direction)], true));
            }
            TlsEvent::Alpn(name) => self.alpn = Some(name.to_vec()),
            TlsEvent::Unreadable(why) => self.unreadable = Some(why),
            TlsEvent::RecordLost(_, records) => {
                assert!(records >= 1);
                self.losses += records;
            }
        }
    }
}

fn side(direction: Direction) -> usize {
    usize::from(direction == Direction::Response)
}

fn run(choices: u8, steps: &[Step<'_>], most: usize) -> Told {
    let memory = if choices & 2 == 0 { 1 << 24 } else { 2000 };
    let limits = SessionLimits {
        max_wait: Duration::from_nanos(20),
        max_waiting: if choices & 4 == 0 { 1 << 24 } else { 500 },
        max_trials: 40,
        expected: choices & 8 == 0,
        answers: choices & 16 == 0,
    };
    let mut session = if choices & 1 == 0 {
        Session::new(limits)
    } else {
        Session::mid_stream(limits)
    };
    let (budget, store) = (MemoryBudget::new(memory), SecretStore::new(StoreLimits::default()));
    let (mut told, mut came, mut now) = (Told::default(), [0, 0], 0);
    for step in steps {
        let sink = &mut |event: TlsEvent<'_>| told.note(event);
        match step {
            Step::Data(direction, bytes) => {
                for bytes in bytes.chunks(most) {
                    let chunk = Chunk {
                        bytes,
                        sequence: 0_u32.wrapping_sub(100).wrapping_add(came[side(*direction)] as u32),
                        acknowledgment: 1,
                        segment_start: true,
                        time: Timestamp(now),
                    };
                    came[side(*direction)] += bytes.len();
                    session.data(*direction, chunk, &store, &budget, sink);
                }
            }
            Step::Gap(direction, bytes) => {
                session.gap(*direction, *bytes, GapCause::Timeout, &store, &budget, sink);
            }
            Step::Finished(direction) => {
                session.finished(*direction, Timestamp(now), &store, &budget, sink);
            }
            Step::Secret(secret) => store.insert(secret.clone(), Timestamp(now)),
            Step::Retry => {
                now += 7;
                session.retry(Timestamp(now), &store, &budget, sink);
            }
            Step::Stalled => session.stalled(sink),
        }
        assert!(budget.used() <= memory);
        assert!(session.holds() || !session.waits() && budget.used() == 0);
    }
    session.close(&mut |event| told.note(event));
    assert_eq!(budget.used(), 0);
    for side in [0, 1] {
        assert!(told.inside[side].len() <= came[side]);
    }
    told
}

fuzz_target!(|data: &[u8]| {
    let Some((&choices, rest)) = data.split_first() else {
        return;
    };
    let steps = steps(rest);
    let whole = run(choices, &steps, usize::MAX);
    // What is kept and passed over may depend on the cuts; what is opened otherwise does not.
    let is_bounded = choices & 6 != 0 || steps.iter().any(|step| matches!(step, Step::Stalled));
    if !is_bounded && whole.losses == 0 && whole.unreadable.is_none() {
        assert_eq!(whole, run(choices, &steps, 7));
    } else {
        run(choices, &steps, 7);
    }
});

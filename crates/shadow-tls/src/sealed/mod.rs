//! The protected records of one direction, by version (`tls12`, `tls13`); what is known to be missing, and told.

mod tls12;
mod tls13;
mod trials;

use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction, GapCause};

use super::event::{TlsEvent, Unreadable};
use super::handshake::Handshake;
use super::messages::Messages;
use super::opener::{Credit, Missing, Opener};
use super::record::Header;
use super::tls13::{EarlyData, Stage};
use super::work::Work;

/// The message that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The other direction's part of the handshake.
    Peer,
    /// A secret.
    Secret,
}

/// A whole record.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub header: Header,
    pub body: &'a [u8],
    /// Sequence number of TCP behind it.
    pub end: u32,
    /// Acknowledgment number and time of the segment that completed it.
    pub acknowledgment: u32,
    pub time: Timestamp,
}

/// Fate of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was opened, or is one that need not be.
    Opened,
    /// It could not be opened, or not as the one that it must be.
    Lost,
    /// It was not opened, and need not be: early data that the server passes over, or a part of the handshake.
    PassedOver,
    /// It needs something that has not come.
    Not(Wait),
    /// It was the last one.
    Last,
}

/// Protected records of one direction.
pub(crate) struct Sealed {
    direction: Direction,
    stage: Stage,
    /// Opens the records of this stage.
    opener: Option<Opener>,
    /// Those of later stages, or behind a key update, that were tried and opened nothing.
    made: Vec<(Stage, Opener)>,
    messages: Messages,
    /// The hole since the last record that was opened.
    missing: Missing,
    /// Whether something is missing that was not told of.
    is_untold: bool,
    cause: GapCause,
    credit: Credit,
    /// Numbers of the last candidates tried, by stage, and how many were.
    tried: [u64; 3],
    trials: u32,
}

impl Sealed {
    /// The first protected records of `direction`.
    pub fn new(direction: Direction, handshake: &Handshake) -> Self {
        let stage = match handshake {
            Handshake::Tls13(_) if direction == Direction::Request => Stage::Early,
            Handshake::Tls13(_) => Stage::Handshake,
            _ => Stage::Application,
        };
        Self {
            direction,
            stage,
            opener: None,
            made: Vec::new(),
            messages: Messages::default(),
            missing: Missing::default(),
            is_untold: false,
            cause: GapCause::Closing,
            credit: Credit::default(),
            tried: [0; 3],
            trials: 0,
        }
    }

    /// `bytes` more came.
    pub fn earn(&mut self, bytes: usize) {
        self.credit.earn(bytes);
    }

    /// Whether a record of `bytes` may be tried where it is not known whether it is one.
    pub fn may_try(&self, bytes: usize) -> bool {
        self.credit.is_enough_for(bytes)
    }

    /// Whether part of a message is kept.
    pub fn holds(&self) -> bool {
        self.messages.holds()
    }

    /// Whether its part of the handshake is over: data comes.
    pub fn has_data(&self, handshake: &Handshake) -> bool {
        match handshake {
            Handshake::Tls13(_) => self.stage == Stage::Application,
            // `Finished` is the first one.
            _ => self.opener.as_ref().is_some_and(|opener| opener.next() > 0),
        }
    }

    /// Takes the next record.
    pub fn record(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        record: Record<'_>,
    ) -> Result<Taken, Unreadable> {
        match handshake {
            Handshake::Tls13(tls13) => self.record13(tls13, work, record),
            Handshake::Tls12(tls12) => self.record12(tls12, work, record),
            _ => Err(Unreadable::Malformed),
        }
    }

    /// About `bytes` of the wire, with `records` that are known of, are lost.
    pub fn lost(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        bytes: u64,
        records: u64,
        cause: GapCause,
    ) {
        self.missing.bytes = self.missing.bytes.saturating_add(bytes);
        self.missing.records = self.missing.records.saturating_add(records);
        self.cause = cause;
        self.is_untold = true;
        self.messages.clear();
        if let Handshake::Tls13(tls13) = handshake
            && self.direction == Direction::Response
            && self.stage == Stage::Handshake
        {
            tls13.flight_lost();
        }
        if self.has_data_begun(handshake) {
            self.tell_gap(work);
        }
    }

    /// `bytes` of the wire are no record.
    pub fn skip_bytes(&mut self, bytes: usize) {
        self.missing.bytes = self.missing.bytes.saturating_add(bytes as u64);
        self.is_untold |= bytes > 0;
    }

    /// Gives up what it keeps.
    pub fn release(&mut self) -> Result<(), Unreadable> {
        if self.messages.holds() && self.stage == Stage::Handshake {
            return Err(Unreadable::HandshakeLost);
        }
        self.messages.clear();
        Ok(())
    }

    /// Whether nothing of what follows is wanted: it is the server's data, or leads to nothing else.
    pub fn is_of_no_use(&self, handshake: &mut Handshake, work: &Work<'_>) -> bool {
        if work.limits.answers || self.direction == Direction::Request {
            return false;
        }
        match handshake {
            Handshake::Tls13(tls13) => {
                self.stage == Stage::Application
                    || tls13.is_flight_lost()
                    || self.opener.is_none()
                        && tls13
                            .secret(Stage::Handshake, Direction::Response, work.secrets)
                            .is_none()
                        && tls13
                            .secret(Stage::Application, Direction::Request, work.secrets)
                            .is_some()
            }
            _ => true,
        }
    }

    /// Nothing more comes: counts what was lost since the last record that was opened.
    pub fn end(&mut self, work: &mut Work<'_>) {
        if std::mem::take(&mut self.missing.bytes) > 0 {
            self.tell_gap(work);
            work.tell(TlsEvent::RecordLost(self.direction, self.missing.records.max(1)));
        }
    }

    /// Gives up early data whose secret did not come. `false` when that is not what is waited for.
    pub fn give_up_early_data(&self, handshake: &mut Handshake) -> bool {
        match handshake {
            Handshake::Tls13(tls13)
                if self.stage == Stage::Early
                    && tls13.early_data == EarlyData::Taken
                    && self.opener.is_none() =>
            {
                tls13.early_data = EarlyData::Unopened;
                true
            }
            _ => false,
        }
    }

    /// Whether what is lost may have been data. Before that, it is known only when the first data is opened.
    fn has_data_begun(&self, handshake: &Handshake) -> bool {
        let is_early = |early_data| matches!(early_data, EarlyData::Taken | EarlyData::Unopened);
        let is_in_early_data = matches!(
            handshake,
            Handshake::Tls13(tls13) if self.stage == Stage::Early && is_early(tls13.early_data)
        );
        is_in_early_data || self.has_data(handshake)
    }

    fn tell_gap(&mut self, work: &mut Work<'_>) {
        if std::mem::take(&mut self.is_untold) {
            work.tell(TlsEvent::Gap(self.direction, u64::MAX, self.cause));
        }
    }

    /// A record was opened behind what is missing: `lost` records are. `is_data_lost` when data may be among them.
    fn found(&mut self, work: &mut Work<'_>, lost: u64, is_data_lost: bool) {
        if is_data_lost {
            self.tell_gap(work);
        }
        self.is_untold = false;
        self.missing = Missing::default();
        if lost > 0 {
            work.tell(TlsEvent::RecordLost(self.direction, lost));
        }
    }

    fn data(&mut self, work: &mut Work<'_>, record: Record<'_>, plaintext: &[u8]) {
        if !plaintext.is_empty() {
            let chunk = Chunk {
                bytes: plaintext,
                sequence: record.end.wrapping_sub(plaintext.len() as u32),
                acknowledgment: record.acknowledgment,
                segment_start: true,
                time: record.time,
            };
            work.tell(TlsEvent::Data(self.direction, chunk));
        }
    }
}

/// Whether nothing follows an alert: it is `close_notify`, or fatal. All but `user_canceled` are in TLS 1.3, whatever level
/// they claim (RFC 8446 section 6).
pub(crate) fn is_last(alert: &[u8], has_levels: bool) -> bool {
    const FATAL: u8 = 2;
    const CLOSE_NOTIFY: u8 = 0;
    const USER_CANCELED: u8 = 90;
    match *alert {
        [_, CLOSE_NOTIFY] => true,
        [level, _] if has_levels => level == FATAL,
        [_, what] => what != USER_CANCELED,
        _ => false,
    }
}

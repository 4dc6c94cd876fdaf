//! The protected records of one direction: which key opens the next, and what it says.

use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction, GapCause};

use super::event::{TlsEvent, Unreadable};
use super::handshake::{Handshake, Tls12};
use super::hello::{
    CLIENT_HELLO, ENCRYPTED_EXTENSIONS, END_OF_EARLY_DATA, EncryptedExtensions, FINISHED, KEY_UPDATE,
};
use super::messages::{Message, Messages};
use super::opener::{Credit, Missing, Opener};
use super::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Header};
use super::secret::{Label, SecretBytes};
use super::tls13::{EarlyData, Stage, Tls13};
use super::work::Work;

/// Which key a record is to be opened with.
enum Choice {
    /// The one that opened those before it, or the first of its stage.
    Opener,
    /// The first record that one of a later stage opens; others are none of data.
    Later(Stage),
    /// One that has not come.
    Wait(Wait),
}

/// Candidates that are taken out of the store at once.
const CANDIDATES: usize = 64;

/// What is waited for.
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

/// What became of a record.
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
    messages: Messages,
    /// What is missing since the last record that was opened.
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

    /// Whether part of a message is kept.
    pub fn holds(&self) -> bool {
        self.messages.holds()
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
    pub fn pass_over(&mut self, bytes: usize) {
        self.missing.bytes = self.missing.bytes.saturating_add(bytes as u64);
        self.is_untold |= bytes > 0;
    }

    /// Gives up what it keeps.
    pub fn let_go(&mut self) -> Result<(), Unreadable> {
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
        match handshake {
            Handshake::Tls13(tls13) => {
                self.stage == Stage::Application
                    || self.stage == Stage::Early
                        && matches!(tls13.early_data, EarlyData::Taken | EarlyData::Unopened)
            }
            // `Finished` is the first one.
            _ => self.opener.as_ref().is_some_and(|opener| opener.next() > 0),
        }
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

    /// A record of TLS 1.2.
    fn record12(
        &mut self,
        tls12: &mut Tls12,
        work: &mut Work<'_>,
        record: Record<'_>,
    ) -> Result<Taken, Unreadable> {
        if self.opener.is_none() {
            self.opener = tls12.take_key(self.direction, work.secrets).map(Opener::new);
        }
        if self.opener.is_none() && !self.try_masters(tls12, work, record) {
            return Ok(Taken::Not(Wait::Secret));
        }
        let Some(opener) = &mut self.opener else {
            return Ok(Taken::Lost);
        };
        let before = opener.next();
        let scratch = &mut work.buffers.scratch;
        let open = if self.missing.any() {
            opener.open_behind(
                self.missing,
                record.header,
                record.body,
                &mut self.credit,
                scratch,
            )
        } else {
            opener.open(record.header, record.body, scratch)
        };
        let Some((kind, len)) = open else {
            return Ok(Taken::Lost);
        };
        if self.missing.any() {
            // The first one is `Finished`.
            let number = opener.next().saturating_sub(1);
            self.found(work, number.saturating_sub(before), number > 1);
        }
        let plaintext = std::mem::take(&mut work.buffers.scratch);
        let taken = self.content12(work, record, kind, &plaintext[..len]);
        work.buffers.scratch = plaintext;
        taken
    }

    fn content12(
        &mut self,
        work: &mut Work<'_>,
        record: Record<'_>,
        kind: u8,
        plaintext: &[u8],
    ) -> Result<Taken, Unreadable> {
        match kind {
            APPLICATION_DATA => self.data(work, record, plaintext),
            ALERT if is_last(plaintext, true) => return Ok(Taken::Last),
            // A second handshake; a server that only asks for one may be turned down.
            CHANGE_CIPHER_SPEC => return Err(Unreadable::Renegotiated),
            HANDSHAKE if self.direction == Direction::Request && plaintext.first() == Some(&CLIENT_HELLO) => {
                return Err(Unreadable::Renegotiated);
            }
            _ => {}
        }
        Ok(Taken::Opened)
    }

    /// A record of TLS 1.3.
    fn record13(
        &mut self,
        tls13: &mut Tls13,
        work: &mut Work<'_>,
        record: Record<'_>,
    ) -> Result<Taken, Unreadable> {
        match record.header.kind() {
            APPLICATION_DATA => {}
            // For middleboxes only (RFC 8446 section 5).
            CHANGE_CIPHER_SPEC => return Ok(Taken::Opened),
            // Who has no keys yet sends an alert in the clear.
            ALERT if self.stage < Stage::Application && is_last(record.body, false) => {
                return Ok(Taken::Last);
            }
            _ => return Ok(Taken::Lost),
        }
        let opened = match self.choose(tls13, work, record) {
            Choice::Wait(wait) => return Ok(Taken::Not(wait)),
            Choice::Opener if self.missing.any() => match self.open_behind(tls13, work, record, self.stage) {
                Ok(opened) => opened,
                Err(wait) => return Ok(Taken::Not(wait)),
            },
            Choice::Opener => {
                let scratch = &mut work.buffers.scratch;
                let opener = self.opener.as_mut();
                opener.and_then(|opener| opener.open(record.header, record.body, scratch))
            }
            Choice::Later(stage) => match self.open_behind(tls13, work, record, stage) {
                Ok(None) if tls13.early_data == EarlyData::Unopened && self.stage == Stage::Early => None,
                Ok(None) => return Ok(Taken::PassedOver),
                Ok(opened) => opened,
                Err(wait) => return Ok(Taken::Not(wait)),
            },
        };
        let Some((kind, len)) = opened else {
            return Ok(Taken::Lost);
        };
        let plaintext = std::mem::take(&mut work.buffers.scratch);
        let taken = self.content13(tls13, work, record, kind, &plaintext[..len]);
        work.buffers.scratch = plaintext;
        taken
    }

    /// Which key the next record is to be opened with.
    #[inline]
    fn choose(&mut self, tls13: &mut Tls13, work: &mut Work<'_>, record: Record<'_>) -> Choice {
        if self.opener.is_some() {
            return Choice::Opener;
        }
        if self.stage == Stage::Early {
            match tls13.early_data {
                EarlyData::None => self.stage = Stage::Handshake,
                EarlyData::Offered if !tls13.is_flight_lost() => return Choice::Wait(Wait::Peer),
                EarlyData::Offered => tls13.early_data = EarlyData::Unopened,
                EarlyData::Taken | EarlyData::Refused | EarlyData::Unopened => {}
            }
        }
        if self.stage == Stage::Early && tls13.early_data != EarlyData::Taken {
            return Choice::Later(Stage::Handshake);
        }
        let secret = tls13.secret(self.stage, self.direction, work.secrets);
        self.opener = secret
            .cloned()
            .and_then(|secret| Opener::of_secret(tls13.suite, &secret));
        if self.opener.is_some() || self.try_candidates(tls13, work, record) {
            return Choice::Opener;
        }
        let application = tls13.secret(Stage::Application, self.direction, work.secrets);
        if self.stage == Stage::Handshake && application.is_some() {
            return Choice::Later(Stage::Application);
        }
        Choice::Wait(Wait::Secret)
    }

    /// Opens a record of which it is not known how many are missing before it, nor with which key from that of stage `from`
    /// on it is protected. Waits when one that may be the right one has not come.
    fn open_behind(
        &mut self,
        tls13: &mut Tls13,
        work: &mut Work<'_>,
        record: Record<'_>,
        from: Stage,
    ) -> Result<Option<(u8, usize)>, Wait> {
        let (suite, current) = (tls13.suite, self.stage);
        if let Some(mut opener) = self.opener.take() {
            let before = opener.next();
            let mut open = self.try_behind(work, record, current, &mut opener, before);
            if open.is_none()
                && current == Stage::Application
                && let Some(mut updated) = opener.updated(suite)
            {
                open = self.try_behind(work, record, current, &mut updated, 0);
                if open.is_some() {
                    opener = updated;
                }
            }
            self.opener = Some(opener);
            if open.is_some() {
                return Ok(open);
            }
        }
        for stage in [Stage::Handshake, Stage::Application] {
            if stage < from || stage <= current {
                continue;
            }
            let Some(secret) = tls13.secret(stage, self.direction, work.secrets) else {
                if stage == Stage::Application {
                    return Err(Wait::Secret);
                }
                continue;
            };
            let Some(mut opener) = Opener::of_secret(suite, secret) else {
                continue;
            };
            let open = self.try_behind(work, record, stage, &mut opener, 0);
            if open.is_some() {
                self.opener = Some(opener);
                return Ok(open);
            }
        }
        Ok(None)
    }

    /// Tries one key, that of `stage`, whose next record was `before`.
    fn try_behind(
        &mut self,
        work: &mut Work<'_>,
        record: Record<'_>,
        stage: Stage,
        opener: &mut Opener,
        before: u64,
    ) -> Option<(u8, usize)> {
        let Record { header, body, .. } = record;
        let scratch = &mut work.buffers.scratch;
        let open = opener.open_behind(self.missing, header, body, &mut self.credit, scratch)?;
        let number = opener.next().saturating_sub(1);
        self.stage = stage;
        if self.missing.any() {
            let lost = number.saturating_sub(before).max(self.missing.records);
            self.found(work, lost, stage == Stage::Application && number > 0);
        }
        Some(open)
    }

    /// What a record of TLS 1.3 says.
    fn content13(
        &mut self,
        tls13: &mut Tls13,
        work: &mut Work<'_>,
        record: Record<'_>,
        kind: u8,
        plaintext: &[u8],
    ) -> Result<Taken, Unreadable> {
        match kind {
            // Nobody sends data under the keys of the handshake.
            APPLICATION_DATA if self.stage != Stage::Handshake => self.data(work, record, plaintext),
            ALERT if is_last(plaintext, false) => return Ok(Taken::Last),
            HANDSHAKE => self.handshake_messages(tls13, work, plaintext)?,
            _ => {}
        }
        Ok(Taken::Opened)
    }

    fn handshake_messages(
        &mut self,
        tls13: &mut Tls13,
        work: &mut Work<'_>,
        plaintext: &[u8],
    ) -> Result<(), Unreadable> {
        let mut messages = std::mem::take(&mut self.messages);
        let mut failed = None;
        let budget = work.budget;
        let pushed = messages.push(plaintext, budget, |message| {
            match self.message13(tls13, work, message) {
                Ok(goes_on) => goes_on,
                Err(why) => {
                    failed = Some(why);
                    false
                }
            }
        });
        self.messages = messages;
        match (failed, pushed) {
            (Some(why), _) => Err(why),
            // A ticket that cannot be kept is nothing lost.
            (None, Err(_)) if self.stage == Stage::Application => Ok(()),
            (None, pushed) => pushed.map_err(Unreadable::from),
        }
    }

    /// A handshake message of TLS 1.3. Returns whether others may follow it in the record.
    fn message13(
        &mut self,
        tls13: &mut Tls13,
        work: &mut Work<'_>,
        message: Message<'_>,
    ) -> Result<bool, Unreadable> {
        let is_server = self.direction == Direction::Response;
        match (self.stage, message.kind()) {
            (Stage::Early, END_OF_EARLY_DATA) => self.enter(Stage::Handshake),
            (Stage::Handshake, FINISHED) => {
                if is_server {
                    tls13.server_message(message.0, true);
                    work.progress = true;
                }
                self.enter(Stage::Application);
            }
            (Stage::Handshake, kind) if is_server => {
                tls13.server_message(message.0, false);
                if kind == ENCRYPTED_EXTENSIONS {
                    encrypted_extensions(tls13, work, message.body())?;
                }
                return Ok(true);
            }
            (Stage::Application, KEY_UPDATE) => {
                self.opener = self
                    .opener
                    .as_ref()
                    .and_then(|opener| opener.updated(tls13.suite));
            }
            _ => return Ok(true),
        }
        Ok(false)
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.opener = None;
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

    /// Tries secrets of unknown handshakes on the first record of a stage; `true` when one opens it.
    fn try_candidates(&mut self, tls13: &mut Tls13, work: &mut Work<'_>, record: Record<'_>) -> bool {
        let (stage, label) = (self.stage, self.stage.label(self.direction));
        let suite = tls13.suite;
        let proved = self.try_each(work, stage, label, record, |secret| {
            Opener::of_secret(suite, secret)
        });
        let Some((number, secret)) = proved else {
            return false;
        };
        work.secrets.bind(number, tls13.client_random);
        self.opener = Opener::of_secret(suite, &secret);
        tls13.proved(stage, self.direction, secret);
        self.opener.is_some()
    }

    /// The same for the master secrets of TLS 1.2.
    fn try_masters(&mut self, tls12: &mut Tls12, work: &mut Work<'_>, record: Record<'_>) -> bool {
        let direction = self.direction;
        let key = |secret: &SecretBytes| Some(Opener::new(tls12.key(direction, secret)?));
        let proved = self.try_each(work, self.stage, Label::Master, record, key);
        let Some((number, secret)) = proved else {
            return false;
        };
        work.secrets.bind(number, tls12.client_random);
        self.opener = tls12.take_key(direction, work.secrets).map(Opener::new);
        work.progress = true;
        drop(secret);
        self.opener.is_some()
    }

    /// The first candidate that was not tried before and whose opener opens `record`, with its number.
    fn try_each(
        &mut self,
        work: &mut Work<'_>,
        stage: Stage,
        label: Label,
        record: Record<'_>,
        opener: impl Fn(&SecretBytes) -> Option<Opener>,
    ) -> Option<(u64, SecretBytes)> {
        // Only the first record can be told from others, and only when none is missing before it.
        while !self.missing.any() {
            let room = work.limits.max_trials.saturating_sub(self.trials);
            let most = CANDIDATES.min(room as usize);
            let tried = &mut self.tried[stage as usize];
            let candidates = work.secrets.candidates(label, *tried, most);
            if candidates.is_empty() {
                break;
            }
            for (number, secret) in candidates {
                *tried = number;
                self.trials += 1;
                let scratch = &mut work.buffers.scratch;
                if opener(&secret)
                    .and_then(|mut opener| opener.open(record.header, record.body, scratch))
                    .is_some()
                {
                    return Some((number, secret));
                }
            }
        }
        None
    }
}

/// What `EncryptedExtensions` settle.
fn encrypted_extensions(tls13: &mut Tls13, work: &mut Work<'_>, body: &[u8]) -> Result<(), Unreadable> {
    let read = EncryptedExtensions::read(body).ok_or(Unreadable::Malformed)?;
    if let Some(alpn) = read.alpn {
        work.tell(TlsEvent::Alpn(alpn));
    }
    tls13.early_data = match tls13.early_data {
        EarlyData::Offered if read.takes_early_data => EarlyData::Taken,
        EarlyData::Offered => EarlyData::Refused,
        as_before => as_before,
    };
    work.progress = true;
    Ok(())
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

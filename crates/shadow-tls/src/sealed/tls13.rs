//! Protected records of TLS 1.3: which key opens the next one, and what it says.

use shadow_tcp::Direction;

use super::{Record, Sealed, Taken, Wait, is_last};
use crate::event::{TlsEvent, Unreadable};
use crate::hello::{ENCRYPTED_EXTENSIONS, END_OF_EARLY_DATA, EncryptedExtensions, FINISHED, KEY_UPDATE};
use crate::messages::Message;
use crate::opener::Opener;
use crate::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE};
use crate::tls13::{EarlyData, Stage, Tls13};
use crate::work::Work;

/// Which key a record is to be opened with.
enum Choice {
    /// The one that opened those before it, or the first of its stage.
    Opener,
    /// The first record that one of a later stage opens; others are none of data.
    Later(Stage),
    /// One that has not come.
    Wait(Wait),
}

impl Sealed {
    /// A record of TLS 1.3.
    pub(super) fn record13(
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
        let mut updated = None;
        if let Some(mut opener) = self.opener.take() {
            let before = opener.next();
            let open = self.try_behind(work, record, current, &mut opener, before);
            if open.is_none() && current == Stage::Application {
                updated = self.made_before(current).or_else(|| opener.updated(suite));
            }
            self.opener = Some(opener);
            if open.is_some() {
                return Ok(open);
            }
        }
        if let Some(updated) = updated {
            return Ok(self.try_made(work, record, current, updated));
        }
        for stage in [Stage::Handshake, Stage::Application] {
            if stage < from || stage <= current {
                continue;
            }
            let made = self.made_before(stage).or_else(|| {
                let secret = tls13.secret(stage, self.direction, work.secrets)?;
                Opener::of_secret(suite, secret)
            });
            let Some(opener) = made else {
                if stage == Stage::Application {
                    return Err(Wait::Secret);
                }
                continue;
            };
            let open = self.try_made(work, record, stage, opener);
            if open.is_some() {
                return Ok(open);
            }
        }
        Ok(None)
    }

    /// A key that was made to be tried and opened nothing yet.
    fn made_before(&mut self, stage: Stage) -> Option<Opener> {
        let index = self.made.iter().position(|(of, _)| *of == stage)?;
        Some(self.made.swap_remove(index).1)
    }

    /// Tries a key from its first record on. It is the direction's when it opens this one, and is kept for the next one
    /// otherwise: to make it costs more than to try it.
    fn try_made(
        &mut self,
        work: &mut Work<'_>,
        record: Record<'_>,
        stage: Stage,
        mut opener: Opener,
    ) -> Option<(u8, usize)> {
        let open = self.try_behind(work, record, stage, &mut opener, 0);
        if open.is_some() {
            self.opener = Some(opener);
            self.made.clear();
        } else {
            self.made.push((stage, opener));
        }
        open
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

    /// Reads a record of TLS 1.3.
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
                self.made.clear();
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
        self.made.clear();
    }
}

/// The settings in `EncryptedExtensions`.
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

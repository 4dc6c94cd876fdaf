//! Protected records of TLS 1.2.

use shadow_tcp::Direction;

use super::{Record, Sealed, Taken, Wait, is_last};
use crate::event::Unreadable;
use crate::handshake::Tls12;
use crate::hello::CLIENT_HELLO;
use crate::opener::Opener;
use crate::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE};
use crate::work::Work;

impl Sealed {
    /// A record of TLS 1.2.
    pub(super) fn record12(
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
}

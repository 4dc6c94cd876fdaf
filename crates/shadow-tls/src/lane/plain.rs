//! Records in the clear: hellos, and what else stands before the first protected record.

use shadow_tcp::Direction;

use super::Lane;
use crate::event::{TlsEvent, Unreadable};
use crate::handshake::{Handshake, Step};
use crate::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE};
use crate::sealed::{Record, Sealed, Wait, is_last};
use crate::work::Work;

impl Lane {
    /// Takes a record in the clear.
    pub(super) fn plain_record(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        record: Record<'_>,
    ) -> Result<Plain, Unreadable> {
        use Direction::{Request, Response};
        let kind = record.header.kind();
        Ok(match (self.direction, &handshake, kind) {
            (Request, Handshake::Start | Handshake::Retried(_), HANDSHAKE)
            | (Response, Handshake::Offered(_), HANDSHAKE) => {
                self.hello(handshake, work, record)?;
                Plain::Taken
            }
            // Before any protected record: the handshake has failed.
            (_, _, ALERT) if is_last(record.body, true) => Plain::Last,
            // For middleboxes; and early data, which a server that asks for another hello passes over.
            (Request, Handshake::Retried(_), CHANGE_CIPHER_SPEC | APPLICATION_DATA)
            | (Response, Handshake::Retried(_), CHANGE_CIPHER_SPEC)
            | (_, Handshake::Tls13(_), CHANGE_CIPHER_SPEC)
            // Certificates and key exchange of TLS 1.2.
            | (_, Handshake::Tls12(_), HANDSHAKE | ALERT) => Plain::Taken,
            (Request, Handshake::Offered(_), _)
            | (Response, Handshake::Retried(_), _)
            | (Response, Handshake::Start, HANDSHAKE) => Plain::Not(Wait::Peer),
            (_, Handshake::Tls13(_), APPLICATION_DATA) => Plain::Sealed,
            (_, Handshake::Tls12(_), CHANGE_CIPHER_SPEC) => {
                self.sealed = Some(Box::new(Sealed::new(self.direction, handshake)));
                Plain::Taken
            }
            _ => return Err(not_tls(work)),
        })
    }

    /// Takes a part of a hello.
    fn hello(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        record: Record<'_>,
    ) -> Result<(), Unreadable> {
        let mut step = Ok(Step::On);
        let mut is_whole = false;
        let direction = self.direction;
        self.messages.push(record.body, work.budget, |message| {
            is_whole = true;
            step = match direction {
                Direction::Request => {
                    let taken = handshake.client_message(message, record.time, work.budget);
                    taken.map(|()| Step::On)
                }
                Direction::Response => handshake.server_message(message),
            };
            false
        })?;
        work.progress |= is_whole;
        if let Step::Alpn(alpn) = step.map_err(|why| first_of(why, work, direction))? {
            work.tell(TlsEvent::Alpn(&alpn));
        }
        Ok(())
    }
}

/// Kind of a record in the clear.
pub(super) enum Plain {
    /// It was taken.
    Taken,
    /// It needs something that has not come.
    Not(Wait),
    /// It was the last one.
    Last,
    /// It is none: it is protected.
    Sealed,
}

/// The first bytes are not those that a handshake begins with.
pub(super) fn not_tls(work: &Work<'_>) -> Unreadable {
    if work.mid_stream {
        Unreadable::NoSecret
    } else {
        Unreadable::Malformed
    }
}

/// A hello that cannot be read, of a connection that may have been open before, is none.
fn first_of(why: Unreadable, work: &Work<'_>, direction: Direction) -> Unreadable {
    if why == Unreadable::Malformed && direction == Direction::Request {
        not_tls(work)
    } else {
        why
    }
}

//! The handshake, which both directions of a connection share: how far it has come, and what it led to.

use ring::digest;
use shadow_core::budget::{Charge, MemoryBudget};
use shadow_core::time::Timestamp;
use shadow_tcp::Direction;

use super::event::Unreadable;
use super::hello::{CLIENT_HELLO, ClientHello, SERVER_HELLO, ServerHello, Version};
use super::messages::{Message, Refused};
use super::record::RecordKey;
use super::schedule;
use super::secret::{Handshake as Of, Label, SecretBytes};
use super::store::SecretStore;
use super::suite::{HashKind, Suite};
use super::tls13::{EarlyData, Tls13};

/// How far a connection's handshake has come.
#[derive(Default)]
pub(crate) enum Handshake {
    /// `ClientHello` is awaited.
    #[default]
    Start,
    /// `ServerHello` is awaited.
    Offered(Offer),
    /// The server asked for another `ClientHello`, which is awaited.
    Retried(Offer),
    /// TLS 1.2.
    Tls12(Box<Tls12>),
    /// TLS 1.3.
    Tls13(Box<Tls13>),
}

/// The offer of a client.
pub(crate) struct Offer {
    hello: ClientHello,
    /// When its first `ClientHello` came.
    began: Timestamp,
    transcript: Transcript,
}

/// The transcript before `ServerHello`.
enum Transcript {
    /// The only `ClientHello`: the hash is not chosen yet.
    Whole(
        Vec<u8>,
        #[expect(dead_code, reason = "gives the bytes back")] Charge,
    ),
    /// Behind `HelloRetryRequest`, which chose the suite.
    Hashed(Suite, digest::Context),
}

/// A TLS 1.2 connection.
pub(crate) struct Tls12 {
    suite: Suite,
    pub client_random: [u8; 32],
    /// When `ClientHello` came.
    pub began: Timestamp,
    server_random: [u8; 32],
    found: bool,
}

/// Outcome of a hello.
pub(crate) enum Step {
    /// The next one.
    On,
    /// The same; the server chose this protocol.
    Alpn(Vec<u8>),
}

impl Handshake {
    /// Takes a plaintext message of the client, which came `now`: the first or second `ClientHello`.
    pub fn client_message(
        &mut self,
        message: Message<'_>,
        now: Timestamp,
        budget: &MemoryBudget,
    ) -> Result<(), Unreadable> {
        let hello = (message.kind() == CLIENT_HELLO)
            .then(|| ClientHello::read(message.body()))
            .flatten()
            .ok_or(Unreadable::Malformed)?;
        match std::mem::take(self) {
            Self::Start => {
                let mut charge = budget.held().charge();
                if !charge.try_grow(message.0.len()) {
                    return Err(Unreadable::Memory);
                }
                *self = Self::Offered(Offer {
                    hello,
                    began: now,
                    transcript: Transcript::Whole(message.0.to_vec(), charge),
                });
                Ok(())
            }
            Self::Retried(Offer {
                hello: first,
                began,
                transcript: Transcript::Hashed(suite, mut context),
            }) => {
                context.update(message.0);
                *self = Self::Offered(Offer {
                    hello: ClientHello {
                        random: first.random,
                        offers_early_data: false,
                    },
                    began,
                    transcript: Transcript::Hashed(suite, context),
                });
                Ok(())
            }
            _ => Err(Unreadable::Malformed),
        }
    }

    /// Takes a plaintext message of the server while its hello is awaited.
    pub fn server_message(&mut self, message: Message<'_>) -> Result<Step, Unreadable> {
        let hello = (message.kind() == SERVER_HELLO)
            .then(|| ServerHello::read(message.body()))
            .flatten()
            .ok_or(Unreadable::Malformed)?;
        let Self::Offered(offer) = std::mem::take(self) else {
            return Err(Unreadable::Malformed);
        };
        match hello.version.ok_or(Unreadable::Cipher)? {
            Version::Tls12 if hello.compresses => Err(Unreadable::Cipher),
            Version::Tls12 => {
                *self = Self::Tls12(Box::new(Tls12 {
                    suite: Suite::of_tls12(hello.suite).ok_or(Unreadable::Cipher)?,
                    client_random: offer.hello.random,
                    began: offer.began,
                    server_random: hello.random,
                    found: false,
                }));
                Ok(hello.alpn.map_or(Step::On, |alpn| Step::Alpn(alpn.to_vec())))
            }
            Version::Tls13 => {
                let suite = Suite::of_tls13(hello.suite).ok_or(Unreadable::Cipher)?;
                *self = offer.answered(suite, message, hello.is_retry())?;
                Ok(Step::On)
            }
        }
    }

    /// Whether a secret of `other` is one of this handshake.
    pub fn is(&self, other: &Of) -> bool {
        match self {
            Self::Tls13(tls13) => tls13.is(other),
            Self::Tls12(tls12) => *other == Of::ClientRandom(tls12.client_random),
            Self::Start | Self::Offered(_) | Self::Retried(_) => false,
        }
    }

    /// Whether a secret of it was found.
    pub fn has_secret(&self) -> bool {
        match self {
            Self::Tls13(tls13) => tls13.has_secret(),
            Self::Tls12(tls12) => tls12.found,
            Self::Start | Self::Offered(_) | Self::Retried(_) => false,
        }
    }
}

impl Offer {
    /// Takes the server's answer, a `ServerHello` of TLS 1.3 or a `HelloRetryRequest`.
    fn answered(self, suite: Suite, answer: Message<'_>, is_retry: bool) -> Result<Handshake, Unreadable> {
        let random = self.hello.random;
        let (mut context, client_hello) = match self.transcript {
            Transcript::Whole(hello, _) if is_retry => (synthetic(suite.hash, &hello), None),
            Transcript::Whole(hello, _) => {
                let mut context = digest::Context::new(suite.hash.digest());
                context.update(&hello);
                (context, schedule::hash(suite.hash, &hello))
            }
            // There is one retry at most, and it has chosen the suite (RFC 8446 section 4.1.4).
            Transcript::Hashed(chosen, _) if is_retry || chosen != suite => {
                return Err(Unreadable::Malformed);
            }
            Transcript::Hashed(_, context) => (context, None),
        };
        context.update(answer.0);
        if is_retry {
            return Ok(Handshake::Retried(Offer {
                hello: self.hello,
                began: self.began,
                transcript: Transcript::Hashed(suite, context),
            }));
        }
        let early_data = if self.hello.offers_early_data {
            EarlyData::Offered
        } else {
            EarlyData::None
        };
        let tls13 = Tls13::new(suite, random, self.began, client_hello, context, early_data);
        tls13
            .map(|tls13| Handshake::Tls13(Box::new(tls13)))
            .ok_or(Unreadable::Cipher)
    }
}

/// A transcript that begins with the hash of the first `ClientHello` in place of it (RFC 8446 section 4.4.1).
fn synthetic(kind: HashKind, client_hello: &[u8]) -> digest::Context {
    const MESSAGE_HASH: u8 = 254;
    let mut context = digest::Context::new(kind.digest());
    context.update(&[MESSAGE_HASH, 0, 0, kind.len() as u8]);
    context.update(digest::digest(kind.digest(), client_hello).as_ref());
    context
}

impl Tls12 {
    /// The key of a direction, once its secret has come.
    pub fn take_key(&mut self, direction: Direction, store: &SecretStore) -> Option<RecordKey> {
        let master = store.find(Label::Master, Of::ClientRandom(self.client_random))?;
        let key = self.key(direction, &master);
        self.found |= key.is_some();
        key
    }

    /// The key of a direction that a master secret leads to.
    pub fn key(&self, direction: Direction, master: &SecretBytes) -> Option<RecordKey> {
        let [client, server] =
            schedule::tls12_keys(self.suite, master, &self.client_random, &self.server_random)?;
        Some(match direction {
            Direction::Request => client,
            Direction::Response => server,
        })
    }
}

impl From<Refused> for Unreadable {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLong => Self::Malformed,
            Refused::Memory => Self::Memory,
        }
    }
}

//! The state of a TLS 1.3 connection beyond its hellos: the transcript, and the secrets of each stage.

use ring::digest;
use shadow_core::time::Timestamp;
use shadow_tcp::Direction;

use super::schedule;
use super::secret::{Handshake, Hash, Label, SecretBytes};
use super::store::SecretStore;
use super::suite::Suite;

/// Which keys protect a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The client's early data.
    Early,
    /// The rest of the handshake.
    Handshake,
    /// Application data.
    Application,
}

impl Stage {
    /// The label of the secret that protects `direction`.
    pub fn label(self, direction: Direction) -> Label {
        match (self, direction) {
            (Self::Early, _) => Label::ClientEarlyTraffic,
            (Self::Handshake, Direction::Request) => Label::ClientHandshakeTraffic,
            (Self::Handshake, Direction::Response) => Label::ServerHandshakeTraffic,
            (Self::Application, Direction::Request) => Label::ClientTraffic0,
            (Self::Application, Direction::Response) => Label::ServerTraffic0,
        }
    }
}

/// Whether the client's first protected records are early data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarlyData {
    /// None was offered.
    None,
    /// It was offered, and the server has not answered.
    Offered,
    /// The server takes it.
    Taken,
    /// The server passes it over, and the client sends it anew as application data.
    Refused,
    /// The server takes it, or may do so, and what opens it is lost.
    Unopened,
}

/// A TLS 1.3 connection.
pub(crate) struct Tls13 {
    pub suite: Suite,
    pub client_random: [u8; 32],
    /// When its first `ClientHello` came.
    pub began: Timestamp,
    pub early_data: EarlyData,
    /// Hash of the only `ClientHello`.
    client_hello: Option<Hash>,
    /// Hash of all up to `ServerHello`.
    hellos: Hash,
    /// The message behind them; `None` when a part was lost, or the server's `Finished` is in.
    transcript: Option<digest::Context>,
    /// Hash of all up to the server's `Finished`.
    flight: Option<Hash>,
    /// The Handshake Secret.
    handshake_secret: Option<SecretBytes>,
    /// Traffic secrets that were found, by stage; the client's and the server's.
    found: [[Option<SecretBytes>; 2]; 3],
}

impl Tls13 {
    /// `transcript` has seen all up to `ServerHello`.
    pub fn new(
        suite: Suite,
        client_random: [u8; 32],
        began: Timestamp,
        client_hello: Option<Hash>,
        transcript: digest::Context,
        early_data: EarlyData,
    ) -> Option<Self> {
        Some(Self {
            suite,
            client_random,
            began,
            early_data,
            client_hello,
            hellos: Hash::new(transcript.clone().finish().as_ref())?,
            transcript: Some(transcript),
            flight: None,
            handshake_secret: None,
            found: Default::default(),
        })
    }

    /// A message of the server's flight.
    pub fn server_message(&mut self, message: &[u8], is_finished: bool) {
        let Some(mut transcript) = self.transcript.take() else {
            return;
        };
        transcript.update(message);
        if is_finished {
            self.flight = Hash::new(transcript.finish().as_ref());
        } else {
            self.transcript = Some(transcript);
        }
    }

    /// A part of the server's flight is lost.
    pub fn flight_lost(&mut self) {
        self.transcript = None;
    }

    /// Whether the whole flight can never be hashed.
    pub fn is_flight_lost(&self) -> bool {
        self.transcript.is_none() && self.flight.is_none()
    }

    /// Whether a secret of `handshake` is one of this.
    pub fn is(&self, handshake: &Handshake) -> bool {
        match handshake {
            Handshake::ClientRandom(random) => *random == self.client_random,
            Handshake::Transcript(hash) => {
                [self.client_hello, Some(self.hellos), self.flight].contains(&Some(*hash))
            }
            Handshake::Unknown => true,
        }
    }

    /// Whether any secret of it was found.
    pub fn has_secret(&self) -> bool {
        self.handshake_secret.is_some() || self.found.iter().flatten().any(Option::is_some)
    }

    /// The secret of a stage, if it has come or can be derived.
    pub fn secret(
        &mut self,
        stage: Stage,
        direction: Direction,
        store: &SecretStore,
    ) -> Option<&SecretBytes> {
        let place = place(stage, direction);
        if self.found[place.0][place.1].is_none() {
            let found = self.look_up(stage, direction, store);
            self.found[place.0][place.1] = found.filter(|secret| self.fits(secret));
        }
        self.found[place.0][place.1].as_ref()
    }

    /// Notes a secret that opened a record.
    pub fn proved(&mut self, stage: Stage, direction: Direction, secret: SecretBytes) {
        let place = place(stage, direction);
        self.found[place.0][place.1] = Some(secret);
    }

    /// Whether a secret is as long as the suite's are.
    pub fn fits(&self, secret: &SecretBytes) -> bool {
        secret.expose().len() == self.suite.hash.len()
    }

    fn look_up(&mut self, stage: Stage, direction: Direction, store: &SecretStore) -> Option<SecretBytes> {
        let label = stage.label(direction);
        let transcript = match stage {
            Stage::Early => self.client_hello,
            Stage::Handshake => Some(self.hellos),
            Stage::Application => self.flight,
        };
        store
            .find(label, Handshake::ClientRandom(self.client_random))
            .or_else(|| store.find(label, Handshake::Transcript(transcript?)))
            .or_else(|| self.derive(label, transcript?, store))
    }

    /// Derives a secret from one that stands before it in the key schedule.
    fn derive(&mut self, label: Label, transcript: Hash, store: &SecretStore) -> Option<SecretBytes> {
        let hash = self.suite.hash;
        let (name, of_early, of_master) = match label {
            Label::ClientEarlyTraffic => ("c e traffic", true, false),
            Label::ClientHandshakeTraffic => ("c hs traffic", false, false),
            Label::ServerHandshakeTraffic => ("s hs traffic", false, false),
            Label::ClientTraffic0 => ("c ap traffic", false, true),
            Label::ServerTraffic0 => ("s ap traffic", false, true),
            Label::Master | Label::EarlySecret | Label::HandshakeSecret => return None,
        };
        if of_early {
            let early = store.find(Label::EarlySecret, Handshake::Transcript(transcript))?;
            return schedule::derive_secret(hash, &early, name, &transcript);
        }
        if self.handshake_secret.is_none() {
            let found = store.find(Label::HandshakeSecret, Handshake::Transcript(self.hellos));
            self.handshake_secret = found.filter(|secret| secret.expose().len() == hash.len());
        }
        let handshake = self.handshake_secret.as_ref()?;
        if of_master {
            let master = schedule::master_secret(hash, handshake)?;
            return schedule::derive_secret(hash, &master, name, &transcript);
        }
        schedule::derive_secret(hash, handshake, name, &transcript)
    }
}

fn place(stage: Stage, direction: Direction) -> (usize, usize) {
    (stage as usize, usize::from(direction == Direction::Response))
}

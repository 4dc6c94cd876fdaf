//! Secrets of unknown handshakes: tried on the first record of a stage, whose tag tells.

use std::time::Duration;

use shadow_core::time::Timestamp;

use super::{Record, Sealed};
use crate::handshake::Tls12;
use crate::opener::Opener;
use crate::secret::{Label, SecretBytes};
use crate::tls13::{Stage, Tls13};
use crate::work::Work;

/// How much earlier than `ClientHello` a secret of its handshake may seem to have been taken. It never is; packets and secrets
/// have their times of one clock, each where it is captured.
const EARLIER: Duration = Duration::from_millis(100);

/// Candidates that are taken out of the store at once.
const CANDIDATES: usize = 64;

impl Sealed {
    /// Tries secrets of unknown handshakes on the first record of a stage; `true` when one opens it.
    pub(super) fn try_candidates(
        &mut self,
        tls13: &mut Tls13,
        work: &mut Work<'_>,
        record: Record<'_>,
    ) -> bool {
        let (stage, label) = (self.stage, self.stage.label(self.direction));
        let suite = tls13.suite;
        let proved = self.try_each(work, (stage, label), tls13.began, record, |secret| {
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
    pub(super) fn try_masters(&mut self, tls12: &mut Tls12, work: &mut Work<'_>, record: Record<'_>) -> bool {
        let direction = self.direction;
        let key = |secret: &SecretBytes| Some(Opener::new(tls12.key(direction, secret)?));
        let proved = self.try_each(work, (self.stage, Label::Master), tls12.began, record, key);
        let Some((number, _)) = proved else {
            return false;
        };
        work.secrets.bind(number, tls12.client_random);
        self.opener = tls12.take_key(direction, work.secrets).map(Opener::new);
        work.progress = true;
        self.opener.is_some()
    }

    /// The first candidate, of the time since the handshake `began`, that was not tried before and whose opener opens
    /// `record`, with its number.
    fn try_each(
        &mut self,
        work: &mut Work<'_>,
        (stage, label): (Stage, Label),
        began: Timestamp,
        record: Record<'_>,
        opener: impl Fn(&SecretBytes) -> Option<Opener>,
    ) -> Option<(u64, SecretBytes)> {
        let since = Timestamp(began.0.saturating_sub(EARLIER.as_nanos() as u64));
        // Only the first record can be told from others, and only when none is missing before it.
        while !self.missing.any() {
            let room = work.limits.max_trials.saturating_sub(self.trials);
            let most = CANDIDATES.min(room as usize);
            let tried = &mut self.tried[stage as usize];
            let (candidates, examined) = work.secrets.candidates(label, *tried, since, most);
            if candidates.is_empty() {
                *tried = examined;
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

//! A pair as it is kept: without secrets, and without the answers where they are equal.

use bytes::Bytes;

use crate::compare::{Answer, Pair, heads};
use crate::mirror::rules::{Prettifier, Redaction, Rules, Unredactable};

/// Largest body that is decoded to be searched, in bytes.
const MAX_DECODED: usize = 8 << 20;

/// What is hidden in pairs.
#[derive(Clone, Debug)]
pub(super) struct Hidden {
    /// As it is.
    plain: Rules,
    /// With codings and chunks taken off before: where a body cannot be searched otherwise.
    decoded: Rules,
}

impl Hidden {
    /// What `redaction` hides; cookies of answers keep their names.
    pub fn new(redaction: &Redaction) -> Self {
        let plain = Rules {
            redaction: Some(redaction.clone().keeping_cookie_names()),
            ..Rules::default()
        };
        Self {
            decoded: Rules {
                prettifier: Some(Prettifier {
                    max_body: MAX_DECODED,
                }),
                ..plain.clone()
            },
            plain,
        }
    }

    /// The pair without that.
    pub fn redacted(&self, pair: &Pair) -> Result<Pair, Unredactable> {
        with_messages(pair, |head, body| {
            let redacted = self.plain.message(head, body);
            Ok(match redacted.or_else(|_| self.decoded.message(head, body))? {
                None => (head.clone(), body.clone()),
                Some(new) => (
                    new.head.into(),
                    new.body.map_or_else(|| body.clone(), Bytes::from),
                ),
            })
        })
    }
}

/// Whether all answers are the same in all that any rules could look at.
pub(super) fn is_alike(pair: &Pair) -> bool {
    let others = [Some(&pair.shadow), pair.control.as_ref(), pair.repeat.as_ref()];
    let of_production = &pair.production;
    others.into_iter().flatten().all(|answer| {
        answer.body == of_production.body && heads::are_alike(&of_production.head, &answer.head)
    })
}

/// The pair with the start lines of its messages alone.
pub(super) fn start_lines(pair: &Pair) -> Pair {
    let Ok(pair) = with_messages(pair, |head, _| {
        let end = memchr::memchr2(b'\r', b'\n', head).unwrap_or(head.len());
        let head = [&head[..end], b"\r\n\r\n"].concat();
        Ok::<_, std::convert::Infallible>((head.into(), Bytes::new()))
    });
    pair
}

/// The pair with other heads and bodies.
fn with_messages<E>(
    pair: &Pair,
    message: impl Fn(&Bytes, &Bytes) -> Result<(Bytes, Bytes), E>,
) -> Result<Pair, E> {
    let answer = |answer: &Answer| {
        let (head, body) = message(&answer.head, &answer.body)?;
        Ok(Answer {
            head,
            body,
            times: answer.times,
        })
    };
    let (request_head, request_body) = message(&pair.request_head, &pair.request_body)?;
    Ok(Pair {
        id: pair.id.clone(),
        at: pair.at,
        request_head,
        request_body,
        production: answer(&pair.production)?,
        shadow: answer(&pair.shadow)?,
        control: pair.control.as_ref().map(&answer).transpose()?,
        repeat: pair.repeat.as_ref().map(&answer).transpose()?,
    })
}

//! A pair as it is kept: without secrets, and without the answers where they are equal.

use bytes::Bytes;
use shadow_mirror::rules::{Prettifier, Redaction, Rules, Unredactable};

use super::by_name::ByName;
use crate::{Answer, GrpcDescriptors, Pair, Secrets, grpc_call, heads};

/// Largest body that is decoded to be searched, in bytes.
const MAX_DECODED: usize = 8 << 20;

/// Everything that is hidden in pairs.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// As it is.
    plain: Rules,
    /// With codings and chunks taken off before: where a body cannot be searched otherwise.
    decoded: Rules,
    /// The rule for values that are hidden by their names; none are when `None`.
    by_name: Option<ByName>,
    /// The names of fields in messages of gRPC.
    descriptors: Option<GrpcDescriptors>,
}

/// A pair without what is to be hidden.
#[derive(Clone, Debug)]
pub struct Redacted {
    /// It.
    pub pair: Pair,
    /// Bodies in it that are hidden as a whole.
    pub bodies_as_a_whole: u64,
}

impl Hidden {
    /// Hides what `redaction` hides, and what says by its name that it is secret; cookies of answers keep their names.
    pub fn new(redaction: &Redaction, secrets: Secrets) -> Self {
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
            by_name: match secrets {
                Secrets::Hidden => Some(ByName::new(redaction.key())),
                Secrets::Shown => None,
            },
            descriptors: None,
        }
    }

    /// The same, with the names of fields in messages of gRPC.
    #[must_use]
    pub fn with_descriptors(self, descriptors: Option<GrpcDescriptors>) -> Self {
        Self { descriptors, ..self }
    }

    /// The pair without that.
    ///
    /// # Errors
    ///
    /// Where a message cannot be hidden in: it is no whole message, or too large to be read.
    pub fn redacted(&self, pair: &Pair) -> Result<Redacted, Unredactable> {
        let pair = with_messages(pair, |head, body| {
            let redacted = self.plain.message(head, body);
            Ok(match redacted.or_else(|_| self.decoded.message(head, body))? {
                None => (head.clone(), body.clone()),
                Some(new) => (
                    new.head.into(),
                    new.body.map_or_else(|| body.clone(), Bytes::from),
                ),
            })
        })?;
        let Some(by_name) = &self.by_name else {
            return Ok(Redacted {
                pair,
                bodies_as_a_whole: 0,
            });
        };
        let method = self.descriptors.as_ref();
        let method = method.and_then(|descriptors| descriptors.method(&pair.request_head));
        let input = method.map(|method| &method.input);
        let output = method.map(|method| &method.output);
        let (request, of_request) = by_name
            .message(&pair.request_head, &pair.request_body, input, false)?
            .parts();
        let all = |suspect| {
            let mut as_a_whole = 0;
            let answers = with_answers(&pair, |head, body| {
                let (message, is_whole) = by_name.message(head, body, output, suspect)?.parts();
                as_a_whole += is_whole;
                Ok(message)
            });
            answers.map(|pair| (pair, as_a_whole))
        };
        // Of two answers either both or neither must be hidden as a whole: else all of one would differ from the other.
        let (mut pair, of_answers) = match all(false)? {
            (_, 1..) => all(true)?,
            none => none,
        };
        (pair.request_head, pair.request_body) = request;
        Ok(Redacted {
            pair,
            bodies_as_a_whole: of_request + of_answers,
        })
    }

    /// A request line without that.
    pub fn request_line(&self, line: &[u8]) -> Option<Vec<u8>> {
        self.by_name.as_ref().map(|by_name| by_name.start_line(line))
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

/// The pair with the start lines of its messages alone; of gRPC with what says that it is that, and how the call ended.
pub(super) fn start_lines(pair: &Pair) -> Pair {
    let Ok(pair) = with_messages(pair, |head, body| {
        let end = memchr::memchr2(b'\r', b'\n', head).unwrap_or(head.len());
        let head = grpc_call::ending(head, body).unwrap_or_else(|| [&head[..end], b"\r\n\r\n"].concat());
        Ok::<_, std::convert::Infallible>((head.into(), Bytes::new()))
    });
    pair
}

/// The pair with other heads and bodies.
fn with_messages<E>(
    pair: &Pair,
    mut message: impl FnMut(&Bytes, &Bytes) -> Result<(Bytes, Bytes), E>,
) -> Result<Pair, E> {
    let (request_head, request_body) = message(&pair.request_head, &pair.request_body)?;
    Ok(Pair {
        request_head,
        request_body,
        ..with_answers(pair, message)?
    })
}

/// The pair with other heads and bodies of its answers.
fn with_answers<E>(
    pair: &Pair,
    mut message: impl FnMut(&Bytes, &Bytes) -> Result<(Bytes, Bytes), E>,
) -> Result<Pair, E> {
    let mut answer = |answer: &Answer| {
        let (head, body) = message(&answer.head, &answer.body)?;
        Ok(Answer {
            head,
            body,
            times: answer.times,
        })
    };
    Ok(Pair {
        id: pair.id.clone(),
        at: pair.at,
        request_head: pair.request_head.clone(),
        request_body: pair.request_body.clone(),
        production: answer(&pair.production)?,
        shadow: answer(&pair.shadow)?,
        control: pair.control.as_ref().map(&mut answer).transpose()?,
        repeat: pair.repeat.as_ref().map(&mut answer).transpose()?,
        raced: pair.raced,
    })
}

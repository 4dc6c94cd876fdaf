//! Calls of gRPC and their answers: values in messages by the names of their fields, where descriptors have these, and trailers.

use shadow_grpc::{Codec, Leaf, MessageDescriptor, Reply, replaced, shown_as};
use shadow_mirror::rules::is_hash;

use super::{ByName, MAX_DECODED, MIN_NAMED, Payload, is_worth_hiding};
use crate::grpc_call::is_call;
use crate::json::{LeafChoice, Scalar, leaves};
use crate::secrets;
use crate::time_distance::is_time;

/// Values whose names stand beside them.
const PAIRS: LeafChoice = LeafChoice {
    member: |_| false,
    pair: secrets::names_secret,
    value: secrets::is_named_value,
};

impl ByName {
    /// The body in place of a call's; `None` for what is no call, or one whose messages cannot be read.
    ///
    /// Without a descriptor nobody knows names: a message with the name of a secret in it is hidden as a whole.
    pub(super) fn call(
        &self,
        head: &[u8],
        body: &[u8],
        of: Option<&MessageDescriptor>,
        suspect: bool,
    ) -> Option<Payload> {
        let reply =
            Reply::read(head, body).filter(|reply| is_call(head) && reply.codec == Codec::Protobuf)?;
        let messages = reply.messages(MAX_DECODED).ok()?;
        let (mut changed, mut as_a_whole) = (false, false);
        let mut new = Vec::with_capacity(messages.len());
        for message in &messages {
            let hidden = of.and_then(|of| replaced(message, of, &mut |path, leaf| self.value(path, leaf)));
            changed |= hidden.is_some();
            let left = hidden.unwrap_or_else(|| message.to_vec());
            if left.len() >= MIN_NAMED && (suspect || holds_secret(&left, of)) {
                (changed, as_a_whole) = (true, true);
                new.push(self.filled(message));
            } else {
                new.push(left);
            }
        }
        let mut trailers = reply.sent_trailers().to_vec();
        for (name, value) in &mut trailers {
            let plain = || is_call_message(name) && secrets::holds_secret(value);
            let hidden = self.field(name.as_bytes(), value);
            if let Some(hidden) = hidden.or_else(|| plain().then(|| self.key.hash(value).into_bytes())) {
                *value = hidden;
                changed = true;
            }
        }
        if !changed {
            return Some(Payload::Same);
        }
        Some(Payload::Call {
            body: reply.rewritten(&new, &trailers),
            as_a_whole,
        })
    }

    /// The value that takes the place of one in a message, if something does.
    fn value(&self, path: &[String], leaf: Leaf<'_>) -> Option<Vec<u8>> {
        let wanted = path.iter().any(|name| secrets::is_secret_member(name));
        let name = path.last().map_or("", String::as_str);
        let hidden = match leaf {
            Leaf::Bytes(bytes) => {
                let text = std::str::from_utf8(bytes);
                let is_worth = || text.map_or(!is_hash(bytes), |text| is_worth_hiding(name, text));
                (wanted && is_worth()) || secrets::holds_secret(bytes)
            }
            Leaf::Number(number) => wanted && !is_time(name, &number.to_string(), true),
        };
        hidden.then(|| match leaf {
            Leaf::Bytes(bytes) => self.key.hash(bytes).into_bytes(),
            Leaf::Number(number) => self.key.hash(&number.to_le_bytes()).into_bytes(),
        })
    }
}

fn is_call_message(name: &str) -> bool {
    name == "grpc-message"
}

/// Whether a message still holds what may be a secret: one whose name stands beside it, or, of a message whose names nobody knows, the
/// name of one.
fn holds_secret(message: &[u8], of: Option<&MessageDescriptor>) -> bool {
    let Some(of) = of else {
        return secrets::has_word_of_any_width(message) || !secrets::userinfo(message).is_empty();
    };
    let Some(text) = shown_as(message, of) else {
        return secrets::has_word_of_any_width(message);
    };
    let mut found = false;
    leaves(&text, PAIRS, |leaf| {
        found |= leaf.wanted
            && match &leaf.value {
                Scalar::String(text) => is_worth_hiding(leaf.name, text),
                Scalar::Number(_) => true,
            };
    });
    found
}

//! Which users are left out, by something that each of them sends again and again.

use super::credentials::cookies;
use super::draft::Draft;
use super::hash::HashShare;

/// The part of a request that tells users apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// The value of the first header of this name.
    Header(Box<str>),
    /// The value of the query parameter of this name, as sent.
    Parameter(Box<str>),
    /// The value of the first cookie of this name.
    Cookie(Box<str>),
    /// The client's address, as text.
    Client,
}

/// A share of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limiter {
    /// The part that tells them apart.
    pub user: User,
    /// How many of them.
    pub share: HashShare,
}

impl Limiter {
    /// Whether the user who sent this is in. Who cannot be told apart from others, for want of a value, is; but a query
    /// parameter that is empty has a value, as in `GoReplay`.
    pub(super) fn takes(&self, draft: &Draft<'_>) -> bool {
        let all = |value: Option<&[u8]>| value.is_none_or(|value| self.share.takes(value));
        let takes = |value: Option<&[u8]>| all(value.filter(|value| !value.is_empty()));
        match &self.user {
            User::Header(name) => takes(draft.first(name)),
            User::Parameter(name) => all(draft.parameter(name)),
            User::Cookie(name) => takes(
                draft
                    .first("cookie")
                    .and_then(|field| cookies(field, name).next()),
            ),
            User::Client => takes(Some(draft.client.to_string().as_bytes())),
        }
    }
}

//! One way in which the shadow's answer is not production's.

use serde::{Deserialize, Serialize};

/// The kind of a difference. A name of it, in lower case, is part of what users write in rules and read in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Another status code, of HTTP or of gRPC.
    Status,
    /// Another value of the same type.
    Value,
    /// A value of another type: a contract may be broken.
    Type,
    /// Production has it, and the shadow does not.
    Missing,
    /// The shadow has it, and production does not.
    Extra,
    /// The same elements in another order.
    Order,
    /// Another number of elements, or of bytes where they cannot be looked into.
    Length,
    /// The shadow's body cannot be read as what production's is: broken JSON, another content type, a coding that cannot be
    /// undone.
    Unreadable,
    /// There are more differences than are listed.
    More,
}

impl Kind {
    /// The kind of the same difference with the answers the other way round.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Missing => Self::Extra,
            Self::Extra => Self::Missing,
            other => other,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Value => "value",
            Self::Type => "type",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Order => "order",
            Self::Length => "length",
            Self::Unreadable => "unreadable",
            Self::More => "more",
        }
    }
}

/// A difference between two answers.
///
/// The path is a template, the same for all differences of one origin: `status`; `header.NAME` in lower case
/// (`header.set-cookie.NAME` for a cookie); `$.items[*].price` for JSON (elements of arrays as `[*]`, and as `[id=*]` where
/// they are matched by a key; names that are ids collapse to `*`); `form.NAME`; `html main > p.price` for pages and
/// `xml feed > updated` for XML, `html a.next@href` for an attribute, `html #state $.total` for JSON in a page; `text['took']` for
/// what stands behind that word in a line; `body` for anything else. Answers of gRPC have `grpc-status`, `grpc-message`, `trailer.NAME`,
/// and `$` for their messages: by names (`$.items[*].price`), or by numbers (`$.3[*].2`) where nobody knows the names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Where it is.
    pub path: String,
    /// Its kind.
    pub kind: Kind,
    /// Production's value, cut short where it is long; `None` where there is none.
    pub production: Option<String>,
    /// The shadow's.
    pub shadow: Option<String>,
}

//! The status of a call: `grpc-status` and `grpc-message`.

/// A status code of gRPC (`grpc/doc/statuscodes.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "their names are what gRPC calls them")]
pub enum Code {
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

/// All codes in their order, with their names and the status code of HTTP that `google/rpc/code.proto` gives for each.
const CODES: [(Code, &str, u16); 17] = [
    (Code::Ok, "OK", 200),
    (Code::Cancelled, "CANCELLED", 499),
    (Code::Unknown, "UNKNOWN", 500),
    (Code::InvalidArgument, "INVALID_ARGUMENT", 400),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED", 504),
    (Code::NotFound, "NOT_FOUND", 404),
    (Code::AlreadyExists, "ALREADY_EXISTS", 409),
    (Code::PermissionDenied, "PERMISSION_DENIED", 403),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED", 429),
    (Code::FailedPrecondition, "FAILED_PRECONDITION", 400),
    (Code::Aborted, "ABORTED", 409),
    (Code::OutOfRange, "OUT_OF_RANGE", 400),
    (Code::Unimplemented, "UNIMPLEMENTED", 501),
    (Code::Internal, "INTERNAL", 500),
    (Code::Unavailable, "UNAVAILABLE", 503),
    (Code::DataLoss, "DATA_LOSS", 500),
    (Code::Unauthenticated, "UNAUTHENTICATED", 401),
];

impl Code {
    /// The code that `grpc-status` says. A number that gRPC does not know, and what is no number, is [`Code::Unknown`], as clients take it.
    pub fn of(value: &[u8]) -> Self {
        let number = std::str::from_utf8(value.trim_ascii())
            .ok()
            .and_then(|text| text.parse::<usize>().ok());
        number
            .and_then(|number| CODES.get(number))
            .map_or(Self::Unknown, |(code, _, _)| *code)
    }

    /// Its name: `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        CODES[self as usize].1
    }

    /// The status code of HTTP that says the same (`google/rpc/code.proto`).
    pub fn as_http(self) -> u16 {
        CODES[self as usize].2
    }

    /// Whether it is the server's fault: UNKNOWN, `DEADLINE_EXCEEDED`, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and `DATA_LOSS`.
    ///
    /// gRPC's own documentation names no such class. Those are the codes that `google/rpc/code.proto` maps to 5xx, and that
    /// OpenTelemetry's conventions for gRPC have a server's span marked as an error for.
    pub fn is_server_fault(self) -> bool {
        self.as_http() >= 500
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its code.
    pub code: Code,
    /// The code as it was sent: there are numbers beyond those that gRPC knows.
    pub sent: String,
    /// The message, decoded; empty where there is none.
    pub message: String,
}

impl Status {
    /// The status that these two fields say.
    pub(crate) fn of(status: &[u8], message: Option<&[u8]>) -> Self {
        Self {
            code: Code::of(status),
            sent: String::from_utf8_lossy(status).into_owned(),
            message: message.map(decoded_message).unwrap_or_default(),
        }
    }

    /// Its code as it is shown: by name, or as it was sent where it has none.
    pub fn shown(&self) -> &str {
        if self.code == Code::Unknown && self.sent != "2" {
            &self.sent
        } else {
            self.code.name()
        }
    }
}

/// The text of a `grpc-message`. What is no percent-encoding stays as it is, and bytes that are no UTF-8 become U+FFFD: a client
/// must not throw a message away because of them.
pub fn decoded_message(value: &[u8]) -> String {
    let hex = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, behind)) = rest.split_first() {
        if byte == b'%'
            && let [high, low, behind @ ..] = behind
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = behind;
        } else {
            out.push(byte);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_where_their_numbers_say() {
        for (at, (code, name, _)) in CODES.iter().enumerate() {
            assert_eq!(*code as usize, at);
            assert_eq!(Code::of(at.to_string().as_bytes()), *code);
            assert_eq!(code.name(), *name);
        }
        assert_eq!(Code::of(b"17"), Code::Unknown);
        assert_eq!(Code::of(b""), Code::Unknown);
        assert_eq!(Code::of(b"-1"), Code::Unknown);
        assert_eq!(Status::of(b"99", None).shown(), "99");
        assert_eq!(Status::of(b"2", None).shown(), "UNKNOWN");
    }

    #[test]
    fn six_codes_are_the_servers_fault() {
        let faults: Vec<_> = CODES.iter().filter(|(code, ..)| code.is_server_fault()).collect();
        let names: Vec<_> = faults.iter().map(|(_, name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "UNKNOWN",
                "DEADLINE_EXCEEDED",
                "UNIMPLEMENTED",
                "INTERNAL",
                "UNAVAILABLE",
                "DATA_LOSS"
            ]
        );
    }

    #[test]
    fn a_message_is_decoded_as_far_as_it_is_encoded() {
        for (sent, text) in [
            ("no such basket", "no such basket"),
            ("caf%C3%A9 100%25", "café 100%"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decoded_message(sent.as_bytes()), text);
        }
    }
}

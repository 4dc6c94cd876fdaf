//! The faults of the demo's next release: they were planted, each with a name by which it can be left out.

use std::str::FromStr;

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One product in a hundred has another price.
    Field,
    /// Large orders are answered 500.
    Status,
    /// Reports have lost their `Cache-Control`.
    Header,
    /// The search takes longer.
    Slow,
    /// A profile's addresses come in the opposite order.
    Order,
    /// One report in eight is cut short and says so in its length, which leaves broken JSON.
    Truncated,
    /// The connection closes inside the answer to one picture in ten.
    Closed,
    /// One product in a hundred has another stock, in a message of gRPC.
    Message,
    /// Large reservations fail with `INTERNAL`, a code of gRPC.
    Code,
    /// A method of gRPC takes longer.
    Method,
    /// The answers about one product in eight have lost a trailer.
    Trailer,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Field,
        Self::Status,
        Self::Header,
        Self::Slow,
        Self::Order,
        Self::Truncated,
        Self::Closed,
        Self::Message,
        Self::Code,
        Self::Method,
        Self::Trailer,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Status => "status",
            Self::Header => "header",
            Self::Slow => "slow",
            Self::Order => "order",
            Self::Truncated => "truncated",
            Self::Closed => "closed",
            Self::Message => "message",
            Self::Code => "code",
            Self::Method => "method",
            Self::Trailer => "trailer",
        }
    }
}

/// The faults that a server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// None: what production is.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every one.
    pub fn all() -> Self {
        Self(Fault::ALL.to_vec())
    }

    /// Whether this is one of them.
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

impl FromStr for Faults {
    type Err = String;

    /// `all`, `none`, or names with commas between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => return Ok(Self::all()),
            "none" => return Ok(Self::none()),
            _ => {}
        }
        let named = |name| {
            let found = Fault::ALL.into_iter().find(|fault| fault.name() == name);
            found.ok_or_else(|| {
                let names = Fault::ALL.map(Fault::name).join(", ");
                format!("unknown fault {name:?}: use some of {names}, or all, or none")
            })
        };
        text.split(',').map(named).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_one_by_one_or_all_together() {
        let some: Faults = "field,slow".parse().unwrap();
        assert!(some.has(Fault::Field) && some.has(Fault::Slow) && !some.has(Fault::Status));
        assert_eq!("all".parse(), Ok(Faults::all()));
        assert_eq!("none".parse(), Ok(Faults::none()));
        assert_eq!(
            "fields".parse::<Faults>().unwrap_err(),
            "unknown fault \"fields\": use some of field, status, header, slow, order, truncated, closed, \
             message, code, method, trailer, or all, or none"
        );
    }
}

//! The production connection that a request came on: what a shadow connection is chosen by.

use crate::mirror::Exchange;

/// The client's end of a production connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output::http) struct Client {
    address: [u8; 16],
    port: u16,
}

impl Client {
    /// That of a request, as far as it is known: recordings may not tell it.
    pub(in crate::output::http) fn of(exchange: &Exchange) -> Option<Self> {
        let client = exchange.key.client;
        (client.port != 0).then_some(Self {
            address: client.address,
            port: client.port,
        })
    }
}

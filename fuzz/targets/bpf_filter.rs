//! Expressions of `--input-raw-bpf-filter`: no text makes the parser panic, an error points into the text, and what takes
//! a connection may take one to its server.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::tcp::{BpfFilter, Endpoint, FlowKey};

fuzz_target!(|data: &[u8]| {
    let Some((flow, text)) = data.split_first_chunk::<12>() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let filter = match text.parse::<BpfFilter>() {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.column <= text.chars().count());
            assert!(!error.problem.is_empty() && !error.help.is_empty());
            return;
        }
    };
    let end = |bytes: &[u8]| {
        let address: [u8; 4] = bytes[..4].try_into().expect("four bytes");
        let port = u16::from_be_bytes([bytes[4], bytes[5]]);
        Endpoint::from(std::net::SocketAddr::from((address, port)))
    };
    let flow = FlowKey {
        client: end(&flow[..6]),
        server: end(&flow[6..]),
        scope: 0,
    };
    if filter.takes(&flow) {
        let server = flow.server.socket_addr();
        assert!(filter.may_take(Some(server.ip()), Some(server.port())));
        assert!(filter.may_take(None, Some(server.port())));
    }
});

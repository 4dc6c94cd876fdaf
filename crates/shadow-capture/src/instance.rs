//! Whose a filter is, and whether its agent lives.
//!
//! A filter of clsact outlives the process that made it, and says nothing of it. So an agent holds a netlink socket at a
//! port of its own, drawn at random, for as long as it lives, and the handles of its filters carry that number. The kernel
//! gives a port of a network namespace to one socket at a time and takes it back when the process ends, however that
//! ends: where the port is free, the agent is dead. Asking needs no capability, and the answer is right among
//! containers that share their network and not their processes.

use std::io;
use std::os::fd::OwnedFd;

use super::clsact::Filter;
use super::load::CLASSIFIERS;
use super::netlink::take_port;

/// Ports are of 2^30 to 2^31: above what the kernel and libraries make of the numbers of processes, and below the
/// kernel's own choices.
const FIRST_PORT: u32 = 1 << 30;

/// Set in the handle of a filter whose agent made the queueing discipline as well; always set in ports.
const MADE_CLSACT: u32 = 1;

/// Times that a port may turn out to be taken. Once is as good as impossible.
const TRIES: u32 = 8;

/// This agent, as others can tell it.
pub struct Instance {
    port: u32,
    _socket: OwnedFd,
}

impl Instance {
    /// Takes a port in the network namespace of the calling thread.
    pub fn new(mut random: impl FnMut() -> u32) -> io::Result<Self> {
        let mut tries = TRIES;
        loop {
            let port = port_of(random() % FIRST_PORT + FIRST_PORT);
            match take_port(port) {
                Ok(socket) => {
                    return Ok(Self {
                        port,
                        _socket: socket,
                    });
                }
                Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) && tries > 1 => tries -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The handle of this agent's filters on an interface; `made_clsact` where clsact goes with them.
    pub fn handle(&self, made_clsact: bool) -> u32 {
        self.port & !MADE_CLSACT | u32::from(made_clsact)
    }
}

fn port_of(handle: u32) -> u32 {
    handle | MADE_CLSACT
}

/// Whether an agent made this filter.
pub fn is_an_agents(filter: &Filter) -> bool {
    (FIRST_PORT..2 * FIRST_PORT).contains(&filter.handle) && CLASSIFIERS.contains(&filter.name.as_str())
}

/// Whether the agent that made a filter made clsact, too.
pub fn made_clsact(filter: &Filter) -> bool {
    filter.handle & MADE_CLSACT != 0
}

/// Whether the agent that made a filter lives. Where that cannot be told, it does.
pub fn owner_lives(filter: &Filter) -> bool {
    take_port(port_of(filter.handle)).is_err()
}

#[cfg(test)]
mod tests {
    use shadow_common::Side;

    use super::*;

    fn filter(handle: u32, name: &str) -> Filter {
        Filter {
            index: 1,
            side: Side::Ingress,
            priority: 1,
            handle,
            name: name.to_owned(),
        }
    }

    #[test]
    fn an_agents_filters_are_its_own_for_as_long_as_it_lives() {
        let agent = Instance::new(|| 0x0765_4321).unwrap();
        assert_eq!(
            [agent.handle(false), agent.handle(true)],
            [0x4765_4320, 0x4765_4321]
        );
        for made in [false, true] {
            let filter = filter(agent.handle(made), "shadow_l2_in");
            assert!(is_an_agents(&filter) && owner_lives(&filter));
            assert_eq!(made_clsact(&filter), made);
        }
        let handle = agent.handle(true);
        drop(agent);
        assert!(!owner_lives(&filter(handle, "shadow_l2_in")));
    }

    #[test]
    fn another_port_is_drawn_where_one_is_taken() {
        let _first = Instance::new(|| 0x0765_1111).unwrap();
        let mut draws = [0x0765_1110, 0x0765_1113].into_iter();
        let second = Instance::new(|| draws.next().unwrap()).unwrap();
        assert_eq!(second.handle(true), 0x4765_1113);
        assert!(Instance::new(|| 0x0765_1111).is_err());
    }

    #[test]
    fn filters_of_others_are_not_taken_for_an_agents() {
        for (handle, name) in [
            (1, "shadow_l2_in"),
            (0x4765_4320, "cil_from_netdev"),
            (0x4765_4320, ""),
            (0x8000_0001, "shadow_l2_in"),
        ] {
            assert!(!is_an_agents(&filter(handle, name)), "{handle:x} {name}");
        }
    }
}

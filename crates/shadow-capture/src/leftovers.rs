//! Leftovers in the kernel of agents that were killed, and their removal.
//!
//! Links go with the process. Before Linux 6.6 interfaces have none, and filters of clsact stay; what they lead to has gone
//! with the agent (`trampoline.rs`), so that they pass everything on and hold nothing, but they are there.

use std::collections::BTreeSet;
use std::io;

use nix::net::if_::if_indextoname;
use tracing::{debug, info};

use super::clsact::{Clsact, Filter};
use super::instance::{is_an_agents, made_clsact, owner_lives};

/// Names of the interfaces of this network namespace that have filters of agents that are dead. Needs no capability.
///
/// # Errors
///
/// Where netlink cannot be asked for interfaces and filters, or a program's state cannot be read.
pub fn leftovers() -> io::Result<BTreeSet<String>> {
    let mut clsact = Clsact::new()?;
    let mut found = BTreeSet::new();
    for index in clsact.interfaces()? {
        if !of_the_dead(&mut clsact, index)?.is_empty() {
            found.insert(name(index));
        }
    }
    Ok(found)
}

/// Removes the filters of agents that are dead from every interface of this network namespace, and clsact where one of
/// them made it and nobody uses it; names of the interfaces. Needs `CAP_NET_ADMIN`.
///
/// # Errors
///
/// As [`leftovers`], and the first removal that the kernel refused: the other interfaces have been cleared.
pub fn remove_leftovers() -> io::Result<BTreeSet<String>> {
    let mut clsact = Clsact::new()?;
    let mut cleared = BTreeSet::new();
    let mut first_failure = Ok(());
    for index in clsact.interfaces()? {
        match clear(&mut clsact, index) {
            Ok(0) => {}
            Ok(filters) => {
                info!(
                    interface = name(index),
                    filters, "removed programs of a killed agent"
                );
                cleared.insert(name(index));
            }
            Err(error) if if_indextoname(index).is_err() => debug!(index, %error, "the interface is gone"),
            Err(error) if first_failure.is_ok() => first_failure = Err(error),
            Err(error) => debug!(index, %error, "cannot remove programs of a killed agent"),
        }
    }
    first_failure.map(|()| cleared)
}

/// Removes clsact from an interface where nothing is attached by it.
pub fn remove_if_unused(clsact: &mut Clsact, index: u32) -> io::Result<()> {
    if clsact.filters(index)?.is_empty() {
        clsact.remove(index)?;
    }
    Ok(())
}

/// How many filters it removed.
fn clear(clsact: &mut Clsact, index: u32) -> io::Result<usize> {
    let dead = of_the_dead(clsact, index)?;
    for filter in &dead {
        clsact.remove_filter(filter)?;
    }
    if dead.iter().any(made_clsact) {
        remove_if_unused(clsact, index)?;
    }
    Ok(dead.len())
}

fn of_the_dead(clsact: &mut Clsact, index: u32) -> io::Result<Vec<Filter>> {
    let mut filters = clsact.filters(index)?;
    filters.retain(|filter| is_an_agents(filter) && !owner_lives(filter));
    Ok(filters)
}

fn name(index: u32) -> String {
    if_indextoname(index).map_or_else(
        |_| format!("#{index}"),
        |name| name.to_string_lossy().into_owned(),
    )
}

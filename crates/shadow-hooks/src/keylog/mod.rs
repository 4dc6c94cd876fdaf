//! The internal function that TLS libraries in C write lines of the NSS key log with, found by who refers to the labels.
//!
//! OpenSSL 1.1.1, `BoringSSL` and `GnuTLS` have one, `(connection, label, secret, length)`, without a symbol, and call it for
//! each secret whether a log is written or not: the check is inside. So code that puts a label's address in the second
//! argument and calls a function soon after votes for that function; two different labels elect it.

mod amd64;
mod arm64;

use std::collections::HashMap;

use crate::NoHook;
use crate::elf::Elf;
use crate::image::Reader;
use crate::machine::Machine;

/// Labels of the NSS key log as C has them.
const LABELS: [&[u8]; 8] = [
    b"CLIENT_RANDOM\0",
    b"CLIENT_EARLY_TRAFFIC_SECRET\0",
    b"CLIENT_HANDSHAKE_TRAFFIC_SECRET\0",
    b"SERVER_HANDSHAKE_TRAFFIC_SECRET\0",
    b"CLIENT_TRAFFIC_SECRET_0\0",
    b"SERVER_TRAFFIC_SECRET_0\0",
    b"EXPORTER_SECRET\0",
    b"EARLY_EXPORTER_SECRET\0",
];

/// Places at most where one label stands: the library's, and copies of it.
const MAX_PLACES: usize = 16;

/// Bytes at most between a label's load and the call.
const MAX_BETWEEN: usize = 48;

/// Bytes of code from the beginning of a load to the end of the call.
const REACH: usize = 80;

/// Functions at most that are voted for; each costs a few bytes until the count.
const MAX_CANDIDATES: usize = 4096;

/// Different labels that elect a function: a single one may be an accident.
const QUORUM: u32 = 2;

/// Which labels each function was called with, as bits.
#[derive(Debug, Default)]
struct Votes(HashMap<u64, u8>);

impl Votes {
    fn give(&mut self, function: u64, label: u8) {
        if self.0.len() < MAX_CANDIDATES || self.0.contains_key(&function) {
            *self.0.entry(function).or_default() |= 1 << label;
        }
    }

    /// Those with a quorum and as many labels as any.
    fn elected(&self) -> Vec<u64> {
        let most = self
            .0
            .values()
            .map(|labels| labels.count_ones())
            .max()
            .unwrap_or_default();
        let best = |labels: &u8| labels.count_ones() >= QUORUM.max(most);
        let mut elected: Vec<u64> = self.0.iter().filter(|(_, l)| best(l)).map(|(f, _)| *f).collect();
        elected.sort_unstable();
        elected
    }
}

/// Addresses of labels, each with its number.
type Labels = HashMap<u64, u8>;

/// Addresses of the functions that write the key log, normally one or none.
pub(crate) fn functions(reader: &Reader<'_>, elf: &Elf) -> Result<Vec<u64>, NoHook> {
    let labels = labels(reader, elf)?;
    let mut different: Vec<u8> = labels.values().copied().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < QUORUM as usize {
        return Ok(Vec::new());
    }
    let mut votes = Votes::default();
    for range in elf.loaded(|segment| segment.executable) {
        reader.windows(range, REACH, |offset, bytes, own| {
            if let Some(address) = elf.code_address(offset) {
                match elf.machine {
                    Machine::Amd64 => amd64::count(address, bytes, own, &labels, &mut votes),
                    Machine::Arm64 => arm64::count(address, bytes, own, &labels, &mut votes),
                }
            }
            Ok(())
        })?;
    }
    Ok(votes.elected())
}

fn labels(reader: &Reader<'_>, elf: &Elf) -> Result<Labels, NoHook> {
    let mut labels = Labels::new();
    for range in elf.loaded(|_| true) {
        let found = reader.find(range, LABELS, MAX_PLACES)?;
        for (label, places) in found.iter().enumerate() {
            for address in places.iter().filter_map(|place| elf.address_of(*place)) {
                // A longer label that ends in a shorter one has been seen at an address of its own.
                labels.insert(address, label as u8);
            }
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_labels_elect_a_function() {
        let mut votes = Votes::default();
        votes.give(0x1000, 3);
        votes.give(0x1000, 3);
        assert_eq!(votes.elected(), []);
        votes.give(0x1000, 4);
        votes.give(0x2000, 5);
        assert_eq!(votes.elected(), [0x1000]);
    }

    #[test]
    fn of_two_the_one_with_more_labels_is_elected() {
        let mut votes = Votes::default();
        for (function, label) in [(0x1000, 0), (0x1000, 1), (0x2000, 2), (0x2000, 3), (0x2000, 4)] {
            votes.give(function, label);
        }
        assert_eq!(votes.elected(), [0x2000]);
        // Two copies of a library.
        votes.give(0x1000, 4);
        assert_eq!(votes.elected(), [0x1000, 0x2000]);
    }
}

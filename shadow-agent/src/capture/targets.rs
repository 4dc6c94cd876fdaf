//! The maps that say which packets are meant, kept as a plan has it. They change while the programs run.

use std::collections::BTreeMap;

use aya::maps::{Array, HashMap, MapData, MapError};
use shadow_common::{MAX_TARGETS, MatchOn, PORT_WORDS, TargetKey};

use super::error::CaptureError;

/// The port bitmap and the target map.
pub struct Targets {
    ports: Array<MapData, u64>,
    map: HashMap<MapData, TargetKey, MatchOn>,
    /// What is in `map`.
    current: BTreeMap<TargetKey, MatchOn>,
    /// What is in `ports`.
    words: Box<[u64]>,
}

impl Targets {
    /// Over maps that are empty yet.
    pub fn new(ports: Array<MapData, u64>, map: HashMap<MapData, TargetKey, MatchOn>) -> Self {
        Self {
            ports,
            map,
            current: BTreeMap::new(),
            words: vec![0; PORT_WORDS as usize].into(),
        }
    }

    /// Whether the maps hold exactly `wanted` already.
    pub fn are(&self, wanted: &BTreeMap<TargetKey, MatchOn>) -> bool {
        self.current == *wanted
    }

    /// Makes the maps hold exactly `wanted`. What two targets mean, of which one goes and one comes, is watched all
    /// the while.
    pub fn set(&mut self, wanted: &BTreeMap<TargetKey, MatchOn>) -> Result<(), CaptureError> {
        self.add(wanted)?;
        self.remove_others(wanted)
    }

    /// Adds what is new in `wanted`. Where the map has no room for old and new, the old goes first.
    pub fn add(&mut self, wanted: &BTreeMap<TargetKey, MatchOn>) -> Result<(), CaptureError> {
        if wanted.len() > MAX_TARGETS as usize {
            return Err(CaptureError::TooManyTargets {
                targets: wanted.len(),
            });
        }
        let new = wanted
            .keys()
            .filter(|key| !self.current.contains_key(key))
            .count();
        if self.current.len() + new > MAX_TARGETS as usize {
            self.remove_others(wanted)?;
        }
        for (key, on) in wanted {
            if self.current.get(key) != Some(on) {
                self.map.insert(key, on, 0).map_err(failed)?;
                self.current.insert(*key, *on);
            }
        }
        self.set_ports()
    }

    /// Removes what is not in `wanted`.
    pub fn remove_others(&mut self, wanted: &BTreeMap<TargetKey, MatchOn>) -> Result<(), CaptureError> {
        let gone: Vec<_> = self
            .current
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .copied()
            .collect();
        for key in gone {
            self.map.remove(&key).map_err(failed)?;
            self.current.remove(&key);
        }
        self.set_ports()
    }

    fn set_ports(&mut self) -> Result<(), CaptureError> {
        let wanted = bitmap(&self.current);
        for (index, (current, wanted)) in self.words.iter_mut().zip(&wanted).enumerate() {
            if current != wanted {
                self.ports
                    .set(index as u32, *wanted, 0)
                    .map_err(|source| CaptureError::Map { map: "PORTS", source })?;
                *current = *wanted;
            }
        }
        Ok(())
    }
}

fn failed(source: MapError) -> CaptureError {
    CaptureError::Map {
        map: "TARGETS",
        source,
    }
}

fn bitmap(targets: &BTreeMap<TargetKey, MatchOn>) -> Vec<u64> {
    let mut words = vec![0; PORT_WORDS as usize];
    for key in targets.keys() {
        words[usize::from(key.port() / 64)] |= 1 << (key.port() % 64);
    }
    words
}

#[cfg(test)]
mod tests {
    use shadow_common::{Address, Side};

    use super::*;

    #[test]
    fn the_bitmap_has_one_bit_for_each_port_however_many_targets_have_it() {
        let on = MatchOn::requests(Side::Ingress);
        let targets = BTreeMap::from([
            (TargetKey::new(Address::ANY, 80, 0), on),
            (TargetKey::new(Address::ANY, 80, 1), on),
            (TargetKey::new(Address::ANY, 65_535, 0), on),
        ]);
        let words = bitmap(&targets);
        assert_eq!((words[1], words[1023]), (1 << 16, 1 << 63));
        assert_eq!(words.iter().map(|word| word.count_ones()).sum::<u32>(), 2);
    }
}

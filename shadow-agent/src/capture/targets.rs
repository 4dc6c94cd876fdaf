//! The maps that say which packets are meant, kept as a plan has it. They change while the programs run.

use std::collections::BTreeMap;

use aya::maps::{Array, HashMap, MapData};
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

    /// Makes the maps hold exactly `wanted`. A target that stays is watched all the while.
    pub fn set(&mut self, wanted: &BTreeMap<TargetKey, MatchOn>) -> Result<(), CaptureError> {
        if wanted.len() > MAX_TARGETS as usize {
            return Err(CaptureError::TooManyTargets {
                targets: wanted.len(),
            });
        }
        let failed = |source| CaptureError::Map {
            map: "TARGETS",
            source,
        };
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
        for (key, on) in wanted {
            if self.current.get(key) != Some(on) {
                self.map.insert(key, on, 0).map_err(failed)?;
                self.current.insert(*key, *on);
            }
        }
        self.set_ports(&bitmap(wanted))
    }

    fn set_ports(&mut self, wanted: &[u64]) -> Result<(), CaptureError> {
        for (index, (current, wanted)) in self.words.iter_mut().zip(wanted).enumerate() {
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

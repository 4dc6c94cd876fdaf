//! The maps that say which packets are meant, kept as a plan has it. They change while the programs run.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, MapError};
use shadow_common::{MAX_PODS, MAX_TARGETS, MatchOn, PORT_WORDS, PodKey, TargetKey};

use super::error::CaptureError;
use super::load::take_map;

/// The maps as the object has them.
pub struct TargetMaps {
    /// `PORTS`.
    pub ports: Array<MapData, u64>,
    /// `TARGETS`.
    pub targets: HashMap<MapData, TargetKey, MatchOn>,
    /// `PODS`.
    pub pods: HashMap<MapData, PodKey, MatchOn>,
    /// `POD_LEVELS`.
    pub levels: Array<MapData, u32>,
}

impl TargetMaps {
    /// Takes them out of the object.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, CaptureError> {
        Ok(Self {
            ports: take_map(ebpf, "PORTS")?,
            targets: take_map(ebpf, "TARGETS")?,
            pods: take_map(ebpf, "PODS")?,
            levels: take_map(ebpf, "POD_LEVELS")?,
        })
    }
}

/// The port bitmap, the target map and the map of pods.
pub struct Targets {
    maps: TargetMaps,
    /// The content of the map of targets.
    current: BTreeMap<TargetKey, MatchOn>,
    /// The content of the map of pods.
    pods: BTreeMap<PodKey, MatchOn>,
    /// The content of the word of levels.
    levels: u32,
    /// The content of `ports`.
    words: Box<[u64]>,
}

impl Targets {
    /// Over maps that are empty yet.
    pub fn new(maps: TargetMaps) -> Self {
        Self {
            maps,
            current: BTreeMap::new(),
            pods: BTreeMap::new(),
            levels: 0,
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
                self.maps.targets.insert(key, on, 0).map_err(failed)?;
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
            self.maps.targets.remove(&key).map_err(failed)?;
            self.current.remove(&key);
        }
        self.set_ports()
    }

    /// Makes the map of pods hold exactly `wanted`, whose cgroups are at these levels. What goes is
    /// watched no more before what comes is.
    pub fn set_pods(&mut self, wanted: &BTreeMap<PodKey, MatchOn>, levels: u32) -> Result<(), CaptureError> {
        let refused = |source| CaptureError::Map { map: "PODS", source };
        if wanted.len() > MAX_PODS as usize {
            return Err(CaptureError::TooManyPods { pods: wanted.len() });
        }
        if self.pods == *wanted && self.levels == levels {
            return Ok(());
        }
        self.set_levels(self.levels | levels)?;
        let gone: Vec<_> = self
            .pods
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .copied()
            .collect();
        // A pod that is not meant any more goes first: the map has room then, and it is watched no moment too long.
        for key in gone {
            self.maps.pods.remove(&key).map_err(refused)?;
            self.pods.remove(&key);
        }
        for (key, on) in wanted {
            if self.pods.get(key) != Some(on) {
                self.maps.pods.insert(key, on, 0).map_err(refused)?;
                self.pods.insert(*key, *on);
            }
        }
        self.set_levels(levels)?;
        self.set_ports()
    }

    fn set_levels(&mut self, levels: u32) -> Result<(), CaptureError> {
        if self.levels != levels {
            self.maps
                .levels
                .set(0, levels, 0)
                .map_err(|source| CaptureError::Map {
                    map: "POD_LEVELS",
                    source,
                })?;
            self.levels = levels;
        }
        Ok(())
    }

    fn set_ports(&mut self) -> Result<(), CaptureError> {
        let ports = self.current.keys().map(TargetKey::port);
        let wanted = bitmap(ports.chain(self.pods.keys().map(PodKey::port)));
        for (index, (current, wanted)) in self.words.iter_mut().zip(&wanted).enumerate() {
            if current != wanted {
                self.maps
                    .ports
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

fn bitmap(ports: impl Iterator<Item = u16>) -> Vec<u64> {
    let mut words = vec![0; PORT_WORDS as usize];
    for port in ports {
        words[usize::from(port / 64)] |= 1 << (port % 64);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bitmap_has_one_bit_for_each_port_however_many_targets_have_it() {
        let words = bitmap([80, 80, 65_535].into_iter());
        assert_eq!((words[1], words[1023]), (1 << 16, 1 << 63));
        assert_eq!(words.iter().map(|word| word.count_ones()).sum::<u32>(), 2);
    }
}

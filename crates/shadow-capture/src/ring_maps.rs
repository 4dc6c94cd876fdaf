//! Makes the rings, one for each shard, and gives them to the programs in the array of maps `RINGS`.
//!
//! Not by the library's `RingBuf`: that maps the data twice, and so would count three times in the peak of what is resident
//! while [`Ring`] maps it for good.

use std::os::fd::AsFd;

use aya::Ebpf;
use aya::maps::{ArrayOfMaps, MapData, MapError};

use super::error::CaptureError;
use super::load::{RING, map_refused, missing, page_size};
use super::ring::Ring;
use super::settings::CaptureSettings;

/// `BPF_MAP_TYPE_RINGBUF` of the kernel's `enum bpf_map_type` (Linux 5.8).
const BPF_MAP_TYPE_RINGBUF: u32 = 27;

/// The map of rings. The programs need it open until they are loaded, so it stays in the object.
const OUTER: &str = "RINGS";

/// Makes as many rings of that size as there are shards. Inner maps of other sizes than the one that the array was made
/// after need Linux 5.10.
pub fn make_rings(ebpf: &mut Ebpf, settings: &CaptureSettings) -> Result<Vec<Ring>, CaptureError> {
    let refused = |source| CaptureError::Map { map: OUTER, source };
    let outer = ebpf.map_mut(OUTER).ok_or_else(|| missing(OUTER))?;
    let mut outer: ArrayOfMaps<_, MapData> = outer.try_into().map_err(refused)?;
    (0..settings.shards)
        .map(|shard| {
            let ring = make_ring(shard, settings)?;
            outer.set(shard as u32, &ring, 0).map_err(refused)?;
            map(&ring, settings)
        })
        .collect()
}

fn make_ring(shard: usize, settings: &CaptureSettings) -> Result<MapData, CaptureError> {
    let definition = aya_obj::Map::new_from_params(BPF_MAP_TYPE_RINGBUF, 0, 0, settings.ring_bytes, 0);
    MapData::create(definition, &format!("{RING}{shard}"), None).map_err(|error| map_refused(error, settings))
}

/// Maps the ring as it is read.
fn map(ring: &MapData, settings: &CaptureSettings) -> Result<Ring, CaptureError> {
    let file = ring.fd().as_fd().try_clone_to_owned();
    file.and_then(|file| Ring::map(file, page_size() as usize, settings.ring_bytes as usize))
        .map_err(|error| map_refused(MapError::IoError(error), settings))
}

//! A ring made for a moment, to see whether the kernel gives one.

use std::error::Error;

use aya::maps::MapData;

/// linux/bpf.h: `BPF_MAP_TYPE_RINGBUF`.
const RINGBUF: u32 = 27;

/// Makes a ring of so many bytes and lets go of it.
///
/// # Errors
///
/// Where the kernel refuses the ring: the innermost cause, as text.
pub fn try_ring(bytes: u32) -> Result<(), String> {
    let ring = aya_obj::Map::new_from_params(RINGBUF, 0, 0, bytes, 0);
    match MapData::create(ring, "doctor", None) {
        Ok(_) => Ok(()),
        Err(error) => {
            let mut cause: &dyn Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            Err(cause.to_string())
        }
    }
}

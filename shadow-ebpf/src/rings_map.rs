//! The array of maps that holds the rings, and the type information that says what kind of maps it holds.
//!
//! The kernel makes an array of maps after the pattern of an inner one, and loaders read which that is from BTF alone.
//! A compiler writes BTF only with debug information, which brings paths of the machine and line tables that kernels
//! refuse for `cgroup_skb` programs. So the few types are written here as they stand in the section: fields of a map
//! are members that point to an array, whose length is the value (`Documentation/bpf/btf.rst`; `libbpf.c`,
//! `parse_btf_map_def`).

use aya_ebpf::bindings::bpf_map_type::{BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_RINGBUF};
use shadow_common::MAX_SHARDS;

/// The rings by shard. The agent makes them after loading, of the size that it is asked for, and puts them in. Array of
/// maps: Linux 4.12; ring: 5.8; inner maps of another size than their pattern (`bpf_map_meta_equal`): 5.10.
#[unsafe(link_section = ".maps")]
#[unsafe(no_mangle)]
pub static RINGS: [u64; OUTER_WORDS] = [0; OUTER_WORDS];

/// Bytes of the pattern: a power of two and whole pages, whatever the size of a page (4 to 64 KiB).
const PATTERN_BYTES: u32 = 64 * 1024;

/// Members of the two structs; each takes 8 bytes, but for the last of the outer one, which is an array of none.
const OUTER_WORDS: usize = 4;
const INNER_WORDS: usize = 2;

/// Kinds of types (`linux/btf.h`), as they stand in a type's second word.
const INT: u32 = 1 << 24;
const PTR: u32 = 2 << 24;
const ARRAY: u32 = 3 << 24;
const STRUCT: u32 = 4 << 24;
const VAR: u32 = 14 << 24;
const DATASEC: u32 = 15 << 24;

/// Offsets of names in [`NAMES`].
const NO_NAME: u32 = 0;
const NAME_INT: u32 = 1;
const NAME_TYPE: u32 = 5;
const NAME_KEY_SIZE: u32 = 10;
const NAME_VALUE_SIZE: u32 = 19;
const NAME_MAX_ENTRIES: u32 = 30;
const NAME_VALUES: u32 = 42;
const NAME_RINGS: u32 = 49;
const NAME_SECTION: u32 = 55;
const NAMES: [u8; 64] = *b"\0int\0type\0key_size\0value_size\0max_entries\0values\0RINGS\0.maps\0\0\0\0";

/// Numbers of types: they count from 1 in the order in which they stand in [`TYPES`].
const INT_TYPE: u32 = 1;
const INNER: u32 = 12;
const INNER_POINTER: u32 = 13;
const OUTER: u32 = 15;
const RINGS_VARIABLE: u32 = 16;

#[rustfmt::skip]
const TYPES: [u32; 95] = [
    // 1: int, 4 bytes, 32 bits.
    NAME_INT, INT, 4, 32,
    // 2 to 11: for each value an array of so many, and a pointer to it.
    NO_NAME, ARRAY, 0, INT_TYPE, INT_TYPE, BPF_MAP_TYPE_ARRAY_OF_MAPS,  NO_NAME, PTR, 2,
    NO_NAME, ARRAY, 0, INT_TYPE, INT_TYPE, size_of::<u32>() as u32,     NO_NAME, PTR, 4,
    NO_NAME, ARRAY, 0, INT_TYPE, INT_TYPE, MAX_SHARDS as u32,           NO_NAME, PTR, 6,
    NO_NAME, ARRAY, 0, INT_TYPE, INT_TYPE, BPF_MAP_TYPE_RINGBUF,        NO_NAME, PTR, 8,
    NO_NAME, ARRAY, 0, INT_TYPE, INT_TYPE, PATTERN_BYTES,               NO_NAME, PTR, 10,
    // 12: the pattern; members are name, type, offset in bits.
    NO_NAME, STRUCT | INNER_WORDS as u32, INNER_WORDS as u32 * 8,
    NAME_TYPE, 9, 0,
    NAME_MAX_ENTRIES, 11, 64,
    // 13 and 14: a pointer to it, and an array of none of those.
    NO_NAME, PTR, INNER,
    NO_NAME, ARRAY, 0, INNER_POINTER, INT_TYPE, 0,
    // 15: the array of maps.
    NO_NAME, STRUCT | (OUTER_WORDS as u32 + 1), OUTER_WORDS as u32 * 8,
    NAME_TYPE, 3, 0,
    NAME_KEY_SIZE, 5, 64,
    NAME_VALUE_SIZE, 5, 128,
    NAME_MAX_ENTRIES, 7, 192,
    NAME_VALUES, 14, 256,
    // 16: the variable, global; 17: the section that it is in.
    NAME_RINGS, VAR, OUTER, 1,
    NAME_SECTION, DATASEC | 1, OUTER_WORDS as u32 * 8,
    RINGS_VARIABLE, 0, OUTER_WORDS as u32 * 8,
];

/// The section `.BTF`: a header, the types and their names.
#[repr(C)]
pub struct Btf {
    magic_version_flags: u32,
    header_bytes: u32,
    /// Offsets count from the end of the header.
    types_offset: u32,
    types_bytes: u32,
    names_offset: u32,
    names_bytes: u32,
    types: [u32; TYPES.len()],
    names: [u8; NAMES.len()],
}

#[unsafe(link_section = ".BTF")]
#[unsafe(no_mangle)]
pub static BTF: Btf = Btf {
    magic_version_flags: 0x0001_eb9f,
    header_bytes: 24,
    types_offset: 0,
    types_bytes: size_of::<[u32; TYPES.len()]>() as u32,
    names_offset: size_of::<[u32; TYPES.len()]>() as u32,
    names_bytes: NAMES.len() as u32,
    types: TYPES,
    names: NAMES,
};

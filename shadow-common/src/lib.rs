//! Types that cross the kernel boundary: ring records, map keys and counters, laid out alike on both sides.
//!
//! Nothing else belongs here: the kernel programs and the agent agree on these bytes and on nothing more.
#![no_std]

//! The kernel programs by themselves, run on built packets with `BPF_PROG_TEST_RUN`. They need root, and attach to
//! nothing.

mod copying;
mod kernel;
mod packets;
mod parsing;
mod selecting;

//! The kernel programs by themselves, run on built packets with `BPF_PROG_TEST_RUN` (these need root, and attach to
//! nothing), and the plans for attaching them.

mod copying;
mod following;
mod kernel;
pub(super) mod packets;
mod parsing;
mod planning;
mod selecting;
mod verifying;
mod vlans;

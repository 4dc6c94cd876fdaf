//! The kernel programs: they see every packet at their hook, copy those of the watched endpoints into a ring,
//! and count each one that they do not copy. They never change, delay or linearise a packet.
//!
//! Built for the BPF target by `cargo xtask build-ebpf`; for the host this is an empty program, so that
//! `cargo build --workspace` works without the BPF toolchain.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod add;
#[cfg(target_arch = "bpf")]
mod count;
#[cfg(target_arch = "bpf")]
mod emit;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod observe;
#[cfg(target_arch = "bpf")]
mod parse;
#[cfg(target_arch = "bpf")]
mod programs;
#[cfg(target_arch = "bpf")]
mod rings;
#[cfg(target_arch = "bpf")]
mod rings_map;
#[cfg(target_arch = "bpf")]
mod select;

#[cfg(not(target_arch = "bpf"))]
fn main() {}

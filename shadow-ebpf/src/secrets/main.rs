//! The probe at TLS libraries: it sees the calls that derive secrets, copies those that open records of the selected
//! processes into a ring, and counts each one that it does not copy. It changes nothing, and reads what the function was
//! given and nothing else.
//!
//! An object of its own, loaded only where it is asked for. Built for the BPF target by `cargo xtask build-ebpf`; for the
//! host this is an empty program.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
#[path = "../add.rs"]
mod add;
#[cfg(target_arch = "bpf")]
mod arguments;
#[cfg(target_arch = "bpf")]
mod hkdf;
#[cfg(target_arch = "bpf")]
mod key_log;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod memory;
#[cfg(target_arch = "bpf")]
mod openssl;
#[cfg(target_arch = "bpf")]
mod prf;
#[cfg(target_arch = "bpf")]
mod programs;
#[cfg(target_arch = "bpf")]
mod take;
#[cfg(target_arch = "bpf")]
mod worker;

#[cfg(not(target_arch = "bpf"))]
fn main() {}

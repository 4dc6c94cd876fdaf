//! The entry points: one program for each kind of function, twice, as one that may sleep and as one that may not.
//!
//! Programs at user space may sleep since Linux 6.0; the agent loads those where they are attached by `uprobe_multi`
//! (6.6). The others need ring buffers and reading of user memory: Linux 5.8.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use shadow_common::HookKind;

use crate::arguments::Arguments;
use crate::memory::{Atomic, Sleeping};
use crate::take::take;
use crate::{hkdf, key_log, openssl, prf};

#[uprobe(sleepable)]
pub fn openssl_kdf_s(context: ProbeContext) -> u32 {
    take(
        HookKind::OpenSslKdf,
        Arguments(context.as_ptr()),
        openssl::read::<Sleeping>,
    );
    0
}

#[uprobe]
pub fn openssl_kdf(context: ProbeContext) -> u32 {
    take(
        HookKind::OpenSslKdf,
        Arguments(context.as_ptr()),
        openssl::read::<Atomic>,
    );
    0
}

#[uprobe(sleepable)]
pub fn key_log_s(context: ProbeContext) -> u32 {
    take(
        HookKind::KeyLogHelper,
        Arguments(context.as_ptr()),
        key_log::read::<Sleeping>,
    );
    0
}

#[uprobe]
pub fn key_log(context: ProbeContext) -> u32 {
    take(
        HookKind::KeyLogHelper,
        Arguments(context.as_ptr()),
        key_log::read::<Atomic>,
    );
    0
}

#[uprobe(sleepable)]
pub fn go_key_log_s(context: ProbeContext) -> u32 {
    take(
        HookKind::GoKeyLog,
        Arguments(context.as_ptr()),
        key_log::read_go::<Sleeping>,
    );
    0
}

#[uprobe]
pub fn go_key_log(context: ProbeContext) -> u32 {
    take(
        HookKind::GoKeyLog,
        Arguments(context.as_ptr()),
        key_log::read_go::<Atomic>,
    );
    0
}

#[uprobe(sleepable)]
pub fn aws_lc_hkdf_s(context: ProbeContext) -> u32 {
    take(
        HookKind::AwsLcHkdf,
        Arguments(context.as_ptr()),
        hkdf::read::<Sleeping>,
    );
    0
}

#[uprobe]
pub fn aws_lc_hkdf(context: ProbeContext) -> u32 {
    take(
        HookKind::AwsLcHkdf,
        Arguments(context.as_ptr()),
        hkdf::read::<Atomic>,
    );
    0
}

#[uprobe(sleepable)]
pub fn aws_lc_prf_s(context: ProbeContext) -> u32 {
    take(
        HookKind::AwsLcPrf,
        Arguments(context.as_ptr()),
        prf::read::<Sleeping>,
    );
    0
}

#[uprobe]
pub fn aws_lc_prf(context: ProbeContext) -> u32 {
    take(
        HookKind::AwsLcPrf,
        Arguments(context.as_ptr()),
        prf::read::<Atomic>,
    );
    0
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here can panic; the verifier refuses a program that loops for ever.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

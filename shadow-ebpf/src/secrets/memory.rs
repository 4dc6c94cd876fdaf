//! Reading a process's memory: as a program that may sleep (Linux 6.6 and later), which waits for a page that is not
//! there yet, and as one that may not, which gives up then.

use core::ffi::c_void;
use core::hint::black_box;

use aya_ebpf::helpers::generated::{bpf_copy_from_user, bpf_probe_read_user};
use shadow_common::{SECRET_BYTES, SecretCounter};

/// How a program reads.
pub trait Memory {
    /// Reads `size` bytes at `from`; whether that could be done.
    ///
    /// # Safety
    ///
    /// `size` bytes may be written at `to`.
    unsafe fn read(to: *mut c_void, size: u32, from: u64) -> bool;
}

/// Waits for pages.
pub struct Sleeping;

/// Takes what is there.
pub struct Atomic;

impl Memory for Sleeping {
    #[inline(always)]
    unsafe fn read(to: *mut c_void, size: u32, from: u64) -> bool {
        // SAFETY: as the caller says; the helper checks the other address.
        unsafe { bpf_copy_from_user(to, size, from as *const c_void) == 0 }
    }
}

impl Memory for Atomic {
    #[inline(always)]
    unsafe fn read(to: *mut c_void, size: u32, from: u64) -> bool {
        // SAFETY: as the caller says; the helper checks the other address.
        unsafe { bpf_probe_read_user(to, size, from as *const c_void) == 0 }
    }
}

/// Reads a value of plain words.
#[inline(always)]
pub fn value<M: Memory, T: Copy>(from: u64, empty: T) -> Result<T, SecretCounter> {
    let mut value = empty;
    // SAFETY: `T` is made of words that any bytes are a value of, and of that size.
    if unsafe { M::read((&raw mut value).cast(), size_of::<T>() as u32, from) } {
        Ok(value)
    } else {
        Err(SecretCounter::Unreadable)
    }
}

/// Reads up to as many bytes as there is room for, and says how many those are.
#[inline(always)]
pub fn bytes<M: Memory>(to: &mut [u8; SECRET_BYTES], from: u64, length: u64) -> Result<u32, SecretCounter> {
    if length == 0 {
        return Err(SecretCounter::Incomplete);
    }
    if length > SECRET_BYTES as u64 {
        return Err(SecretCounter::TooLong);
    }
    // The same number, in a form in which older verifiers see its bounds (6.1: "R2 min value is negative").
    let size = (black_box(length as u32 - 1) & (SECRET_BYTES as u32 - 1)) + 1;
    // SAFETY: no more than the array has.
    if unsafe { M::read(to.as_mut_ptr().cast(), size, from) } {
        Ok(size)
    } else {
        Err(SecretCounter::Unreadable)
    }
}

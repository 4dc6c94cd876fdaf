//! The arguments of a function: the registers at the probe (`struct pt_regs`), by the conventions of C and of Go.
//!
//! Both architectures are in one object, told apart by a constant that the verifier knows. Each register is read by an
//! instruction of its own: the verifier takes no offset into the context that is worked out. arm64's have not been tried.

use core::arch::asm;
use core::ffi::c_void;

use shadow_common::SecretCounter;

use crate::maps::ARM64;
use crate::memory::{Memory, value};

/// Reads the register at an offset in `struct pt_regs`.
macro_rules! register {
    ($context:expr, $offset:literal) => {{
        let value: u64;
        // SAFETY: reads the context, whose layout is the kernel's interface (arch/x86/include/asm/ptrace.h,
        // arch/arm64/include/uapi/asm/ptrace.h).
        unsafe {
            asm!(concat!("{value} = *(u64 *)({context} + ", $offset, ")"), value = out(reg) value,
                context = in(reg) $context, options(nostack, pure, readonly));
        }
        value
    }};
}

/// Reads one register on amd64, another on arm64 (`xN` is at `8 * N`).
macro_rules! either {
    ($context:expr, $amd64:literal, $arm64:literal) => {
        if ARM64.load() == 0 {
            register!($context, $amd64)
        } else {
            register!($context, $arm64)
        }
    };
}

/// The registers at the probe.
#[derive(Clone, Copy)]
pub struct Arguments(pub *mut c_void);

impl Arguments {
    /// The second to fourth of a C function: rsi, rdx, rcx (System V); x1, x2, x3 (AAPCS64).
    #[inline(always)]
    pub fn second(self) -> u64 {
        either!(self.0, 104, 8)
    }

    /// See [`Self::second`].
    #[inline(always)]
    pub fn third(self) -> u64 {
        either!(self.0, 96, 16)
    }

    /// See [`Self::second`].
    #[inline(always)]
    pub fn fourth(self) -> u64 {
        either!(self.0, 88, 24)
    }

    /// The fifth: r8; x4.
    #[inline(always)]
    pub fn fifth(self) -> u64 {
        either!(self.0, 72, 32)
    }

    /// The sixth: r9; x5.
    #[inline(always)]
    pub fn sixth(self) -> u64 {
        either!(self.0, 64, 40)
    }

    /// Where the seventh is in memory: behind the return address. `Err` with its value where it is in a register (x6).
    #[inline(always)]
    pub fn seventh(self) -> Result<u64, u64> {
        if ARM64.load() == 0 {
            Ok(register!(self.0, 152) + 8)
        } else {
            Err(register!(self.0, 48))
        }
    }

    /// The eighth: in memory, behind the seventh; x7.
    #[inline(always)]
    pub fn eighth<M: Memory>(self) -> Result<u64, SecretCounter> {
        if ARM64.load() == 0 {
            value::<M, u64>(register!(self.0, 152) + 16, 0)
        } else {
            Ok(register!(self.0, 56))
        }
    }

    /// The ninth: in memory, behind the eighth. None on arm64, where the function may have moved its stack before the probe.
    #[inline(always)]
    pub fn ninth<M: Memory>(self) -> Result<Option<u64>, SecretCounter> {
        if ARM64.load() == 0 {
            value::<M, u64>(register!(self.0, 152) + 24, 0).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Go's registers for words 1 to 7 of the arguments, counted from 0 (Go's internal ABI): rax rbx rcx rdi rsi r8 r9
    /// r10; R0 to R7.
    #[inline(always)]
    pub fn go_1(self) -> u64 {
        either!(self.0, 40, 8)
    }

    /// See [`Self::go_1`].
    #[inline(always)]
    pub fn go_2(self) -> u64 {
        either!(self.0, 88, 16)
    }

    /// See [`Self::go_1`].
    #[inline(always)]
    pub fn go_3(self) -> u64 {
        either!(self.0, 112, 24)
    }

    /// See [`Self::go_1`].
    #[inline(always)]
    pub fn go_4(self) -> u64 {
        either!(self.0, 104, 32)
    }

    /// See [`Self::go_1`].
    #[inline(always)]
    pub fn go_6(self) -> u64 {
        either!(self.0, 64, 48)
    }

    /// See [`Self::go_1`].
    #[inline(always)]
    pub fn go_7(self) -> u64 {
        either!(self.0, 56, 56)
    }
}

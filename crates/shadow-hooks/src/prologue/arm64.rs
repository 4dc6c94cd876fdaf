//! arm64: what `arch/arm64/kernel/probes/decode-insn.c` simulates. Read and tested by unit, never tried on a machine.

use shadow_common::HookKind;

use super::Refusal;

/// General registers that must be as the caller left them, as bits.
///
/// AAPCS64, section 6.8: x0 to x7, then the stack. Go's `ABIInternal`: R0 to R15.
const fn arguments(kind: HookKind) -> u32 {
    match kind {
        HookKind::OpenSslKdf => 1 << 3,
        HookKind::KeyLogHelper => 1 << 1 | 1 << 2 | 1 << 3,
        // Label x1, x2; client random x3, x4, x5; secret x6, x7, x8.
        HookKind::GoKeyLog => 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7,
        // key x3, its length x4, info x5, its length x6.
        HookKind::AwsLcHkdf => 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6,
        // secret x3, its length x4, label x5, its length x6, seed x7.
        HookKind::AwsLcPrf => 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7,
    }
}

pub(super) fn hook(kind: HookKind, code: &[u8]) -> Result<u64, Refusal> {
    let arguments = arguments(kind);
    for (index, bytes) in code.chunks_exact(4).enumerate() {
        let instruction = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if is_simulated(instruction) {
            return Ok(index as u64 * 4);
        }
        match written(instruction) {
            Some(registers) if registers & arguments == 0 => {}
            Some(_) => return Err(Refusal::ArgumentChanged),
            None if is_branch(instruction) => return Err(Refusal::Leaves),
            None => return Err(Refusal::Undecoded),
        }
    }
    Err(Refusal::NoneEmulated)
}

/// b, bl, b.cond, cbz, cbnz, tbz, tbnz, adr, adrp. Not `ldr` of a literal, which uprobes refuse since 2024, and not `nop`,
/// which is stepped before Linux 6.13.
const fn is_simulated(instruction: u32) -> bool {
    instruction & 0x7c00_0000 == 0x1400_0000 // b, bl
        || instruction & 0xff00_0010 == 0x5400_0000 // b.cond
        || instruction & 0x7e00_0000 == 0x3400_0000 // cbz, cbnz
        || instruction & 0x7e00_0000 == 0x3600_0000 // tbz, tbnz
        || instruction & 0x1f00_0000 == 0x1000_0000 // adr, adrp
}

/// Branches, exceptions and system instructions, hints aside.
const fn is_branch(instruction: u32) -> bool {
    instruction & 0x1c00_0000 == 0x1400_0000
}

/// General registers that an instruction of a prologue writes, as bits (31 is the stack pointer or nothing); nothing for
/// an instruction that is not among the few that are known here.
const fn written(instruction: u32) -> Option<u32> {
    let rd = 1 << (instruction & 31);
    let rn = 1 << (instruction >> 5 & 31);
    // Hints: nop, bti, paciasp and their like. Those that sign x17 are among them.
    if instruction & 0xffff_f01f == 0xd503_201f {
        return Some(1 << 17);
    }
    // add, sub of an immediate, with and without flags (cmp).
    let immediate = instruction & 0x1f80_0000 == 0x1100_0000;
    // and, orr, eor, ands; add, sub; of registers, shifted or extended (mov, cmp, tst).
    let registers = instruction & 0x1f00_0000 == 0x0a00_0000 || instruction & 0x1f00_0000 == 0x0b00_0000;
    // movn, movz, movk.
    let wide = instruction & 0x1f80_0000 == 0x1280_0000;
    if immediate || registers || wide {
        return Some(rd);
    }
    // stp of two registers, general or not: with an offset, or with the base written back.
    if instruction & 0x3a40_0000 == 0x2800_0000 {
        let writes_back = instruction & 0x0080_0000 != 0;
        return Some(if writes_back { rn } else { 0 });
    }
    // str and ldr of one general register at an unsigned offset.
    if instruction & 0x3fc0_0000 == 0x3900_0000 {
        return Some(0);
    }
    if instruction & 0x3fc0_0000 == 0x3940_0000 {
        return Some(rd);
    }
    // str with the base written back, before or behind.
    if instruction & 0x3fe0_0400 == 0x3800_0400 {
        return Some(rn);
    }
    None
}

/// `ldr x16, [x28, #16]`: the goroutine's end of stack.
pub(super) fn is_go(code: &[u8]) -> bool {
    code.starts_with(&0xf940_0b90_u32.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kdf(code: &[u32]) -> Result<u64, Refusal> {
        helper(HookKind::OpenSslKdf, code)
    }

    fn helper(kind: HookKind, code: &[u32]) -> Result<u64, Refusal> {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        hook(kind, &bytes)
    }

    #[test]
    fn a_check_for_null_is_hooked() {
        // cbz x0
        assert_eq!(kdf(&[0xb400_00a0]), Ok(0));
        // bti c; cbz x0
        assert_eq!(kdf(&[0xd503_245f, 0xb400_00a0]), Ok(4));
        // cmp x0, #0; b.eq
        assert_eq!(kdf(&[0xf100_001f, 0x5400_0100]), Ok(4));
    }

    #[test]
    fn a_frame_is_passed_over() {
        // paciasp; stp x29,x30,[sp,#-48]!; mov x29,sp; str x19,[sp,#16]; adrp x4
        let code = [0xd503_233f, 0xa9bd_7bfd, 0x9100_03fd, 0xf900_0bf3, 0x9000_0004];
        assert_eq!(kdf(&code), Ok(16));
        // str x30, [sp, #-32]!; tbz w0, #0
        assert_eq!(kdf(&[0xf81e_0ffe, 0x3600_0040]), Ok(4));
    }

    #[test]
    fn an_argument_that_changed_before_is_a_refusal() {
        // mov x3, x0; cbz x0
        assert_eq!(kdf(&[0xaa00_03e3, 0xb400_00a0]), Err(Refusal::ArgumentChanged));
        // ldr x3, [x0]; cbz x0
        assert_eq!(kdf(&[0xf940_0003, 0xb400_00a0]), Err(Refusal::ArgumentChanged));
        // mov w1, #1: an argument of the helper alone.
        assert_eq!(kdf(&[0x5280_0021, 0xb400_00a0]), Ok(4));
        let changed = helper(HookKind::KeyLogHelper, &[0x5280_0021, 0xb400_00a0]);
        assert_eq!(changed, Err(Refusal::ArgumentChanged));
    }

    #[test]
    fn what_is_not_known_or_leaves_is_a_refusal() {
        // ret
        assert_eq!(kdf(&[0xd65f_03c0]), Err(Refusal::Leaves));
        // ldr x16, literal: uprobes refuse it.
        assert_eq!(kdf(&[0x5800_0050]), Err(Refusal::Undecoded));
        // ldp x0, x3, [x0]
        assert_eq!(kdf(&[0xa940_0c00]), Err(Refusal::Undecoded));
        // nop for ever
        assert_eq!(kdf(&[0xd503_201f; 16]), Err(Refusal::NoneEmulated));
    }

    #[test]
    fn go_is_hooked_at_its_check_of_the_stack() {
        // ldr x16,[x28,#16]; cmp sp,x16; b.ls
        let code: [u32; 3] = [0xf940_0b90, 0xeb30_63ff, 0x5400_1209];
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert!(is_go(&bytes));
        assert_eq!(hook(HookKind::GoKeyLog, &bytes), Ok(8));
    }
}

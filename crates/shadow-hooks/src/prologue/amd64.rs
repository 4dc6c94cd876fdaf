//! amd64: what `arch/x86/kernel/uprobes.c` emulates, and which registers instructions write.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess, Register,
};
use shadow_common::HookKind;

use super::Refusal;

/// Registers that must be as the caller left them when a hook of this kind is hit.
///
/// System V ABI, section 3.2.3: rdi, rsi, rdx, rcx, r8, r9, then the stack. Go's `ABIInternal`: rax, rbx, rcx, rdi, rsi, r8,
/// r9, r10, r11.
const fn arguments(kind: HookKind) -> &'static [Register] {
    match kind {
        // ctx, out, length, parameters: the last is read.
        HookKind::OpenSslKdf => &[Register::RCX],
        // connection, label, secret, its length.
        HookKind::KeyLogHelper => &[Register::RSI, Register::RDX, Register::RCX],
        // Config, label, client random, secret.
        HookKind::GoKeyLog => &[
            Register::RBX,
            Register::RCX,
            Register::RDI,
            Register::RSI,
            Register::R9,
            Register::R10,
        ],
        // out, its length, digest, key, its length, info; the length of info is on the stack, found by rsp. The other: three,
        // secret, its length, label; the rest is on the stack.
        HookKind::AwsLcHkdf | HookKind::AwsLcPrf => {
            &[Register::RCX, Register::R8, Register::R9, Register::RSP]
        }
    }
}

pub(super) fn hook(kind: HookKind, code: &[u8]) -> Result<u64, Refusal> {
    let arguments = arguments(kind);
    let mut info = InstructionInfoFactory::new();
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        let at = decoder.position();
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            // The last one may have been cut by the window.
            return Err(if at + 15 > super::MAX_BYTES {
                Refusal::NoneEmulated
            } else {
                Refusal::Undecoded
            });
        }
        if is_emulated(&code[at..decoder.position()]) {
            return Ok(at as u64);
        }
        if instruction.flow_control() != FlowControl::Next {
            return Err(Refusal::Leaves);
        }
        if changes(arguments, info.info(&instruction)) {
            return Err(Refusal::ArgumentChanged);
        }
    }
    Err(Refusal::NoneEmulated)
}

/// Whether one of `arguments` is written; of those on the stack, whether anything is written to memory.
fn changes(arguments: &[Register], info: &iced_x86::InstructionInfo) -> bool {
    let writes = |access| {
        matches!(
            access,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    let registers = info.used_registers().iter();
    let mut written = registers
        .filter(|used| writes(used.access()))
        .map(|used| used.register().full_register());
    let on_the_stack = arguments.contains(&Register::RSP);
    written.any(|register| arguments.contains(&register))
        || on_the_stack && info.used_memory().iter().any(|used| writes(used.access()))
}

/// Whether the kernel emulates this instruction: `branch_setup_xol_ops` and `push_setup_xol_ops` of
/// `arch/x86/kernel/uprobes.c`, Linux 4.16 and later.
///
/// Without prefixes: a branch with 0x66 is refused altogether, and no compiler writes others. The nops of several bytes are
/// emulated by Linux 6.18 alone, so they are passed over.
fn is_emulated(instruction: &[u8]) -> bool {
    match instruction {
        // push, nop; push r8 to r15, jcc short, jmp short.
        [0x50..=0x57 | 0x90] | [0x41, 0x50..=0x57] | [0x70..=0x7f | 0xeb, _] => true,
        // call and jmp near; jcc near.
        [0xe8 | 0xe9, rest @ ..] | [0x0f, 0x80..=0x8f, rest @ ..] => rest.len() == 4,
        _ => false,
    }
}

/// `cmp rsp, [r14+16]`, or, for a large frame, `lea r12, [rsp-n]` and `cmp r12, [r14+16]`.
pub(super) fn is_go(code: &[u8]) -> bool {
    matches!(
        code,
        [0x49, 0x3b, 0x66, 0x10, ..]
            | [0x4c, 0x8d, 0x64, 0x24, _, 0x4d, 0x3b, 0x66, 0x10, ..]
            | [0x4c, 0x8d, 0xa4, 0x24, _, _, _, _, 0x4d, 0x3b, 0x66, 0x10, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kdf(code: &[u8]) -> Result<u64, Refusal> {
        hook(HookKind::OpenSslKdf, code)
    }

    #[test]
    fn openssl_is_hooked_at_its_check_for_null() {
        // test rdi,rdi; je; mov rax,[rdi]
        assert_eq!(kdf(&[0x48, 0x85, 0xff, 0x74, 0x13, 0x48, 0x8b, 0x07]), Ok(3));
        // The same behind endbr64.
        let cet = [0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x85, 0xff, 0x74, 0x13];
        assert_eq!(kdf(&cet), Ok(7));
    }

    #[test]
    fn the_first_push_is_taken() {
        assert_eq!(kdf(&[0x55]), Ok(0));
        assert_eq!(kdf(&[0x41, 0x57]), Ok(0));
        // mov rax,[rdi]; push rbx
        assert_eq!(kdf(&[0x48, 0x8b, 0x07, 0x53]), Ok(3));
    }

    #[test]
    fn an_argument_that_changed_before_is_a_refusal() {
        // mov ecx,1 writes rcx's lower half, and so rcx; push rbx
        assert_eq!(kdf(&[0xb9, 1, 0, 0, 0, 0x53]), Err(Refusal::ArgumentChanged));
        // xor esi,esi: no argument of this kind, but one of the helper's.
        let code = [0x31, 0xf6, 0x53];
        assert_eq!(kdf(&code), Ok(2));
        assert_eq!(hook(HookKind::KeyLogHelper, &code), Err(Refusal::ArgumentChanged));
    }

    #[test]
    fn what_leaves_before_is_a_refusal() {
        // ret
        assert_eq!(kdf(&[0xc3, 0x53]), Err(Refusal::Leaves));
        // jmp rax: not emulated.
        assert_eq!(kdf(&[0xff, 0xe0, 0x53]), Err(Refusal::Leaves));
    }

    #[test]
    fn a_function_without_a_cheap_instruction_is_refused() {
        assert_eq!(kdf(&[0x48, 0x8b, 0x07].repeat(40)), Err(Refusal::NoneEmulated));
        assert_eq!(kdf(&[]), Err(Refusal::NoneEmulated));
        // Not an instruction in 64 bits.
        assert_eq!(kdf(&[0x06, 0x53]), Err(Refusal::Undecoded));
    }

    #[test]
    fn nops_that_old_kernels_step_are_passed_over() {
        // nopl 0(rax,rax,1); push rbp
        assert_eq!(kdf(&[0x0f, 0x1f, 0x44, 0, 0, 0x55]), Ok(5));
        // xchg ax,ax (66 90), which Linux before 6.2 refuses; nop
        assert_eq!(kdf(&[0x66, 0x90, 0x90]), Ok(2));
    }

    #[test]
    fn go_is_hooked_at_its_check_of_the_stack() {
        // lea r12,[rsp-0x48]; cmp r12,[r14+0x10]; jbe; push rbp
        let code = [
            0x4c, 0x8d, 0x64, 0x24, 0xb8, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 1, 2, 0, 0, 0x55,
        ];
        assert!(is_go(&code));
        assert_eq!(hook(HookKind::GoKeyLog, &code), Ok(9));
        assert!(!is_go(&code[5..8]));
    }

    #[test]
    fn an_argument_on_the_stack_needs_the_stack_as_it_was() {
        // sub rsp,0x18; push rbx
        let code = [0x48, 0x83, 0xec, 0x18, 0x53];
        assert_eq!(hook(HookKind::AwsLcHkdf, &code), Err(Refusal::ArgumentChanged));
        assert_eq!(kdf(&code), Ok(4));
        // mov [rsp+8],rax; push rbx
        let code = [0x48, 0x89, 0x44, 0x24, 0x08, 0x53];
        assert_eq!(hook(HookKind::AwsLcHkdf, &code), Err(Refusal::ArgumentChanged));
    }
}

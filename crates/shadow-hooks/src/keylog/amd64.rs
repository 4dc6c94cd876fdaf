//! amd64: a label's address in rsi, and the next call.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess, Register,
};
use memchr::memmem;

use super::{Labels, MAX_BETWEEN, Votes};

/// `lea rsi, [rip+n]`
const LEA: &[u8] = &[0x48, 0x8d, 0x35];
/// `mov rsi, n`, sign-extended.
const MOV_LONG: &[u8] = &[0x48, 0xc7, 0xc6];
/// `mov esi, n`
const MOV: u8 = 0xbe;

/// Counts the calls with a label in `bytes`, which are mapped at `address`, from loads in the first `own` of them.
pub(super) fn count(address: u64, bytes: &[u8], own: usize, labels: &Labels, votes: &mut Votes) {
    let mut info = InstructionInfoFactory::new();
    let mut load = |at: usize, length: usize, label: Option<u8>| {
        if let Some(label) = label
            && let Some(function) = next_call(address, bytes, at + length, &mut info)
        {
            votes.give(function, label);
        }
    };
    let own_of = |at: &usize| *at < own;
    for at in memmem::find_iter(bytes, LEA).take_while(own_of) {
        let target = number(bytes, at + 3).map(|distance| {
            let next = address.wrapping_add(at as u64 + 7);
            next.wrapping_add_signed(i64::from(distance))
        });
        load(at, 7, target.and_then(|target| labels.get(&target).copied()));
    }
    // Addresses in instructions: only of what is not loaded anywhere, in the lower 2 GiB.
    let low = |number: Option<i32>| labels.get(&u64::try_from(number?).ok()?).copied();
    if labels.keys().all(|address| *address > i32::MAX as u64) {
        return;
    }
    for at in memmem::find_iter(bytes, MOV_LONG).take_while(own_of) {
        load(at, 7, low(number(bytes, at + 3)));
    }
    for at in memchr::memchr_iter(MOV, bytes).take_while(own_of) {
        load(at, 5, low(number(bytes, at + 1)));
    }
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The function that is called next from `at` on, with rsi as it is there.
fn next_call(address: u64, bytes: &[u8], at: usize, info: &mut InstructionInfoFactory) -> Option<u64> {
    let code = bytes.get(at..bytes.len().min(at + MAX_BETWEEN))?;
    let mut decoder = Decoder::with_ip(64, code, address.wrapping_add(at as u64), DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        match instruction.flow_control() {
            _ if instruction.is_invalid() => return None,
            FlowControl::Call if instruction.is_call_near() => return Some(instruction.near_branch_target()),
            FlowControl::Next => {}
            // It goes on with the arguments where the condition does not hold.
            FlowControl::ConditionalBranch => continue,
            _ => return None,
        }
        let mut used = info.info(&instruction).used_registers().iter();
        let is_lost = |access| !matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::None);
        if used.any(|used| used.register().full_register() == Register::RSI && is_lost(used.access())) {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(code: &[u8], label: u64) -> Vec<(u64, u8)> {
        let mut votes = Votes::default();
        count(0x1000, code, code.len(), &Labels::from([(label, 2)]), &mut votes);
        votes.0.into_iter().collect()
    }

    #[test]
    fn a_call_behind_a_label_votes() {
        // lea rsi,[rip+0xff9] (0x2000); mov rdi,rbx; call 0x1010
        let code = [
            0x48, 0x8d, 0x35, 0xf9, 0x0f, 0, 0, 0x48, 0x89, 0xdf, 0xe8, 1, 0, 0, 0,
        ];
        assert_eq!(votes(&code, 0x2000), [(0x1010, 1 << 2)]);
        assert_eq!(votes(&code, 0x2001), []);
    }

    #[test]
    fn an_absolute_label_votes() {
        // mov esi,0x2000; call 0x1010
        assert_eq!(
            votes(&[0xbe, 0, 0x20, 0, 0, 0xe8, 6, 0, 0, 0], 0x2000),
            [(0x1010, 1 << 2)]
        );
        // mov rsi,0x2000; call 0x1010
        let code = [0x48, 0xc7, 0xc6, 0, 0x20, 0, 0, 0xe8, 4, 0, 0, 0];
        assert_eq!(votes(&code, 0x2000), [(0x1010, 1 << 2)]);
    }

    #[test]
    fn a_label_that_is_lost_before_the_call_does_not_vote() {
        // mov esi,0x2000; xor esi,esi; call
        assert_eq!(
            votes(&[0xbe, 0, 0x20, 0, 0, 0x31, 0xf6, 0xe8, 6, 0, 0, 0], 0x2000),
            []
        );
        // mov esi,0x2000; ret; call
        assert_eq!(votes(&[0xbe, 0, 0x20, 0, 0, 0xc3, 0xe8, 6, 0, 0, 0], 0x2000), []);
        // mov esi,0x2000; call rax; call
        assert_eq!(
            votes(&[0xbe, 0, 0x20, 0, 0, 0xff, 0xd0, 0xe8, 6, 0, 0, 0], 0x2000),
            []
        );
    }

    #[test]
    fn a_call_too_far_behind_does_not_vote() {
        let code =
            |nops: usize| [&[0xbe, 0, 0x20, 0, 0][..], &vec![0x90; nops], &[0xe8, 0, 0, 0, 0]].concat();
        assert_eq!(votes(&code(43), 0x2000).len(), 1);
        assert_eq!(votes(&code(44), 0x2000).len(), 0);
    }
}

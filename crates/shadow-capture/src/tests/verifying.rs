//! The programs before the kernel's verifier: how much work they are to it, and what it says when it refuses.

use std::collections::BTreeSet;

use super::super::error::CaptureError;
use super::super::load::{
    CLASSIFIERS, OBJECT, SOCKET_PROGRAMS, classifier, load, load_object, socket_program,
};
use super::kernel::{settings, skipped};
use crate::{CaptureSettings, VlanScope};

/// The most shards, with every flag that the programs know of. Named VLANs are for the `tc` hook: to a socket program,
/// which sees none, all that follows is dead.
fn everything() -> Vec<CaptureSettings> {
    let vlans = VlanScope::These(BTreeSet::from([7]));
    let ways = [
        (true, VlanScope::Any),
        (false, VlanScope::Any),
        (true, vlans.clone()),
        (false, vlans),
    ];
    ways.into_iter()
        .map(|(responses, vlans)| CaptureSettings {
            shards: 16,
            responses,
            sample_connections: Some(1 << 30),
            vlans,
            ..settings()
        })
        .collect()
}

#[test]
fn each_program_is_less_than_100_000_instructions_to_the_verifier() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("each_program_is_less_than_100_000");
    }
    for settings in everything().into_iter().chain([settings()]) {
        let mut ebpf = load(&settings).unwrap();
        let mut verified = Vec::new();
        for name in CLASSIFIERS {
            let program = classifier(&mut ebpf, name).unwrap();
            verified.push((name, program.info().unwrap().verified_instruction_count()));
        }
        for name in SOCKET_PROGRAMS {
            let program = socket_program(&mut ebpf, name).unwrap();
            verified.push((name, program.info().unwrap().verified_instruction_count()));
        }
        println!(
            "responses {}, shards {}: {verified:?}",
            settings.responses, settings.shards
        );
        for (name, instructions) in verified {
            // Linux says how many since 5.16.
            let instructions = instructions.unwrap_or_default();
            assert!(instructions < 100_000, "{name}: {instructions}");
        }
    }
}

#[test]
fn a_refused_program_comes_with_what_the_verifier_said() {
    const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];
    const NONE: [u8; 8] = [0xff, 0, 0, 0, 0, 0, 0, 0];
    if !nix::unistd::geteuid().is_root() {
        return skipped("a_refused_program_comes_with");
    }
    let mut object = OBJECT.to_vec();
    for instruction in object.as_chunks_mut::<8>().0 {
        if *instruction == EXIT {
            *instruction = NONE;
        }
    }
    let mut ebpf = load_object(&object, &settings()).unwrap();
    let error = classifier(&mut ebpf, "shadow_l2_in").map(drop).unwrap_err();
    assert!(
        matches!(
            error,
            CaptureError::Verifier {
                program: "shadow_l2_in",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("\n    unknown opcode ff"), "{error}");
}

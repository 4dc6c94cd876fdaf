//! Properties of the finder, for any file: no panic, and no hook but where an instruction begins.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::testing::{AMD64, ARM64, CODE, DATA, Executable, assert_sound, go_table};
use crate::{Options, aws_lc, go, hook_points};

/// A file of each kind that something is found in, as bytes.
fn image() -> impl Strategy<Value = Vec<u8>> {
    let functions = prop::sample::select(vec!["EVP_KDF_derive", "aws_lc_0_38_0_HKDF_expand"]);
    let code = || prop::collection::vec(any::<u8>(), 0..128);
    let machine = || prop::sample::select(vec![AMD64, ARM64]);
    let by_symbol = (machine(), code(), functions).prop_map(|(machine, code, name)| {
        let executable = Executable::new(machine, &code).function("EVP_KDF_fetch", CODE);
        executable.function(name, CODE).bytes()
    });
    let by_table = (machine(), code(), 0..64_u32).prop_map(|(machine, code, entry)| {
        let table = go_table(machine, &[("main.main", 0), (go::FUNCTION, entry)]);
        let code = [&[0x49, 0x3b, 0x66, 0x10][..], &code].concat();
        Executable::new(machine, &code)
            .data(&table)
            .section(".gopclntab")
            .bytes()
    });
    let by_labels = (code(), 0..64_u32).prop_map(|(code, function)| {
        let mut calls = Vec::new();
        for label in [0, 14_u32] {
            calls.extend_from_slice(&[0xbe]);
            calls.extend_from_slice(&(DATA as u32 + label).to_le_bytes());
            calls.extend_from_slice(&[0xe8]);
            let next = calls.len() as u32 + 4;
            calls.extend_from_slice(&(20 + function).wrapping_sub(next).to_le_bytes());
        }
        let labels = b"CLIENT_RANDOM\0SERVER_TRAFFIC_SECRET_0\0";
        Executable::new(AMD64, &[calls, code].concat())
            .data(labels)
            .bytes()
    });
    let by_file = (code(), any::<u8>()).prop_map(|(behind, reason)| {
        let code = [aws_lc::tests::code(reason), behind].concat();
        let name = aws_lc::tests::data(aws_lc::tests::HKDF);
        Executable::new(AMD64, &code).data(&name).bytes()
    });
    prop_oneof![by_symbol, by_table, by_labels, by_file]
}

fn check(image: &[u8]) {
    for insist in [false, true] {
        if let Ok(hooks) = hook_points(&image, Options { insist }) {
            assert!(!hooks.points.is_empty());
            for point in &hooks.points {
                assert!(insist || point.emulated);
                assert_sound(image, point);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_code_is_hooked_where_an_instruction_begins(image in image()) {
        check(&image);
    }

    #[test]
    fn a_damaged_file_is_hooked_no_worse(
        mut image in image(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 0..12),
        end in any::<Option<Index>>(),
    ) {
        for (at, byte) in damage {
            let at = at.index(image.len());
            image[at] = byte;
        }
        if let Some(end) = end {
            let end = end.index(image.len());
            image.truncate(end);
        }
        check(&image);
    }

    #[test]
    fn any_bytes_behind_a_header_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut image = Executable::new(AMD64, &[]).bytes();
        image.truncate(64);
        image.extend_from_slice(&bytes);
        check(&image);
    }
}

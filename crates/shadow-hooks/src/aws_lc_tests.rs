use shadow_common::HookKind;

use crate::testing::{AMD64, ARM64, CODE, CODE_OFFSET, DATA, Executable};
use crate::{Hooks, NoHook, Options, hook_points};

/// Where `HKDF_expand` is in [`code`].
const EXPAND: u64 = CODE + 0x80;

/// Where the name of its file is.
const FILE: u64 = DATA + 16;

fn found(executable: &Executable) -> Result<Hooks, NoHook> {
    hook_points(&executable.bytes().as_slice(), Options::default())
}

/// `call` at `from`, to `to`.
fn call(code: &mut [u8], from: u64, to: u64) {
    put(code, from, &[0xe8]);
    put(code, from + 1, &(to.wrapping_sub(from + 5) as u32).to_le_bytes());
}

fn put(code: &mut [u8], address: u64, bytes: &[u8]) {
    let at = (address - CODE) as usize;
    code[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A function before, `HKDF_expand` with an error of this reason, and calls to both.
pub fn code(reason: u8) -> Vec<u8> {
    let mut code = vec![0x90; 0x120];
    // push rbp; ...; ret
    put(&mut code, CODE, &[0x55]);
    put(&mut code, EXPAND - 1, &[0xc3]);
    // push r15; sub rsp,40; ...; mov edx,reason; lea rcx,[rip+n]; ret
    put(&mut code, EXPAND, &[0x41, 0x57, 0x48, 0x83, 0xec, 0x28]);
    let load = EXPAND + 0x30;
    put(&mut code, load - 5, &[0xba, reason, 0, 0, 0]);
    put(&mut code, load, &[0x48, 0x8d, 0x0d]);
    put(
        &mut code,
        load + 3,
        &(FILE.wrapping_sub(load + 7) as u32).to_le_bytes(),
    );
    put(&mut code, load + 7, &[0xc3]);
    call(&mut code, CODE + 0x100, CODE);
    call(&mut code, CODE + 0x105, EXPAND);
    code
}

/// Texts of rustls, and the name of a file at [`FILE`], behind a builder's folder.
pub fn data(file: &str) -> Vec<u8> {
    format!("/rustls-0.23.0/\0/build{file}\0").into_bytes()
}

pub const HKDF: &str = "/aws-lc/crypto/fipsmodule/hkdf/hkdf.c";

#[test]
fn hkdf_expand_is_found_by_the_error_that_it_alone_has() {
    let hooks = found(&Executable::new(AMD64, &code(100)).data(&data(HKDF))).expect("a hook");
    let [point] = hooks.points.as_slice() else {
        panic!("{:?}", hooks.points)
    };
    assert_eq!(
        (point.kind, point.offset, point.within),
        (HookKind::AwsLcHkdf, CODE_OFFSET + 0x80, 0)
    );
    assert_eq!(
        (&*point.symbol, &*point.library),
        ("HKDF_expand", "rustls 0.23.0 on AWS-LC")
    );
    // Of a digest that cannot be used: where nothing has the first. Others are not meant.
    assert!(found(&Executable::new(AMD64, &code(101)).data(&data(HKDF))).is_ok());
    assert!(found(&Executable::new(AMD64, &code(99)).data(&data(HKDF))).is_err());
}

#[test]
fn the_prf_is_found_by_any_reference_to_its_file() {
    let file = data("/aws-lc/crypto/fipsmodule/tls/kdf.c");
    let hooks = found(&Executable::new(AMD64, &code(1)).data(&file)).expect("a hook");
    assert_eq!(hooks.points[0].kind, HookKind::AwsLcPrf);
    assert_eq!(hooks.points[0].offset, CODE_OFFSET + 0x80);
}

#[test]
fn other_files_and_other_machines_have_none() {
    let other = data("/aws-lc/crypto/fipsmodule/evp/p_hkdf.c");
    assert!(found(&Executable::new(AMD64, &code(100)).data(&other)).is_err());
    assert!(found(&Executable::new(ARM64, &code(100)).data(&data(HKDF))).is_err());
    let without_rustls = [&[0; 16][..], HKDF.as_bytes(), b"\0"].concat();
    assert!(found(&Executable::new(AMD64, &code(100)).data(&without_rustls)).is_err());
}

#[test]
fn what_is_no_beginning_of_a_function_is_not_hooked() {
    let refused = |change: fn(&mut Vec<u8>)| {
        let mut code = code(100);
        change(&mut code);
        found(&Executable::new(AMD64, &code).data(&data(HKDF))).is_err()
    };
    assert!(!refused(|_| ()));
    // Nothing calls it.
    assert!(refused(|code| put(code, CODE + 0x105, &[0x90])));
    // What was before goes on into it.
    assert!(refused(|code| put(code, EXPAND - 2, &[0x89, 0xc8])));
    // In the middle of an instruction: mov eax,imm32 across it.
    assert!(refused(|code| put(code, EXPAND - 3, &[0xb8])));
    // Another function is between it and the load.
    assert!(refused(|code| put(code, EXPAND + 8, &[0xcc])));
    // Decoding from it does not lead to the load.
    assert!(refused(|code| put(code, EXPAND + 0x29, &[0x48, 0xb8])));
}

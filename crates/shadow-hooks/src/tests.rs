//! What is found in files made here, and in what the machine has.

use std::fs::{self, File};

use super::*;

/// A 64-bit little-endian executable whose one segment is the whole file, read and executed from `ADDRESS` on, with a
/// table of symbols.
struct Executable {
    bytes: Vec<u8>,
}

const ADDRESS: u64 = 0x40_0000;
const CODE: usize = 0x1000;

impl Executable {
    /// With `code` at [`CODE`] and a symbol of that name for it.
    fn new(machine: u16, symbols: &[&str], code: &[u8]) -> Self {
        let mut bytes = vec![0; CODE];
        bytes.extend_from_slice(code);
        let strings = bytes.len();
        let text = format!("\0{}\0", symbols.join("\0"));
        bytes.extend_from_slice(text.as_bytes());
        let table = bytes.len();
        bytes.resize(table + 24, 0);
        let mut name = 1;
        for symbol in symbols {
            bytes.extend_from_slice(&u32::to_le_bytes(name));
            bytes.extend_from_slice(&[0x12, 0, 1, 0]);
            bytes.extend_from_slice(&(ADDRESS + CODE as u64).to_le_bytes());
            bytes.extend_from_slice(&(code.len() as u64).to_le_bytes());
            name += symbol.len() as u32 + 1;
        }
        let entries = 24 * (1 + symbols.len());
        let sections = bytes.len();
        bytes.resize(sections + 64, 0);
        for (kind, link, from, length) in [(11_u32, 2_u32, table, entries), (3, 0, strings, text.len())] {
            let start = bytes.len();
            bytes.resize(start + 64, 0);
            bytes[start + 4..start + 8].copy_from_slice(&kind.to_le_bytes());
            bytes[start + 24..start + 32].copy_from_slice(&(from as u64).to_le_bytes());
            bytes[start + 32..start + 40].copy_from_slice(&(length as u64).to_le_bytes());
            bytes[start + 40..start + 44].copy_from_slice(&link.to_le_bytes());
        }
        let mut executable = Self { bytes };
        executable.header(machine, sections);
        executable
    }

    fn header(&mut self, machine: u16, sections: usize) {
        let length = self.bytes.len() as u64;
        let mut put = |at: usize, bytes: &[u8]| self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF\x02\x01\x01");
        put(16, &2_u16.to_le_bytes());
        put(18, &machine.to_le_bytes());
        put(32, &64_u64.to_le_bytes());
        put(40, &(sections as u64).to_le_bytes());
        put(54, &56_u16.to_le_bytes());
        put(56, &1_u16.to_le_bytes());
        put(58, &64_u16.to_le_bytes());
        put(60, &3_u16.to_le_bytes());
        // The segment: loaded, read and executed.
        put(64, &1_u32.to_le_bytes());
        put(68, &5_u32.to_le_bytes());
        put(80, &ADDRESS.to_le_bytes());
        put(96, &length.to_le_bytes());
        put(104, &length.to_le_bytes());
    }
}

const OPENSSL: [&str; 2] = ["EVP_KDF_derive", "EVP_KDF_fetch"];

/// test rdi,rdi; je; ret
const NULL_CHECK: [u8; 6] = [0x48, 0x85, 0xff, 0x74, 0x00, 0xc3];

/// mov rcx,rdi; ret
const UNSUITED: [u8; 4] = [0x48, 0x89, 0xf9, 0xc3];

fn found(bytes: &[u8]) -> Result<Hooks, NoHook> {
    hook_points(&bytes, Options::default())
}

#[test]
fn a_symbol_is_hooked_where_the_kernel_emulates() {
    let executable = Executable::new(62, &OPENSSL, &NULL_CHECK);
    let hooks = found(&executable.bytes).unwrap();
    let expected = HookPoint {
        kind: HookKind::OpenSslKdf,
        offset: 0x1003,
        within: 3,
        symbol: "EVP_KDF_derive".to_owned(),
        library: "OpenSSL 3".to_owned(),
        emulated: true,
    };
    assert_eq!(hooks.points, [expected]);
    assert!(hooks.refused.is_empty());
}

#[test]
fn arm64_is_hooked_by_its_own_rules() {
    // cmp x0, #0; b.eq
    let code = [0x1f, 0x00, 0x00, 0xf1, 0x00, 0x01, 0x00, 0x54];
    let executable = Executable::new(183, &OPENSSL, &code);
    assert_eq!(found(&executable.bytes).unwrap().points[0].offset, 0x1004);
}

#[test]
fn a_function_without_a_cheap_place_is_refused() {
    let executable = Executable::new(62, &OPENSSL, &UNSUITED);
    assert_eq!(
        found(&executable.bytes).unwrap_err().to_string(),
        "OpenSSL 3: a probe on EVP_KDF_derive would be slow: its arguments change before an instruction that the kernel \
         emulates"
    );
}

#[test]
fn who_insists_gets_the_first_byte() {
    let executable = Executable::new(62, &OPENSSL, &UNSUITED);
    let hooks = hook_points(&executable.bytes.as_slice(), Options { insist: true }).unwrap();
    let point = &hooks.points[0];
    assert_eq!((point.offset, point.within, point.emulated), (0x1000, 0, false));
}

#[test]
fn aws_lc_is_known_behind_its_version() {
    let push = [0x41, 0x57, 0xc3];
    let executable = Executable::new(62, &["aws_lc_0_38_0_HKDF_expand"], &push);
    let hooks = found(&executable.bytes).unwrap();
    assert_eq!(hooks.points[0].kind, HookKind::AwsLcHkdf);
    assert_eq!(hooks.points[0].symbol, "aws_lc_0_38_0_HKDF_expand");
    // Another library's function of that name has other arguments.
    let executable = Executable::new(62, &["other_HKDF_expand"], &push);
    assert!(matches!(found(&executable.bytes), Err(NoHook::NoTls)));
}

#[test]
fn red_hats_function_of_the_same_name_is_another() {
    let executable = Executable::new(62, &["EVP_KDF_derive"], &NULL_CHECK);
    assert!(matches!(found(&executable.bytes), Err(NoHook::NoTls)));
}

#[test]
fn a_name_that_only_ends_alike_is_another() {
    let executable = Executable::new(62, &["MY_EVP_KDF_derive", "EVP_KDF_fetch"], &NULL_CHECK);
    assert!(matches!(found(&executable.bytes), Err(NoHook::NoTls)));
}

#[test]
fn a_symbol_outside_of_the_code_is_refused() {
    let mut executable = Executable::new(62, &OPENSSL, &NULL_CHECK);
    let at = executable.bytes.len() - 3 * 64 - 24 - 16;
    executable.bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(found(&executable.bytes), Err(NoHook::Damaged(_))));
}

#[test]
fn other_files_are_named_for_what_they_are() {
    assert!(matches!(found(b"#!/bin/sh\n"), Err(NoHook::NotElf)));
    assert!(matches!(found(b""), Err(NoHook::NotElf)));
    let riscv = Executable::new(243, &OPENSSL, &NULL_CHECK);
    assert!(matches!(found(&riscv.bytes), Err(NoHook::Machine(243))));
    let java = Executable::new(62, &["JNI_CreateJavaVM"], &NULL_CHECK);
    assert_eq!(
        found(&java.bytes).unwrap_err().to_string(),
        "Java has no place to take secrets at: give a key log"
    );
}

#[test]
fn this_machines_openssl_is_hooked_behind_a_check() {
    let folders = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
    ];
    let mut paths = folders.iter().map(|folder| format!("{folder}/libcrypto.so.3"));
    let Some(path) = paths.find(|path| fs::exists(path).is_ok_and(|exists| exists)) else {
        return;
    };
    let hooks = hook_points(&File::open(path).unwrap(), Options::default()).unwrap();
    let [point] = hooks.points.as_slice() else {
        panic!("{hooks:?}");
    };
    assert_eq!((point.kind, point.emulated), (HookKind::OpenSslKdf, true));
    assert!(point.library.starts_with("OpenSSL 3."), "{}", point.library);
    assert!(point.within < 16, "{}", point.within);
}

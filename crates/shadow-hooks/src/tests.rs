//! Hooks found in files that are made here, and in those that the machine has.

use std::fs::{self, File};

use super::testing::{AMD64, ARM64, CODE, CODE_OFFSET, DATA, Executable, go_table};
use super::*;

/// test rdi,rdi; je; ret
const NULL_CHECK: [u8; 6] = [0x48, 0x85, 0xff, 0x74, 0x00, 0xc3];

/// mov rcx,rdi; ret
const UNSUITED: [u8; 4] = [0x48, 0x89, 0xf9, 0xc3];

/// push r15; ret
const PUSH: [u8; 3] = [0x41, 0x57, 0xc3];

fn openssl(machine: u16, code: &[u8]) -> Executable {
    let executable = Executable::new(machine, code).function("EVP_KDF_derive", CODE);
    executable.function("EVP_KDF_fetch", CODE)
}

fn found(executable: &Executable) -> Result<Hooks, NoHook> {
    hook_points(&executable.bytes().as_slice(), Options::default())
}

#[test]
fn a_symbol_is_hooked_where_the_kernel_emulates() {
    let executable = openssl(AMD64, &NULL_CHECK).data(b"OpenSSL 3.0.22 2 Jul 2026\0");
    let hooks = found(&executable).unwrap();
    let expected = HookPoint {
        kind: HookKind::OpenSslKdf,
        offset: CODE_OFFSET + 3,
        within: 3,
        symbol: "EVP_KDF_derive".to_owned(),
        library: "OpenSSL 3.0.22".to_owned(),
        emulated: true,
    };
    assert_eq!(hooks.points, [expected]);
    assert!(hooks.refused.is_empty());
}

#[test]
fn arm64_is_hooked_by_its_own_rules() {
    // cmp x0, #0; b.eq
    let code = [0x1f, 0x00, 0x00, 0xf1, 0x00, 0x01, 0x00, 0x54];
    let hooks = found(&openssl(ARM64, &code)).unwrap();
    assert_eq!(hooks.points[0].offset, CODE_OFFSET + 4);
}

#[test]
fn a_function_without_a_cheap_place_is_refused() {
    let reason = found(&openssl(AMD64, &UNSUITED)).unwrap_err();
    assert_eq!(
        reason.to_string(),
        "OpenSSL 3: a probe on EVP_KDF_derive would be slow: its arguments change before an instruction that the kernel \
         emulates"
    );
}

#[test]
fn who_insists_gets_the_first_byte() {
    let image = openssl(AMD64, &UNSUITED).bytes();
    let hooks = hook_points(&image.as_slice(), Options { insist: true }).unwrap();
    let point = &hooks.points[0];
    assert_eq!(
        (point.offset, point.within, point.emulated),
        (CODE_OFFSET, 0, false)
    );
}

#[test]
fn aws_lc_is_known_behind_its_version() {
    let executable = Executable::new(AMD64, &PUSH).data(b"/rustls-0.23.37/src/lib.rs");
    let hooks = found(&executable.clone().function("aws_lc_0_38_0_HKDF_expand", CODE)).unwrap();
    let point = &hooks.points[0];
    assert_eq!(point.kind, HookKind::AwsLcHkdf);
    assert_eq!(point.symbol, "aws_lc_0_38_0_HKDF_expand");
    assert_eq!(point.library, "rustls 0.23.37 on AWS-LC");
    // Another library's function of that name has other arguments.
    let reason = found(&executable.function("other_HKDF_expand", CODE)).unwrap_err();
    assert!(
        reason.to_string().starts_with("rustls 0.23.37: on ring"),
        "{reason}"
    );
}

#[test]
fn red_hats_function_of_the_same_name_is_another() {
    let executable = Executable::new(AMD64, &NULL_CHECK).function("EVP_KDF_derive", CODE);
    assert!(matches!(found(&executable), Err(NoHook::NoTls)));
}

#[test]
fn a_name_that_only_ends_alike_is_another() {
    let executable = Executable::new(AMD64, &NULL_CHECK)
        .function("MY_EVP_KDF_derive", CODE)
        .function("EVP_KDF_fetch", CODE);
    assert!(matches!(found(&executable), Err(NoHook::NoTls)));
}

#[test]
fn a_library_that_asks_for_the_function_is_left_alone() {
    let executable = Executable::new(AMD64, &calls(20, 2)).data(&LABELS);
    assert!(found(&executable).is_ok());
    let executable = executable.asks_for("EVP_KDF_derive").asks_for("EVP_KDF_fetch");
    assert!(matches!(found(&executable), Err(NoHook::Elsewhere("libcrypto"))));
}

#[test]
fn a_symbol_outside_of_the_code_is_refused() {
    for address in [0, CODE - 1, CODE + 6, DATA, u64::MAX] {
        let executable = Executable::new(AMD64, &NULL_CHECK).data(b"data");
        let executable = executable.function("EVP_KDF_derive", address);
        let reason = found(&executable.function("EVP_KDF_fetch", CODE)).unwrap_err();
        assert!(matches!(reason, NoHook::Damaged(_)), "{address:#x}: {reason}");
    }
}

/// cmp rsp,[r14+16]; jbe; push rbp
const GO: [u8; 7] = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x00, 0x55];

fn go(data: &[u8]) -> Executable {
    // Some function before, padded as Go pads.
    Executable::new(AMD64, &[&[0xcc; 32][..], &GO].concat()).data(data)
}

#[test]
fn go_is_found_by_its_table_of_functions() {
    let table = go_table(
        AMD64,
        &[("runtime.text", 0), (go::FUNCTION, 32), ("main.main", 64)],
    );
    let hooks = found(&go(&table).section(".gopclntab")).unwrap();
    let point = &hooks.points[0];
    assert_eq!((point.kind, point.offset), (HookKind::GoKeyLog, CODE_OFFSET + 36));
    assert_eq!(point.library, "Go");
}

#[test]
fn gos_table_is_found_without_its_section() {
    let mut data = b"\xff Go buildinf:\x08\x02".to_vec();
    data.resize(32, 0);
    data.extend_from_slice(b"\x08go1.26.3\0\0\0\0\0\0\0");
    data.extend_from_slice(&go_table(AMD64, &[(go::FUNCTION, 32)]));
    let hooks = found(&go(&data)).unwrap();
    assert_eq!(hooks.points[0].library, "Go 1.26.3");
    assert_eq!(hooks.points[0].offset, CODE_OFFSET + 36);
}

#[test]
fn gos_functions_behind_c_code_are_found() {
    // What `moduledata` says: the table's address, and where the code begins.
    let mut data = go_table(AMD64, &[(go::FUNCTION, 16)]);
    data.resize(data.len().next_multiple_of(8), 0);
    let module = data.len();
    data.resize(module + 184, 0);
    data[module..module + 8].copy_from_slice(&DATA.to_le_bytes());
    data[module + 176..].copy_from_slice(&(CODE + 16).to_le_bytes());
    let hooks = found(&go(&data).section(".gopclntab")).unwrap();
    assert_eq!(hooks.points[0].offset, CODE_OFFSET + 36);
}

#[test]
fn what_does_not_begin_as_gos_functions_do_is_refused() {
    let table = go_table(AMD64, &[(go::FUNCTION, 31)]);
    assert!(found(&go(&table).section(".gopclntab")).is_err());
    // And a Go program without TLS has nothing.
    let table = go_table(AMD64, &[("main.main", 32)]);
    assert!(matches!(
        found(&go(&table).section(".gopclntab")),
        Err(NoHook::NoTls)
    ));
}

const LABELS: [u8; 38] = *b"CLIENT_RANDOM\0SERVER_TRAFFIC_SECRET_0\0";

/// mov esi,label; call function, for so many labels; then, 20 bytes behind the beginning, push r15; ret.
fn calls(function: u32, labels: usize) -> Vec<u8> {
    let mut code = Vec::new();
    for label in [0, 14_u32].iter().take(labels) {
        code.push(0xbe);
        code.extend_from_slice(&(DATA as u32 + label).to_le_bytes());
        code.push(0xe8);
        let next = code.len() as u32 + 4;
        code.extend_from_slice(&function.wrapping_sub(next).to_le_bytes());
    }
    code.resize(20, 0xcc);
    code.extend_from_slice(&PUSH);
    code
}

#[test]
fn a_key_log_function_is_found_by_two_labels() {
    let text = b"Enabled GnuTLS 3.7.9 logging...\0";
    let executable = Executable::new(AMD64, &calls(20, 2)).data(&[&LABELS[..], text].concat());
    let hooks = found(&executable).unwrap();
    let point = &hooks.points[0];
    assert_eq!(
        (point.kind, point.offset),
        (HookKind::KeyLogHelper, CODE_OFFSET + 20)
    );
    assert_eq!(point.library, "GnuTLS 3.7.9");
}

#[test]
fn a_single_label_is_no_proof() {
    let executable = Executable::new(AMD64, &calls(20, 1)).data(&LABELS);
    assert!(matches!(found(&executable), Err(NoHook::NoTls)));
}

#[test]
fn libraries_are_named_by_what_they_carry() {
    for (text, name) in [
        (&b"OpenSSL 1.1.1w  11 Sep 2023\0"[..], "OpenSSL 1.1.1w"),
        (b"OpenSSL 1.1.1k  FIPS 25 Mar 2021\0", "OpenSSL 1.1.1k"),
        (b"OpenSSL 1.1.1 (compatible; BoringSSL)\0", "BoringSSL"),
        (b"external/boringssl/src/ssl/ssl_lib.cc\0", "BoringSSL"),
        (b"OpenSSL is spoken of\0", "OpenSSL 1.1.1 or BoringSSL"),
    ] {
        let executable = Executable::new(AMD64, &calls(20, 2)).data(&[&LABELS, text].concat());
        assert_eq!(found(&executable).unwrap().points[0].library, name);
    }
}

#[test]
fn other_files_are_named_for_what_they_are() {
    for bytes in [&b"#!/bin/sh\n"[..], b"", b"\x7fELF"] {
        assert!(matches!(
            hook_points(&bytes, Options::default()),
            Err(NoHook::NotElf)
        ));
    }
    assert!(matches!(
        found(&openssl(243, &NULL_CHECK)),
        Err(NoHook::Machine(243))
    ));
    let java = Executable::new(AMD64, &PUSH).function("JNI_CreateJavaVM", CODE);
    assert_eq!(
        found(&java).unwrap_err().to_string(),
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
    let image = fs::read(&path).unwrap();
    let hooks = hook_points(&File::open(path).unwrap(), Options::default()).unwrap();
    let [point] = hooks.points.as_slice() else {
        panic!("{hooks:?}");
    };
    assert_eq!((point.kind, point.emulated), (HookKind::OpenSslKdf, true));
    assert!(point.library.starts_with("OpenSSL 3."), "{}", point.library);
    assert!(point.within < 16, "{}", point.within);
    testing::assert_sound(&image, point);
}

//! Executables that are damaged: nothing makes the reader panic, and a hook is where an instruction begins.
//!
//! A first byte of 0 takes what follows as the file; else the file is one that has a hook, and what follows are places of
//! two bytes and what is written there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_hooks::testing::{AMD64, CODE, DATA, Executable, assert_sound, go_table};
use shadow_hooks::{Options, hook_points};

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let mut image = match kind % 4 {
        0 => rest.to_vec(),
        1 => openssl(),
        2 => go(),
        _ => key_log(),
    };
    if kind % 4 > 0 {
        for change in rest.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % image.len();
            image[at] = change[2];
        }
    }
    for insist in [false, true] {
        if let Ok(hooks) = hook_points(&image.as_slice(), Options { insist }) {
            for point in &hooks.points {
                assert!(insist || point.emulated);
                assert_sound(&image, point);
            }
        }
    }
});

/// test rdi,rdi; je; ret
fn openssl() -> Vec<u8> {
    let executable = Executable::new(AMD64, &[0x48, 0x85, 0xff, 0x74, 0x00, 0xc3]);
    let executable = executable.function("EVP_KDF_derive", CODE).function("EVP_KDF_fetch", CODE);
    executable.data(b"OpenSSL 3.0.22 2 Jul 2026\0").bytes()
}

/// cmp rsp,[r14+16]; jbe; push rbp
fn go() -> Vec<u8> {
    let table = go_table(AMD64, &[("main.main", 7), ("crypto/tls.(*Config).writeKeyLog", 0)]);
    let executable = Executable::new(AMD64, &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x00, 0x55]);
    executable.data(&table).section(".gopclntab").bytes()
}

/// Two loads of labels with a call each, and what they call: push r15.
fn key_log() -> Vec<u8> {
    let mut code = Vec::new();
    for (label, distance) in [(0, 10), (14, 0)] {
        code.push(0xbe);
        code.extend_from_slice(&(DATA as u32 + label).to_le_bytes());
        code.push(0xe8);
        code.extend_from_slice(&i32::to_le_bytes(distance));
    }
    code.extend_from_slice(&[0x41, 0x57, 0xc3]);
    let executable = Executable::new(AMD64, &code);
    executable.data(b"CLIENT_RANDOM\0SERVER_TRAFFIC_SECRET_0\0").bytes()
}

//! Go's table of functions, found by its section and by its first bytes: nothing makes the reader panic, and what it finds
//! is a function that begins as Go's do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_hooks::testing::{AMD64, CODE_OFFSET, Executable, assert_sound};
use shadow_hooks::{Options, hook_points};

/// cmp rsp,[r14+16]; jbe; push rbp
const FUNCTION: [u8; 8] = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x00, 0x55, 0xcc];

fuzz_target!(|data: &[u8]| {
    let executable = Executable::new(AMD64, &FUNCTION.repeat(4));
    // The build information that says it is Go's, and the table where an 8-byte boundary is.
    let mut unnamed = b"\xff Go buildinf:\x08\x02".to_vec();
    unnamed.resize(32, 0);
    unnamed.extend_from_slice(b"\x07go1.26\0");
    unnamed.extend_from_slice(data);
    let by_section = executable.clone().data(data).section(".gopclntab").bytes();
    let by_first_bytes = executable.data(&unnamed).bytes();
    for image in [by_section, by_first_bytes] {
        let Ok(hooks) = hook_points(&image.as_slice(), Options::default()) else {
            continue;
        };
        for point in &hooks.points {
            assert_eq!((point.offset - CODE_OFFSET) % 8, 4);
            assert_sound(&image, point);
        }
    }
});

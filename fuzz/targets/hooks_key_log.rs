//! Code that refers to the labels of the key log: whatever it is, the function that it elects is hooked where an instruction
//! begins.
//!
//! The first byte says for which machine. Labels stand at fixed addresses, in reach of both.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_hooks::testing::{AMD64, ARM64, Executable, assert_sound};
use shadow_hooks::{Options, hook_points};

fuzz_target!(|data: &[u8]| {
    let Some((kind, code)) = data.split_first() else {
        return;
    };
    let machine = if kind & 1 == 0 { AMD64 } else { ARM64 };
    let labels = b"CLIENT_RANDOM\0SERVER_TRAFFIC_SECRET_0\0EXPORTER_SECRET\0";
    let image = Executable::new(machine, code).data(labels).bytes();
    if let Ok(hooks) = hook_points(&image.as_slice(), Options { insist: kind & 2 == 2 }) {
        for point in &hooks.points {
            assert_sound(&image, point);
        }
    }
});

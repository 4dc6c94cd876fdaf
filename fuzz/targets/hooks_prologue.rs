//! First instructions of functions: whatever they are, a hook is where one of them begins, and one that the kernel emulates
//! unless somebody insists.
//!
//! The first byte says for which machine and which of the kinds that have symbols.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_hooks::testing::{AMD64, ARM64, CODE, Executable, assert_sound};
use shadow_hooks::{NoHook, Options, hook_points};

fuzz_target!(|data: &[u8]| {
    let Some((kind, code)) = data.split_first() else {
        return;
    };
    let machine = if kind & 1 == 0 { AMD64 } else { ARM64 };
    let name = if kind & 2 == 0 { "EVP_KDF_derive" } else { "aws_lc_0_38_0_HKDF_expand" };
    let executable = Executable::new(machine, code).function(name, CODE);
    let image = executable.function("EVP_KDF_fetch", CODE).bytes();

    match hook_points(&image.as_slice(), Options::default()) {
        Ok(hooks) => {
            for point in &hooks.points {
                assert!(point.emulated && point.within < 64);
                assert_sound(&image, point);
            }
        }
        Err(NoHook::WouldBeStepped { .. }) if !code.is_empty() => {
            let hooks = hook_points(&image.as_slice(), Options { insist: true }).expect("the first byte");
            assert_eq!(hooks.points[0].within, 0);
            assert_sound(&image, &hooks.points[0]);
        }
        Err(_) => assert!(code.is_empty() || name != "EVP_KDF_derive"),
    }
});

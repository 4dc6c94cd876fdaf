//! Any bytes from a server that is asked for its descriptors, in pieces of any size: it ends within its bounds, and nothing is asked
//! twice.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use shadow_grpc::Reflection;

fuzz_target!(|data: &[u8]| {
    let Some((&piece, data)) = data.split_first() else { return };
    let mut reflection = Reflection::new();
    let mut asked = HashSet::new();
    let mut pieces = data.chunks(usize::from(piece).max(1));
    loop {
        if let Some(question) = reflection.question() {
            assert!(asked.insert(question));
        }
        let Some(piece) = pieces.next() else { break };
        if reflection.receive(piece).is_err() {
            break;
        }
    }
    // What prost-reflect panics at is caught there, and would end the fuzzer.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let _ = reflection.descriptors();
    std::panic::set_hook(hook);
});

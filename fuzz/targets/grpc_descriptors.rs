//! Sets of descriptors of any bytes, and a message that is read by each of their methods: whatever they say, it ends, and is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_grpc::{Descriptors, replaced, shown_as};

/// The line that stands between the descriptors and the message.
const BETWEEN: &[u8] = b"\n====\n";

fuzz_target!(|data: &[u8]| {
    let at = data.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    let (set, message) = match at {
        Some(at) => (&data[..at], &data[at + BETWEEN.len()..]),
        None => (data, data),
    };
    // What prost-reflect panics at is caught there, and would end the fuzzer.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let read = Descriptors::read(set);
    std::panic::set_hook(hook);
    let Ok(descriptors) = read else { return };
    for path in descriptors.paths().take(10) {
        let Some(method) = descriptors.method(path.as_bytes()) else {
            continue;
        };
        for of in [&method.input, &method.output] {
            if let Some(text) = shown_as(message, of) {
                serde_json::from_str::<&serde_json::value::RawValue>(&text).unwrap();
            }
            replaced(message, of, &mut |_, _| Some(Vec::new()));
        }
    }
});

//! Expressions of any text, as rules have them: one is refused, or it matches and rewrites values of any bytes, and to put what it
//! matched in its own place changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::mirror::rules::{Expression, Rewrite};

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let Ok(text) = std::str::from_utf8(&data[..end]) else {
        return;
    };
    let value = data.get(end + 1..).unwrap_or_default();
    let Ok(expression) = Expression::new(text) else {
        assert!(Rewrite::new(text, "").is_err());
        return;
    };
    let same = Rewrite::new(text, "$0").expect("the same expression");
    let same = same.apply(value).expect("no longer than the value");
    assert_eq!(same.is_some(), expression.matches(value));
    assert!(same.is_none_or(|same| same == value));
    // A template of any text is one, too.
    if let Ok(any) = Rewrite::new(text, &text.replace(['(', ')'], "$")) {
        let _ = any.apply(value);
    }
});

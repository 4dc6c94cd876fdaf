//! The chunked coding against a plain reading of its grammar, whole and cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::http::{BodyDecoder, Framing};

fuzz_target!(|data: &[u8]| {
    let Some((&size, body)) = data.split_first() else {
        return;
    };
    let mut decoder = BodyDecoder::new(Framing::Chunked);
    let whole = decoder.advance(body);

    let mut decoder = BodyDecoder::new(Framing::Chunked);
    let mut cut = Ok((0, false));
    for piece in body.chunks(usize::from(size % 32) + 1) {
        cut = cut.and_then(|(before, done)| {
            let (taken, ended) = if done { (0, true) } else { decoder.advance(piece)? };
            Ok((before + taken, ended))
        });
    }
    assert_eq!(cut, whole);

    let ended = matches!(whole, Ok((_, true)));
    match read(body) {
        Some(length) => assert_eq!(whole, Ok((length, true))),
        None => assert!(!ended, "{whole:?}"),
    }
});

/// The length of the chunked body that `bytes` begin with, read line by line (RFC 9112 section 7.1).
fn read(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = line(bytes, &mut at)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        if !(1..=16).contains(&digits) || extension.len() > 4096 {
            return None;
        }
        let behind_space = extension.trim_ascii_start();
        // White space behind a size is passed over, as servers do.
        let is_padding = extension.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        if !is_padding && (behind_space.first() != Some(&b';') || !is_text(extension)) {
            return None;
        }
        match u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()? {
            0 => break,
            size => at = at.checked_add(usize::try_from(size).ok()?)?,
        }
        if bytes.get(at..at.checked_add(2)?)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    let trailers = at;
    loop {
        let line = line(bytes, &mut at)?;
        if line.is_empty() {
            return Some(at);
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if colon == 0 || !line[..colon].iter().all(token) || !is_text(&line[colon..]) || at - trailers > 16384
        {
            return None;
        }
    }
}

fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = bytes.get(*at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    Some(&rest[..end])
}

fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

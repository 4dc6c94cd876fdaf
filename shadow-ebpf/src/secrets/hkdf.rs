//! `HKDF_expand(out, length, digest, prk, prk_length, info, info_length)` of AWS-LC, as rustls calls it: `info` is the
//! `HkdfLabel` of RFC 8446 section 7.1.
//!
//! The derivations of `s hs traffic` and `c e traffic` are taken, whose context is the transcript's hash.

use shadow_common::{SecretCounter, SecretLabel, SecretRecord};

use crate::arguments::Arguments;
use crate::memory::{Memory, bytes, value};

/// The start of an `HkdfLabel`: a length (2 bytes), that of the label, `tls13 `, the label, the context's length.
type Start = [u8; 24];

/// Bytes before the label.
const PREFIX: u64 = 9;

/// Reads the secret that is derived from, and the transcript's hash.
#[inline(always)]
pub fn read<M: Memory>(arguments: Arguments, record: &mut SecretRecord) -> Result<(), SecretCounter> {
    let info_length = match arguments.seventh() {
        Ok(place) => value::<M, u64>(place, 0)?,
        Err(value) => value,
    };
    let info = arguments.sixth();
    // Those of an IV, a key or `finished` are shorter. One without an address is no `info`: the salt of `HKDF_extract`.
    if info_length < size_of::<Start>() as u64 || info == 0 {
        return Err(SecretCounter::OtherLabel);
    }
    let start: Start = value::<M, _>(info, [0; 24])?;
    let word = [
        start[9], start[10], start[11], start[12], start[13], start[14], start[15], start[16],
    ];
    let word = u64::from_le_bytes(word);
    let (label, length) = if start[2] == 18 && word == u64::from_le_bytes(*b"s hs tra") {
        (SecretLabel::HandshakeSecret, 12)
    } else if start[2] == 17 && word == u64::from_le_bytes(*b"c e traf") {
        (SecretLabel::EarlySecret, 11)
    } else {
        return Err(SecretCounter::OtherLabel);
    };
    let context_length = info_length.wrapping_sub(PREFIX + length + 1);
    record.label = label as u32;
    record.secret_length = bytes::<M>(&mut record.secret, arguments.fourth(), arguments.fifth())?;
    record.context_length = bytes::<M>(&mut record.context, info + PREFIX + length + 1, context_length)?;
    Ok(())
}

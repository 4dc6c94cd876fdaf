//! The PRF of TLS 1.2 in AWS-LC, `(.., .., .., secret, secret_length, label, label_length, seed, seed_length, ..)`, as rustls calls it:
//! once for each value that it derives.
//!
//! The derivation of `key expansion` is taken: from the master secret, with both randoms as the seed (RFC 5246 section 6.3).

use shadow_common::{SecretCounter, SecretLabel, SecretRecord};

use crate::arguments::Arguments;
use crate::memory::{Memory, bytes, value};

/// Bytes of either random, the server's first.
const RANDOM: u64 = 32;

/// Reads the master secret, and the client's random.
#[inline(always)]
pub fn read<M: Memory>(arguments: Arguments, record: &mut SecretRecord) -> Result<(), SecretCounter> {
    let label_length = match arguments.seventh() {
        Ok(place) => value::<M, u64>(place, 0)?,
        Err(value) => value,
    };
    if label_length != 13 || value::<M, u64>(arguments.sixth(), 0)? != u64::from_le_bytes(*b"key expa") {
        return Err(SecretCounter::OtherLabel);
    }
    if arguments
        .ninth::<M>()?
        .is_some_and(|seed_length| seed_length != 2 * RANDOM)
    {
        return Err(SecretCounter::Incomplete);
    }
    record.label = SecretLabel::Master as u32;
    record.secret_length = bytes::<M>(&mut record.secret, arguments.fourth(), arguments.fifth())?;
    record.context_length = bytes::<M>(&mut record.context, arguments.eighth::<M>()? + RANDOM, RANDOM)?;
    Ok(())
}

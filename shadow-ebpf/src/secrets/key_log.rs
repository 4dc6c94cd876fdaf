//! Functions that write lines of the NSS key log: the C ones, `(ssl, label, secret, length)`, and Go's
//! `(*Config).writeKeyLog(label string, clientRandom, secret []byte)`.

use shadow_common::{SecretCounter, SecretLabel, SecretRecord};

use crate::arguments::Arguments;
use crate::memory::{Memory, bytes, value};

/// Reads what a C function was given: no client random.
#[inline(always)]
pub fn read<M: Memory>(arguments: Arguments, record: &mut SecretRecord) -> Result<(), SecretCounter> {
    record.label = label::<M>(arguments.second())? as u32;
    // GnuTLS's is an `unsigned int`: what is above it in the register means nothing.
    let length = arguments.fourth() & 0xffff_ffff;
    record.secret_length = bytes::<M>(&mut record.secret, arguments.third(), length)?;
    Ok(())
}

/// Reads what Go's function was given.
#[inline(always)]
pub fn read_go<M: Memory>(arguments: Arguments, record: &mut SecretRecord) -> Result<(), SecretCounter> {
    // The shortest label that is wanted, CLIENT_RANDOM: a shorter string may not be followed by anything.
    if arguments.go_2() < 13 {
        return Err(SecretCounter::OtherLabel);
    }
    record.label = label::<M>(arguments.go_1())? as u32;
    record.context_length = bytes::<M>(&mut record.context, arguments.go_3(), arguments.go_4())?;
    record.secret_length = bytes::<M>(&mut record.secret, arguments.go_6(), arguments.go_7())?;
    Ok(())
}

/// Labels differ in their first eight bytes.
#[inline(always)]
fn label<M: Memory>(place: u64) -> Result<SecretLabel, SecretCounter> {
    let start: u64 = value::<M, _>(place, 0)?;
    if start == u64::from_le_bytes(*b"CLIENT_R") {
        Ok(SecretLabel::Master)
    } else if start == u64::from_le_bytes(*b"CLIENT_H") {
        Ok(SecretLabel::ClientHandshakeTraffic)
    } else if start == u64::from_le_bytes(*b"SERVER_H") {
        Ok(SecretLabel::ServerHandshakeTraffic)
    } else if start == u64::from_le_bytes(*b"CLIENT_T") {
        Ok(SecretLabel::ClientTraffic0)
    } else if start == u64::from_le_bytes(*b"SERVER_T") {
        Ok(SecretLabel::ServerTraffic0)
    } else if start == u64::from_le_bytes(*b"CLIENT_E") {
        Ok(SecretLabel::ClientEarlyTraffic)
    } else {
        Err(SecretCounter::OtherLabel)
    }
}

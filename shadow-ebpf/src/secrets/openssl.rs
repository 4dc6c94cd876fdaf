//! `EVP_KDF_derive(ctx, out, length, const OSSL_PARAM params[])` of OpenSSL 3 and later.
//!
//! The parameters are a public interface (OSSL_PARAM(3), EVP_KDF-TLS13_KDF(7), EVP_KDF-TLS1_PRF(7)). Of TLS 1.3 the
//! derivations of `s hs traffic` and `c e traffic` are taken: the `key` that all others follow from, and the `data`, which
//! is the transcript's hash. Of TLS 1.2 that of `key expansion`: the `secret`, and the second of the two randoms among the
//! `seed`s, which is the client's (RFC 5246 section 6.3).

use core::mem::MaybeUninit;

use shadow_common::{SecretCounter, SecretLabel, SecretRecord};

use crate::arguments::Arguments;
use crate::memory::{Memory, bytes, value};

/// Parameters that are looked at. A derivation of TLS has seven at most.
const MOST_PARAMETERS: u64 = 12;

/// Octets, among the types of parameters (`OSSL_PARAM_OCTET_STRING`).
const OCTETS: u64 = 5;

/// One parameter: `struct ossl_param_st`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Parameter {
    key: u64,
    /// The low half of the word; the rest is padding.
    kind: u64,
    data: u64,
    size: u64,
    returned: u64,
}

/// None, as at the end of them.
const NOTHING: Parameter = Parameter {
    key: 0,
    kind: 0,
    data: 0,
    size: 0,
    returned: 0,
};

/// A name or label by its first eight bytes.
#[derive(Clone, Copy)]
struct Name {
    word: u64,
    /// The part that counts: with the zero that ends it, if that is among the eight.
    mask: u64,
}

impl Name {
    const fn new(name: &[u8; 8], length: u32) -> Self {
        let mask = if length >= 8 {
            u64::MAX
        } else {
            (1 << (8 * length)) - 1
        };
        Self {
            word: u64::from_le_bytes(*name),
            mask,
        }
    }

    #[inline(always)]
    fn is(self, word: u64) -> bool {
        word & self.mask == self.word
    }
}

const KEY: Name = Name::new(b"key\0\0\0\0\0", 4);
const SECRET: Name = Name::new(b"secret\0\0", 7);
const LABEL: Name = Name::new(b"label\0\0\0", 6);
const DATA: Name = Name::new(b"data\0\0\0\0", 5);
const SEED: Name = Name::new(b"seed\0\0\0\0", 5);

/// Parameters that are read at once, to see what is derived: its label is the fifth in TLS 1.3, and the third of TLS 1.2.
/// They stand on the stack of the library, which goes on behind them.
const FIRST: usize = 5;

/// Reads the secret that is derived from, and whose handshake it is of.
///
/// Nineteen of twenty calls in a handshake derive something else, so that those are told by as few reads as can be. Of the
/// others each value is looked for from the start: the verifier walks a loop that gathers several once for each of their
/// combinations.
#[inline(always)]
pub fn read<M: Memory>(arguments: Arguments, record: &mut SecretRecord) -> Result<(), SecretCounter> {
    let parameters = arguments.fourth();
    let label = label::<M>(parameters)?;
    let context = if matches!(label, SecretLabel::Master) {
        // What is derived is the first seed; the randoms come behind it, the server's first.
        find::<M>(parameters, SEED, SEED, 2)?
    } else {
        find::<M>(parameters, DATA, DATA, 0)?
    };
    let (Some(secret), Some(context)) = (find::<M>(parameters, KEY, SECRET, 0)?, context) else {
        return Err(SecretCounter::Incomplete);
    };
    record.label = label as u32;
    record.secret_length = bytes::<M>(&mut record.secret, secret.data, secret.size)?;
    record.context_length = bytes::<M>(&mut record.context, context.data, context.size)?;
    Ok(())
}

/// The derived value, told by the first one that is as long as a label that is wanted.
#[inline(always)]
fn label<M: Memory>(parameters: u64) -> Result<SecretLabel, SecretCounter> {
    let mut first = MaybeUninit::<[Parameter; FIRST]>::uninit();
    // SAFETY: as many bytes as there are.
    if !unsafe { M::read(first.as_mut_ptr().cast(), size_of_val(&first) as u32, parameters) } {
        return Err(SecretCounter::Unreadable);
    }
    // SAFETY: read just now; any bytes are parameters.
    let first = unsafe { first.assume_init_ref() };
    let (mut key, mut data, mut size) = (0, 0, 0);
    for parameter in first {
        let of_a_label = parameter.size.wrapping_sub(11) <= 2 && parameter.kind & 0xFFFF_FFFF == OCTETS;
        if parameter.key == 0 || of_a_label {
            (key, data, size) = (parameter.key, parameter.data, parameter.size);
            break;
        }
    }
    if key == 0 {
        return Err(SecretCounter::OtherLabel);
    }
    let word: u64 = value::<M, _>(data, 0)?;
    let (label, name) = if size == 12 && word == u64::from_le_bytes(*b"s hs tra") {
        (SecretLabel::HandshakeSecret, LABEL)
    } else if size == 11 && word == u64::from_le_bytes(*b"c e traf") {
        (SecretLabel::EarlySecret, LABEL)
    } else if size == 13 && word == u64::from_le_bytes(*b"key expa") {
        (SecretLabel::Master, SEED)
    } else {
        return Err(SecretCounter::OtherLabel);
    };
    if name.is(value::<M, u64>(key, 0)?) {
        Ok(label)
    } else {
        Err(SecretCounter::OtherLabel)
    }
}

/// The parameter with one of two names, behind so many others of them.
#[inline(always)]
fn find<M: Memory>(
    parameters: u64,
    one: Name,
    other: Name,
    behind: u32,
) -> Result<Option<Parameter>, SecretCounter> {
    let mut passed = 0;
    for index in 0..MOST_PARAMETERS {
        let parameter: Parameter =
            value::<M, _>(parameters + index * size_of::<Parameter>() as u64, NOTHING)?;
        if parameter.key == 0 {
            return Ok(None);
        }
        if parameter.kind & 0xFFFF_FFFF != OCTETS {
            continue;
        }
        let name: u64 = value::<M, _>(parameter.key, 0)?;
        if one.is(name) || other.is(name) {
            if passed == behind {
                return Ok(Some(parameter));
            }
            passed += 1;
        }
    }
    Ok(None)
}

//! Where in an executable or library the secrets of a TLS handshake can be taken: its bytes in, hook points out.
//!
//! One cheap probe where a handshake derives its secrets, and nothing at a request: that needs the one function of each
//! TLS library that all handshakes go through, and in it an instruction on which a probe is cheap. Functions are found by
//! symbols, by Go's table of functions, which stripped executables keep as well, or by who refers to the labels of the
//! NSS key log or to the names of source files; the instruction by decoding ([`HookPoint::emulated`]).
//!
//! An executable is hostile input: it belongs to whoever was allowed to run a process. Reads stay within it and are
//! bounded, time grows with its size and no faster, memory is a few windows, and nothing here panics. What is found is
//! never more than an offset at which an instruction begins in an executable segment.
//!
//! # Found so far
//!
//! amd64, by `examples/hooks.rs`. Hits are calls that a uprobe at the offset saw in one handshake of TLS 1.3 and one of
//! TLS 1.2; a line without them was looked at and not run.
//!
//! | file | hook | offset | hits |
//! | --- | --- | --- | --- |
//! | Debian 12 `libcrypto.so.3`, OpenSSL 3.0.22 | `EVP_KDF_derive`+3 | 0x213f03 | yes |
//! | Node 20.20.2 (executable), OpenSSL 3.0.19 | `EVP_KDF_derive`+3 | 0x17aea63 | yes |
//! | Node 24.19.0 (executable), OpenSSL 3.5.7 | `EVP_KDF_derive`+3 | 0x1a18853 | |
//! | Python `cryptography` 37.0.4, OpenSSL 3.0.5 | `EVP_KDF_derive`+6 | 0x1c6816 | |
//! | Python `cryptography` 50.0.2, OpenSSL 4.0.3 | `EVP_KDF_derive`+3 | 0x78c3d3 | |
//! | cargo 1.95 (static), OpenSSL 3.5.4 | `EVP_KDF_derive`+3 | 0x1a8a403 | |
//! | Go 1.27.3, plain and `-ldflags=-s -w` | `writeKeyLog`+9 | 0x19c329 | 5, 5 |
//! | Go 1.27.3, `-buildmode=pie`, stripped | `writeKeyLog`+9 | 0x19c7c9 | 5 |
//! | Go 1.27.3, linked with C (`-linkmode=external`) | `writeKeyLog`+9 | 0x1a2229 | 5 |
//! | Go 1.27.3, linked with C, pie, stripped | `writeKeyLog`+9 | 0x23a709 | 5 |
//! | Caddy 2.11.7, Go 1.27.1 | `writeKeyLog`+9 | 0x2e8849 | 5 |
//! | Debian 12 Caddy 2.6.2, Go 1.19.8 | `writeKeyLog`+9 | 0x2b1ba9 | 5 |
//! | kubectl 1.28 to 1.33, Go 1.22 to 1.24 | `writeKeyLog`+9 | 0x2981c9 and others | |
//! | rustup, rustls 0.23.37 on AWS-LC 0.38.0 | `aws_lc_0_38_0_HKDF_expand`+0 | 0xb4ad10 | 7 (1.3 only, as a client) |
//! | Deno 2.9.6, stripped, rustls 0.23.40 on AWS-LC 0.40.0 | `HKDF_expand`+0, PRF of TLS 1.2+0 | 0x584ca13, 0x5857420 | yes |
//! | Python `rtls` 2026.9.21, stripped, rustls 0.23.45 on AWS-LC 0.45.0 | the same | 0x27b780, 0x27c140 | |
//! | Envoy 1.40.0, `BoringSSL` | key log function+0 | 0x5bf8480 | 6 |
//! | Bun 1.4.5, `BoringSSL` | key log function+0 | 0x23898e0 | 6 |
//! | Python `grpcio` 1.85.3, `BoringSSL` | key log function+0 | 0xbb0db0 | |
//! | Python `curl_cffi` 0.17.0, `BoringSSL` | key log function+0 | 0x2d3620 | |
//! | Debian 12 `libgnutls.so.30`, 3.7.9 | key log function+30 | 0x52ace | 5 (1.3 only) |
//! | Debian 11 `libssl.so.1.1`, OpenSSL 1.1.1w | key log function+27 | 0x3e03b | |
//! | `psycopg2-binary` 2.9.1, OpenSSL 1.1.1k | key log function+0 | 0x3eb00 | |
//! | `pycurl` 7.45.3, Red Hat's OpenSSL 1.1.1k | key log function+22 | 0x3f246 | 6 |
//! | Python `cryptography` 3.4.8, OpenSSL 1.1.1l | key log function+20 | 0xe6ea4 | |
//!
//! Refused, with a reason: `libssl.so.3` (its secrets are derived in libcrypto), NSS' `libssl3.so`, Java (17 and 25) and
//! s2n-tls (`awscrt` 0.38.1): give a key log. An OpenSSL 3 without symbols is read by its key log function where that begins
//! so that it can be (`cryptography` 50.0.2, stripped), and refused where it only puts its arguments in another order for
//! the function that it jumps to (cargo 1.95, stripped): a probe there would be single-stepped.
//!
//! Envoy, 101 MiB, takes 0.16 s of CPU and 3 MiB of memory, Node 0.04 s.
//! arm64 is tested by unit and was tried on no machine.
#![forbid(unsafe_code)]

mod aws_lc;
mod elf;
mod go;
mod image;
mod keylog;
mod library;
mod machine;
mod prologue;
#[cfg(test)]
mod properties;
mod refused;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use shadow_common::HookKind;

use elf::{Elf, Symbol};
use image::Reader;
pub use image::{Image, MAX_READ_BYTES};
use library::Library;
pub use prologue::Refusal;
pub use refused::NoHook;

/// Hooks of one kind at most in one file; there is one, but for a second copy of the library.
const MAX_POINTS: usize = 4;

/// Wishes beyond the rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Where a function has no instruction that the kernel emulates, take its first byte: a probe there costs some twenty
    /// times as much, 12 instead of 0.6 microseconds a call, which is twenty calls a handshake.
    pub insist: bool,
}

/// Where one function of one TLS library is to be hooked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPoint {
    /// Which function it is, and so where its arguments are.
    pub kind: HookKind,
    /// Offset in the file, as a uprobe takes it; an instruction begins there, in an executable segment.
    pub offset: u64,
    /// How far behind the function's first byte that is.
    pub within: u64,
    /// The function, as its symbol or its language calls it.
    pub symbol: String,
    /// The library and its version as far as they can be told: "OpenSSL 3.0.22".
    pub library: String,
    /// Whether the kernel emulates the instruction there. Always, unless [`Options::insist`] was asked for.
    pub emulated: bool,
}

/// Places in a file that can be hooked.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Where, at least at one place.
    pub points: Vec<HookPoint>,
    /// Other TLS stacks in the same file that cannot be, and why.
    pub refused: Vec<NoHook>,
}

/// Finds where the TLS secrets of the processes that run `image` can be taken.
///
/// # Errors
///
/// With the reason, in words for people, if there is no such place: [`NoHook`].
pub fn hook_points(image: &dyn Image, options: Options) -> Result<Hooks, NoHook> {
    let reader = Reader::new(image)?;
    let elf = Elf::read(&reader)?;
    let symbols = elf.symbols(&reader, library::SYMBOLS)?;
    let library = Library::of(&reader, &elf)?;
    let mut hooks = Hooks::default();
    for function in functions(&reader, &elf, &symbols, &library, &mut hooks.refused)? {
        match hook(&reader, &elf, function, options) {
            Ok(point) if hooks.points.iter().any(|known| known.offset == point.offset) => {}
            Ok(point) => hooks.points.push(point),
            Err(refusal) => hooks.refused.push(refusal),
        }
    }
    if hooks.points.is_empty() {
        let refused = hooks.refused.into_iter().next();
        return Err(refused.unwrap_or_else(|| library.without_hook(&symbols)));
    }
    Ok(hooks)
}

/// A function that secrets go through.
struct Function {
    kind: HookKind,
    symbol: String,
    library: String,
    address: u64,
    /// Bytes that it has, 0 if that is not known.
    size: u64,
}

/// The functions that secrets go through; what was recognised and cannot be used is `refused`.
fn functions(
    reader: &Reader<'_>,
    elf: &Elf,
    symbols: &[Symbol],
    library: &Library,
    refused: &mut Vec<NoHook>,
) -> Result<Vec<Function>, NoHook> {
    let mut functions = Vec::new();
    let is_openssl = library::is_openssl_kdf(symbols, true);
    for symbol in symbols.iter().filter(|symbol| symbol.defined) {
        let (kind, library) = match symbol.name.as_str() {
            library::OPENSSL_KDF if is_openssl => (HookKind::OpenSslKdf, library.openssl()),
            name if library::is_aws_lc(name, "_HKDF_expand") => (HookKind::AwsLcHkdf, library.aws_lc()),
            name if library::is_aws_lc(name, "_CRYPTO_tls1_prf") => (HookKind::AwsLcPrf, library.aws_lc()),
            _ => continue,
        };
        functions.push(Function {
            kind,
            symbol: symbol.name.clone(),
            library,
            address: symbol.address,
            size: symbol.size,
        });
    }
    let has_aws_lc = functions.iter().any(|found| found.kind == HookKind::AwsLcHkdf);
    if library.rustls.is_some() && !has_aws_lc {
        let found = aws_lc::functions(reader, elf)?;
        functions.extend(found.into_iter().map(|found| Function {
            kind: found.kind,
            symbol: found.name.to_owned(),
            library: library.aws_lc(),
            address: found.address,
            size: 0,
        }));
    }
    functions.truncate(MAX_POINTS);
    match go::key_log(reader, elf, library.go.as_deref()) {
        Ok(Some(address)) => functions.push(Function {
            kind: HookKind::GoKeyLog,
            symbol: go::FUNCTION.to_owned(),
            library: library.go(),
            address,
            size: 0,
        }),
        Ok(None) => {}
        Err(NoHook::Read(error)) => return Err(NoHook::Read(error)),
        Err(reason) => refused.push(reason),
    }
    // OpenSSL's own has the other hook, which says whose handshake it is; its libssl leaves the matter to libcrypto.
    if !is_openssl && !library::is_openssl_kdf(symbols, false) {
        let found = keylog::functions(reader, elf)?;
        functions.extend(found.into_iter().take(MAX_POINTS).map(|address| Function {
            kind: HookKind::KeyLogHelper,
            symbol: "key log function".to_owned(),
            library: library.with_key_log(),
            address,
            size: 0,
        }));
    }
    Ok(functions)
}

/// Where `function` is to be hooked.
fn hook(reader: &Reader<'_>, elf: &Elf, function: Function, options: Options) -> Result<HookPoint, NoHook> {
    let (offset, left) = elf
        .code_at(function.address)
        .ok_or(NoHook::Damaged("a function lies outside of its code"))?;
    let size = if function.size == 0 {
        left
    } else {
        left.min(function.size)
    };
    let code = reader.some(offset..offset.saturating_add(size.min(prologue::MAX_BYTES as u64)))?;
    let (within, emulated) = match prologue::hook(elf.machine, function.kind, &code) {
        Ok(within) => (within, true),
        Err(_) if options.insist && !code.is_empty() => (0, false),
        Err(why) => {
            return Err(NoHook::WouldBeStepped {
                library: function.library,
                symbol: function.symbol,
                why,
            });
        }
    };
    Ok(HookPoint {
        kind: function.kind,
        offset: offset + within,
        within,
        symbol: function.symbol,
        library: function.library,
        emulated,
    })
}

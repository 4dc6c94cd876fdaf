//! Which TLS libraries are in a file, and their versions: from symbols, and from texts that they carry.

use memchr::memmem::Finder;

use crate::elf::{Elf, Symbol};
use crate::image::Reader;
use crate::{NoHook, go};

/// OpenSSL's function that derives keys, since 3.0.
pub(crate) const OPENSSL_KDF: &str = "EVP_KDF_derive";

/// A function that came with [`OPENSSL_KDF`] in OpenSSL 3.0. Red Hat's OpenSSL 1.1.1 has another function of the first
/// name, with other arguments, which TLS does not use.
const OPENSSL_KDF_FETCH: &str = "EVP_KDF_fetch";

/// Symbols that are looked for. `*` stands for any beginning.
pub(crate) const SYMBOLS: [&str; 10] = [
    OPENSSL_KDF,
    OPENSSL_KDF_FETCH,
    "*_HKDF_expand",
    "*_CRYPTO_tls1_prf",
    "SSL_ImportFD",
    "JNI_CreateJavaVM",
    "JLI_Launch",
    "mbedtls_ssl_handshake",
    "wolfSSL_accept",
    "s2n_negotiate",
];

/// Whether these are the symbols of a file that has OpenSSL 3's function (`defined`), or that asks another for it.
pub(crate) fn is_openssl_kdf(symbols: &[Symbol], defined: bool) -> bool {
    let has = |name| {
        symbols
            .iter()
            .any(|symbol| symbol.name == name && symbol.defined == defined)
    };
    has(OPENSSL_KDF) && has(OPENSSL_KDF_FETCH)
}

/// Stacks without a hook, by a symbol that is in their own file.
const NO_HOOK: [(&str, &str); 6] = [
    ("SSL_ImportFD", "NSS"),
    ("JNI_CreateJavaVM", "Java"),
    ("JLI_Launch", "Java"),
    ("mbedtls_ssl_handshake", "Mbed TLS"),
    ("wolfSSL_accept", "wolfSSL"),
    ("s2n_negotiate", "s2n-tls"),
];

/// Whether a symbol is AWS-LC's function of this name: Rust's `aws-lc-sys` puts its own version before each.
pub(crate) fn is_aws_lc(name: &str, function: &str) -> bool {
    name.starts_with("aws_lc_") && name.ends_with(function)
}

/// Texts that libraries carry, each the beginning of one.
const TEXTS: [&[u8]; 7] = [
    b"OpenSSL ",
    b"LibreSSL ",
    b"\xff Go buildinf:",
    // Paths of its sources, in what its panics say.
    b"/rustls-0.",
    b"GnuTLS ",
    // In paths of its sources, and in what applications say of it.
    b"boringssl",
    b"BoringSSL",
];

/// Bytes behind the beginning of a text that are read.
const TEXT_BYTES: usize = 160;

/// Versions of TLS libraries that a file carries, as far as they can be told.
#[derive(Debug, Default)]
pub(crate) struct Library {
    openssl: Option<String>,
    libressl: Option<String>,
    boringssl: bool,
    /// It is spoken of, which is no proof.
    of_boringssl: bool,
    aws_lc: Option<String>,
    gnutls: Option<String>,
    pub(crate) rustls: Option<String>,
    /// Without the "go" before it.
    pub(crate) go: Option<String>,
}

impl Library {
    /// Looks through all that is mapped.
    pub(crate) fn of(reader: &Reader<'_>, elf: &Elf) -> Result<Self, NoHook> {
        let finders = TEXTS.map(Finder::new);
        let mut library = Self::default();
        for range in elf.loaded(|_| true) {
            reader.windows(range, TEXT_BYTES, |_, bytes, own| {
                for (index, finder) in finders.iter().enumerate() {
                    for at in finder.find_iter(bytes).take_while(|at| *at < own) {
                        let text = &bytes[at..bytes.len().min(at + TEXT_BYTES)];
                        library.reads(index, &text[TEXTS[index].len()..], text);
                    }
                }
                Ok(())
            })?;
        }
        Ok(library)
    }

    /// One of the texts: what stands behind its beginning, and all of it.
    fn reads(&mut self, index: usize, rest: &[u8], text: &[u8]) {
        match index {
            0 => self.reads_openssl(rest),
            1 => keep(&mut self.libressl, version(rest).map(|(version, _)| version)),
            2 => keep(&mut self.go, go::version(text)),
            3 => keep(
                &mut self.rustls,
                version(&text[b"/rustls-".len()..]).map(|(version, _)| version),
            ),
            4 => keep(&mut self.gnutls, version(rest).map(|(version, _)| version)),
            _ => self.of_boringssl = true,
        }
    }

    /// "OpenSSL 3.0.22 2 Jul 2026", "OpenSSL 1.1.1k  FIPS 25 Mar 2021", "OpenSSL 1.1.1 (compatible; `BoringSSL`)", "OpenSSL 1.1.1 (compatible; AWS-LC 1.60.0)".
    fn reads_openssl(&mut self, rest: &[u8]) {
        let Some((version, rest)) = version(rest) else {
            return;
        };
        if let Some(rest) = rest.strip_prefix(b" (compatible; ") {
            if let Some(rest) = rest.strip_prefix(b"AWS-LC") {
                let version = rest.strip_prefix(b" ").and_then(self::version);
                keep(
                    &mut self.aws_lc,
                    Some(version.map_or_else(String::new, |(version, _)| version)),
                );
            }
            self.boringssl |= rest.starts_with(b"BoringSSL");
            return;
        }
        let date = rest.trim_ascii_start();
        let date = date.strip_prefix(b"FIPS ").unwrap_or(date);
        if date.len() < rest.len() && date.first().is_some_and(u8::is_ascii_digit) {
            keep(&mut self.openssl, Some(version));
        }
    }

    /// The name for people of the OpenSSL in this file.
    pub(crate) fn openssl(&self) -> String {
        named("OpenSSL", self.openssl.as_deref().or(Some("3")))
    }

    /// The name for people of the AWS-LC in this file, with the Rust library that uses it.
    pub(crate) fn aws_lc(&self) -> String {
        let aws_lc = named("AWS-LC", self.aws_lc.as_deref());
        match &self.rustls {
            Some(version) => format!("rustls {version} on {aws_lc}"),
            None => aws_lc,
        }
    }

    /// The name for people of the library in C that has a key log function.
    pub(crate) fn with_key_log(&self) -> String {
        match (&self.gnutls, &self.openssl) {
            (Some(version), _) => named("GnuTLS", Some(version)),
            (None, Some(version)) if !self.boringssl => named("OpenSSL", Some(version)),
            _ if self.boringssl || self.of_boringssl => "BoringSSL".to_owned(),
            _ => "OpenSSL 1.1.1 or BoringSSL".to_owned(),
        }
    }

    /// The name for people of the Go in this file.
    pub(crate) fn go(&self) -> String {
        named("Go", self.go.as_deref())
    }

    /// Why a file has no hook in which no function was found.
    pub(crate) fn without_hook(&self, symbols: &[Symbol]) -> NoHook {
        if is_openssl_kdf(symbols, false) {
            return NoHook::Elsewhere("libcrypto");
        }
        if let Some(version) = &self.rustls {
            return NoHook::Hidden {
                library: format!("rustls {version}"),
                why: "on ring it has no function to take secrets at, and those of AWS-LC were not found",
            };
        }
        let without = NO_HOOK
            .iter()
            .find(|(name, _)| symbols.iter().any(|symbol| symbol.name == *name));
        if let Some((_, library)) = without {
            let library = (*library).to_owned();
            return NoHook::GiveKeyLog { library };
        }
        match &self.libressl {
            Some(version) => NoHook::GiveKeyLog {
                library: named("LibreSSL", Some(version)),
            },
            None => NoHook::NoTls,
        }
    }
}

fn named(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) if !version.is_empty() => format!("{name} {version}"),
        _ => name.to_owned(),
    }
}

/// The first that was found stays.
fn keep(slot: &mut Option<String>, found: Option<String>) {
    if slot.is_none() {
        *slot = found;
    }
}

/// The version that `text` begins with, at least two numbers, and what stands behind it.
fn version(text: &[u8]) -> Option<(String, &[u8])> {
    /// Bytes of a version at most: "3.0.19-fips+quic".
    const MAX_VERSION: usize = 24;
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    let length = text
        .iter()
        .take(MAX_VERSION)
        .take_while(|byte| part(byte))
        .count();
    let (version, rest) = text.split_at(length);
    let version = std::str::from_utf8(version).ok()?.trim_end_matches('.');
    let mut numbers = version.split('.');
    let is_number =
        |text: Option<&str>| text.is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()));
    (is_number(numbers.next()) && is_number(numbers.next())).then(|| (version.to_owned(), rest))
}

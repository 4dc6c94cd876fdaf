//! Cipher suites that are opened: AES-GCM and ChaCha20-Poly1305.

use ring::{aead, digest, hkdf, hmac};

/// An AEAD and the hash that keys are derived with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub aead: Aead,
    pub hash: HashKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aead {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashKind {
    Sha256,
    Sha384,
}

const AES_128: Suite = Suite {
    aead: Aead::Aes128Gcm,
    hash: HashKind::Sha256,
};
const AES_256: Suite = Suite {
    aead: Aead::Aes256Gcm,
    hash: HashKind::Sha384,
};
const CHACHA20: Suite = Suite {
    aead: Aead::ChaCha20Poly1305,
    hash: HashKind::Sha256,
};

impl Suite {
    /// The suite of TLS 1.3 with this number (RFC 8446 appendix B.4). `None` for CCM.
    pub fn of_tls13(number: u16) -> Option<Self> {
        match number {
            0x1301 => Some(AES_128),
            0x1302 => Some(AES_256),
            0x1303 => Some(CHACHA20),
            _ => None,
        }
    }

    /// The suite of TLS 1.2 with this number, whatever its key exchange (RFC 5288, RFC 5289, RFC 5487, RFC 7905,
    /// RFC 8442). `None` for CBC, CCM and others.
    pub fn of_tls12(number: u16) -> Option<Self> {
        match number {
            // RSA, DHE_RSA, DH_RSA, DHE_DSS, DH_DSS, DH_anon, PSK, DHE_PSK, RSA_PSK: AES-128 has the even numbers.
            0x009c..=0x00ad if number.is_multiple_of(2) => Some(AES_128),
            // ECDHE_ECDSA, ECDH_ECDSA, ECDHE_RSA, ECDH_RSA; ECDHE_PSK.
            0xc02b | 0xc02d | 0xc02f | 0xc031 | 0xd001 => Some(AES_128),
            0x009c..=0x00ad | 0xc02c | 0xc02e | 0xc030 | 0xc032 | 0xd002 => Some(AES_256),
            0xcca8..=0xccae => Some(CHACHA20),
            _ => None,
        }
    }
}

impl Aead {
    pub fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }

    pub fn key_len(self) -> usize {
        self.algorithm().key_len()
    }
}

impl HashKind {
    pub fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        }
    }

    pub fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }

    pub fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Sha256 => hkdf::HKDF_SHA256,
            Self::Sha384 => hkdf::HKDF_SHA384,
        }
    }

    /// Bytes of a hash, and of each secret of TLS 1.3.
    pub fn len(self) -> usize {
        self.digest().output_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_of_both_versions_have_their_aead_and_hash() {
        assert_eq!(Suite::of_tls13(0x1301), Some(AES_128));
        assert_eq!(Suite::of_tls13(0x1302), Some(AES_256));
        assert_eq!(Suite::of_tls13(0x1303), Some(CHACHA20));
        // TLS_AES_128_CCM_SHA256.
        assert_eq!(Suite::of_tls13(0x1304), None);
        // TLS_RSA_WITH_AES_128_GCM_SHA256, TLS_DHE_PSK_WITH_AES_256_GCM_SHA384.
        assert_eq!(Suite::of_tls12(0x009c), Some(AES_128));
        assert_eq!(Suite::of_tls12(0x00ab), Some(AES_256));
        // TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256.
        assert_eq!(Suite::of_tls12(0xc030), Some(AES_256));
        assert_eq!(Suite::of_tls12(0xcca9), Some(CHACHA20));
        // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA.
        assert_eq!(Suite::of_tls12(0xc027), None);
        assert_eq!(Suite::of_tls12(0x002f), None);
        assert_eq!(Suite::of_tls12(0x1301), None);
    }
}

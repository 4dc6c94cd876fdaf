//! Keys from secrets: the key schedule of TLS 1.3 (RFC 8446 section 7.1), and the pseudorandom function of TLS 1.2
//! (RFC 5246 section 5).

use ring::{digest, hkdf, hmac};
use zeroize::Zeroize;

use super::record::{Nonces, RecordKey};
use super::secret::{Hash, SecretBytes};
use super::suite::{Aead, HashKind, Suite};

/// The hash of `data`.
pub(crate) fn hash(kind: HashKind, data: &[u8]) -> Option<Hash> {
    Hash::new(digest::digest(kind.digest(), data).as_ref())
}

/// `HKDF-Expand-Label(secret, label, context, len)`.
fn expand_label(
    kind: HashKind,
    secret: &SecretBytes,
    label: &str,
    context: &[u8],
    len: usize,
) -> Option<SecretBytes> {
    let prk = hkdf::Prk::new_less_safe(kind.hkdf(), secret.expose());
    let length = u16::try_from(len).ok()?.to_be_bytes();
    let label_len = [u8::try_from(label.len() + 6).ok()?];
    let context_len = [u8::try_from(context.len()).ok()?];
    let info = [
        &length[..],
        &label_len,
        b"tls13 ",
        label.as_bytes(),
        &context_len,
        context,
    ];
    let okm = prk.expand(&info, Length(len)).ok()?;
    SecretBytes::filled(len, |out| okm.fill(out))
}

/// Bytes to expand a secret to.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// `Derive-Secret(secret, label, messages)`, given the messages' hash: `s hs traffic` from the Handshake Secret and so on.
pub(crate) fn derive_secret(
    kind: HashKind,
    secret: &SecretBytes,
    label: &str,
    transcript: &Hash,
) -> Option<SecretBytes> {
    expand_label(kind, secret, label, transcript.bytes(), kind.len())
}

/// The Master Secret of TLS 1.3: `HKDF-Extract(Derive-Secret(handshake_secret, "derived", ""), 0)`.
pub(crate) fn master_secret(kind: HashKind, handshake_secret: &SecretBytes) -> Option<SecretBytes> {
    let derived = derive_secret(kind, handshake_secret, "derived", &hash(kind, &[])?)?;
    let zeros = [0; super::secret::MAX_HASH];
    let salt = hmac::Key::new(kind.hmac(), derived.expose());
    SecretBytes::new(hmac::sign(&salt, &zeros[..kind.len()]).as_ref())
}

/// The secret behind a `KeyUpdate` (RFC 8446 section 7.2).
pub(crate) fn next_secret(kind: HashKind, secret: &SecretBytes) -> Option<SecretBytes> {
    expand_label(kind, secret, "traffic upd", &[], kind.len())
}

/// Key that opens the records of a traffic secret of TLS 1.3 (RFC 8446 section 7.3). `None` when the secret has not the
/// length that the suite's have.
pub(crate) fn traffic_key(suite: Suite, secret: &SecretBytes) -> Option<RecordKey> {
    if secret.expose().len() != suite.hash.len() {
        return None;
    }
    let key = expand_label(suite.hash, secret, "key", &[], suite.aead.key_len())?;
    let iv = expand_label(suite.hash, secret, "iv", &[], 12)?;
    RecordKey::new(suite.aead, key.expose(), iv.expose(), Nonces::Tls13)
}

/// Keys that open the client's and the server's records of TLS 1.2 (RFC 5246 section 6.3).
pub(crate) fn tls12_keys(
    suite: Suite,
    master: &SecretBytes,
    client_random: &[u8; 32],
    server_random: &[u8; 32],
) -> Option<[RecordKey; 2]> {
    let (iv_len, nonces) = match suite.aead {
        Aead::Aes128Gcm | Aead::Aes256Gcm => (4, Nonces::Explicit),
        Aead::ChaCha20Poly1305 => (12, Nonces::Tls12),
    };
    let key_len = suite.aead.key_len();
    let mut block = [0; 2 * (32 + 12)];
    let used = &mut block[..2 * (key_len + iv_len)];
    prf(
        suite.hash,
        master.expose(),
        &[b"key expansion", server_random, client_random],
        used,
    );
    let (keys, ivs) = used.split_at(2 * key_len);
    let (client_key, server_key) = keys.split_at(key_len);
    let (client_iv, server_iv) = ivs.split_at(iv_len);
    let pair = RecordKey::new(suite.aead, client_key, client_iv, nonces)
        .zip(RecordKey::new(suite.aead, server_key, server_iv, nonces));
    block.zeroize();
    pair.map(|(client, server)| [client, server])
}

/// `P_hash(secret, seed)` in `out`.
fn prf(kind: HashKind, secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let key = hmac::Key::new(kind.hmac(), secret);
    let sign = |first: &[u8], seed: &[&[u8]]| {
        let mut context = hmac::Context::with_key(&key);
        context.update(first);
        for part in seed {
            context.update(part);
        }
        context.sign()
    };
    let mut a = sign(&[], seed);
    for out in out.chunks_mut(kind.len()) {
        let block = sign(a.as_ref(), seed);
        out.copy_from_slice(&block.as_ref()[..out.len()]);
        a = sign(a.as_ref(), &[]);
    }
}

//! Records: their headers, and opening one with a key and a sequence number.

use ring::aead::{Aad, LessSafeKey, MAX_TAG_LEN, Nonce, UnboundKey};
use zeroize::Zeroize;

use super::suite::Aead;

/// Bytes of a record's header.
pub(crate) const HEADER: usize = 5;

/// Most bytes behind the header in TLS 1.2 (RFC 5246 section 6.2.3). TLS 1.3 has 256 beyond 2^14 (RFC 8446 section 5.2).
pub(crate) const MAX_BODY: usize = (1 << 14) + 2048;

/// Fewest bytes of a record: what is lost may have been that many.
pub(crate) const MIN_RECORD: u64 = (HEADER + MAX_TAG_LEN + 1) as u64;

/// Content types (RFC 8446 section 5.1).
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;
/// Nobody should send it, but it counts as a record (RFC 6520).
const HEARTBEAT: u8 = 24;

/// A record's header: content type, version, length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header([u8; HEADER]);

impl Header {
    /// The header that `bytes` begin with. `None` when there are fewer.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|header| Self(*header))
    }

    pub fn kind(self) -> u8 {
        self.0[0]
    }

    /// Bytes behind it.
    pub fn body_len(self) -> usize {
        usize::from(u16::from_be_bytes([self.0[3], self.0[4]]))
    }

    /// Whether a record may begin so: a content type, major version 3, a length within the limit.
    pub fn is_plausible(self) -> bool {
        let [kind, major, minor, ..] = self.0;
        (CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind)
            && major == 3
            && minor <= 4
            && (1..=MAX_BODY).contains(&self.body_len())
    }

    /// Whether a protected record may begin so. It is what is looked for where the place is lost.
    pub fn may_be_protected(self) -> bool {
        let [kind, major, minor, ..] = self.0;
        (ALERT..=APPLICATION_DATA).contains(&kind)
            && (major, minor) == (3, 3)
            && (MAX_TAG_LEN + 1..=MAX_BODY).contains(&self.body_len())
    }
}

/// How nonces and additional data are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonces {
    /// IV xor sequence number; the additional data are the header (RFC 8446 section 5.3).
    Tls13,
    /// IV xor sequence number; the additional data have the sequence number too (RFC 7905).
    Tls12,
    /// Four bytes of the IV and eight of the record (RFC 5288).
    Explicit,
}

/// Bytes of a record that hold its explicit nonce.
const EXPLICIT: usize = 8;

/// The key of one direction.
pub(crate) struct RecordKey {
    key: LessSafeKey,
    iv: [u8; 12],
    nonces: Nonces,
}

impl RecordKey {
    /// `None` when lengths are not those of the AEAD.
    pub fn new(aead: Aead, key: &[u8], iv: &[u8], nonces: Nonces) -> Option<Self> {
        let key = UnboundKey::new(aead.algorithm(), key).ok()?;
        let mut whole_iv = [0; 12];
        whole_iv.get_mut(..iv.len())?.copy_from_slice(iv);
        Some(Self {
            key: LessSafeKey::new(key),
            iv: whole_iv,
            nonces,
        })
    }

    /// The explicit nonce of a record, where it has one.
    pub fn explicit_nonce(&self, body: &[u8]) -> Option<u64> {
        (self.nonces == Nonces::Explicit)
            .then(|| body.first_chunk().map(|nonce| u64::from_be_bytes(*nonce)))
            .flatten()
    }

    /// Opens the record `header`, `body` as that with the number `sequence`: its content type and how many bytes of
    /// `scratch` are its plaintext. `None` when the tag says that it is not.
    pub fn open(
        &self,
        header: Header,
        body: &[u8],
        sequence: u64,
        scratch: &mut Vec<u8>,
    ) -> Option<(u8, usize)> {
        let (nonce, sealed) = self.nonce(body, sequence)?;
        scratch.clear();
        scratch.extend_from_slice(sealed);
        let opened = match self.nonces {
            Nonces::Tls13 => self.key.open_in_place(nonce, Aad::from(header.0), scratch),
            Nonces::Tls12 | Nonces::Explicit => {
                let plain_len = sealed.len().checked_sub(MAX_TAG_LEN)?;
                let data = tls12_data(header, sequence, plain_len)?;
                self.key.open_in_place(nonce, Aad::from(data), scratch)
            }
        };
        let plaintext = opened.ok()?;
        if self.nonces != Nonces::Tls13 {
            return Some((header.kind(), plaintext.len()));
        }
        // The content type stands behind the data, and zeros may follow (RFC 8446 section 5.4).
        let last = plaintext.iter().rposition(|byte| *byte != 0)?;
        Some((plaintext[last], last))
    }

    /// The nonce, and what is sealed.
    fn nonce<'a>(&self, body: &'a [u8], sequence: u64) -> Option<(Nonce, &'a [u8])> {
        let mut nonce = self.iv;
        let last = nonce.last_chunk_mut::<EXPLICIT>()?;
        if self.nonces == Nonces::Explicit {
            let (explicit, sealed) = body.split_first_chunk()?;
            *last = *explicit;
            return Some((Nonce::assume_unique_for_key(nonce), sealed));
        }
        *last = (u64::from_be_bytes(*last) ^ sequence).to_be_bytes();
        Some((Nonce::assume_unique_for_key(nonce), body))
    }
}

impl Drop for RecordKey {
    fn drop(&mut self) {
        self.iv.zeroize();
    }
}

/// Sequence number, content type, version, and length of the plaintext (RFC 5246 section 6.2.3.3).
fn tls12_data(header: Header, sequence: u64, plain_len: usize) -> Option<[u8; 13]> {
    let mut data = [0; 13];
    data[..8].copy_from_slice(&sequence.to_be_bytes());
    data[8..11].copy_from_slice(&header.0[..3]);
    data[11..].copy_from_slice(&u16::try_from(plain_len).ok()?.to_be_bytes());
    Some(data)
}

#[cfg(test)]
impl RecordKey {
    /// Seals a record: what a peer does. `explicit` is the nonce that stands in the record, where one does.
    pub fn seal(&self, kind: u8, plaintext: &[u8], sequence: u64, explicit: u64) -> Vec<u8> {
        let mut sealed = plaintext.to_vec();
        let mut before = Vec::new();
        let mut kind_outside = kind;
        match self.nonces {
            Nonces::Tls13 => {
                sealed.push(kind);
                kind_outside = APPLICATION_DATA;
            }
            Nonces::Explicit => before.extend(explicit.to_be_bytes()),
            Nonces::Tls12 => {}
        }
        let len = before.len() + sealed.len() + MAX_TAG_LEN;
        let [high, low] = u16::try_from(len).expect("a record").to_be_bytes();
        let header = Header([kind_outside, 3, 3, high, low]);
        let (nonce, _) = self.nonce(&before, sequence).expect("a nonce");
        let tls12 = tls12_data(header, sequence, plaintext.len()).expect("a record");
        let data = if self.nonces == Nonces::Tls13 {
            &header.0[..]
        } else {
            &tls12
        };
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(data), &mut sealed)
            .expect("a record");
        [&header.0[..], &before, &sealed].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_plausible_within_type_version_and_length() {
        let header = |bytes: [u8; 5]| Header::read(&bytes).expect("five bytes");
        assert!(header([22, 3, 1, 0x02, 0x00]).is_plausible());
        assert!(header([23, 3, 3, 0x48, 0x00]).is_plausible());
        assert!(!header([23, 3, 3, 0x48, 0x01]).is_plausible());
        assert!(!header([23, 3, 3, 0, 0]).is_plausible());
        assert!(header([24, 3, 3, 0, 20]).is_plausible());
        assert!(!header([25, 3, 3, 0, 20]).is_plausible());
        assert!(!header([23, 2, 3, 0, 20]).is_plausible());
        assert!(!header(*b"GET /").is_plausible());
        assert!(header([23, 3, 3, 0, 17]).may_be_protected());
        assert!(!header([23, 3, 3, 0, 16]).may_be_protected());
        assert!(!header([23, 3, 1, 0, 17]).may_be_protected());
        assert!(!header([20, 3, 3, 0, 17]).may_be_protected());
        assert_eq!(Header::read(&[23, 3, 3, 0]), None);
    }
}

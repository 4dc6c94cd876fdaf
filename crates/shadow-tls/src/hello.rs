//! Handshake messages that say how records are protected: `ClientHello`, `ServerHello`, `EncryptedExtensions`
//! (RFC 8446 section 4, RFC 5246 section 7.4.1). What is read is borrowed; anything too short is `None`.

/// Handshake types (RFC 8446 section 4).
pub(crate) const CLIENT_HELLO: u8 = 1;
pub(crate) const SERVER_HELLO: u8 = 2;
pub(crate) const END_OF_EARLY_DATA: u8 = 5;
pub(crate) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(crate) const FINISHED: u8 = 20;
pub(crate) const KEY_UPDATE: u8 = 24;

/// Bytes of a handshake message's header.
pub(crate) const MESSAGE_HEADER: usize = 4;

/// Extensions.
const ALPN: u16 = 16;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;

/// The random of a `ServerHello` that asks for another `ClientHello` (RFC 8446 section 4.1.3): the SHA-256 of
/// `HelloRetryRequest`.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Content of a `ClientHello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientHello {
    pub random: [u8; 32],
    /// Early data may follow it.
    pub offers_early_data: bool,
}

/// A version that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
}

/// Content of a `ServerHello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerHello<'a> {
    pub random: [u8; 32],
    /// `None` before TLS 1.2.
    pub version: Option<Version>,
    pub suite: u16,
    /// The content is compressed, which TLS 1.3 does not have.
    pub compresses: bool,
    pub alpn: Option<&'a [u8]>,
}

/// Content of `EncryptedExtensions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EncryptedExtensions<'a> {
    pub alpn: Option<&'a [u8]>,
    pub takes_early_data: bool,
}

impl ClientHello {
    /// Reads the body of a `ClientHello`.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut rest = Reader(body);
        rest.take(2)?;
        let random = rest.array()?;
        rest.vector8()?;
        rest.vector16()?;
        rest.vector8()?;
        let mut offers_early_data = false;
        for extension in rest.extensions()? {
            offers_early_data |= extension?.0 == EARLY_DATA;
        }
        Some(Self {
            random,
            offers_early_data,
        })
    }
}

impl<'a> ServerHello<'a> {
    /// Reads the body of a `ServerHello` or `HelloRetryRequest`.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(body);
        let mut version = rest.u16()?;
        let random = rest.array()?;
        rest.vector8()?;
        let suite = rest.u16()?;
        let compresses = rest.take(1)? != [0];
        let mut alpn = None;
        for extension in rest.extensions()? {
            match extension? {
                (SUPPORTED_VERSIONS, data) => version = Reader(data).u16()?,
                (ALPN, data) => alpn = Some(chosen_protocol(data)?),
                _ => {}
            }
        }
        Some(Self {
            random,
            version: match version {
                0x0303 => Some(Version::Tls12),
                0x0304 => Some(Version::Tls13),
                _ => None,
            },
            suite,
            compresses,
            alpn,
        })
    }

    /// Whether it asks for another `ClientHello`.
    pub fn is_retry(&self) -> bool {
        self.random == RETRY
    }
}

impl<'a> EncryptedExtensions<'a> {
    /// Reads the body of `EncryptedExtensions`.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut read = Self {
            alpn: None,
            takes_early_data: false,
        };
        for extension in Reader(body).extensions()? {
            match extension? {
                (ALPN, data) => read.alpn = Some(chosen_protocol(data)?),
                (EARLY_DATA, _) => read.takes_early_data = true,
                _ => {}
            }
        }
        Some(read)
    }
}

/// The one protocol in a server's extension (RFC 7301 section 3.1).
fn chosen_protocol(data: &[u8]) -> Option<&[u8]> {
    Reader(Reader(data).vector16()?).vector8()
}

/// Bytes that are read from the front.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let [len] = self.array()?;
        self.take(usize::from(len))
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// The extensions that stand at the end, or none where the message ends before them (RFC 5246 section 7.4.1.2).
    fn extensions(&mut self) -> Option<Extensions<'a>> {
        if self.0.is_empty() {
            return Some(Extensions(Reader(&[])));
        }
        self.vector16().map(|extensions| Extensions(Reader(extensions)))
    }
}

/// Types and data of extensions; `None` for one that is cut off, and then no more.
struct Extensions<'a>(Reader<'a>);

impl<'a> Iterator for Extensions<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.0.is_empty() {
            return None;
        }
        let extension = self.0.u16().zip(self.0.vector16());
        if extension.is_none() {
            self.0 = Reader(&[]);
        }
        Some(extension)
    }
}

//! Stand-in for `crate::http`'s response head and body decoder until that room is furnished.

use crate::http::{Framing, Version};

#[derive(Debug)]
pub(super) struct Malformed;

#[derive(Debug)]
pub(super) struct ResponseHead {
    pub len: usize,
    pub status: u16,
    pub version: Version,
    pub framing: Framing,
    pub close: bool,
    pub keep_alive: bool,
    pub location: Option<Vec<u8>>,
}

pub(super) fn parse_response_head(
    bytes: &[u8],
    head_request: bool,
) -> Result<Option<ResponseHead>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed),
    };
    let status = response.code.ok_or(Malformed)?;
    let version = if response.version == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    };
    let (mut length, mut chunked, mut coded) = (None, false, false);
    let (mut close, mut keep_alive, mut location) = (false, false, None);
    for header in response.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let text = std::str::from_utf8(header.value).map_err(|_| Malformed)?;
            let value: u64 = text.trim().parse().map_err(|_| Malformed)?;
            if length.is_some_and(|length| length != value) {
                return Err(Malformed);
            }
            length = Some(value);
        } else if is("transfer-encoding") {
            coded = true;
            chunked = header.value.to_ascii_lowercase().ends_with(b"chunked");
        } else if is("connection") {
            for option in header.value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                close |= option.eq_ignore_ascii_case(b"close");
                keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if is("location") {
            location = Some(header.value.to_vec());
        }
    }
    let framing = if head_request || status < 200 || status == 204 || status == 304 {
        Framing::None
    } else if coded {
        if chunked { Framing::Chunked } else { Framing::Close }
    } else if let Some(length) = length {
        Framing::Length(length)
    } else {
        Framing::Close
    };
    Ok(Some(ResponseHead {
        len,
        status,
        version,
        framing,
        close,
        keep_alive,
        location,
    }))
}

#[derive(Debug)]
pub(super) enum BodyDecoder {
    Length(u64),
    Close,
    Chunked(Chunk),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Chunk {
    Size(u64, bool),
    Extension(u64),
    Data(u64),
    DataEnd,
    Trailer { empty: bool },
}

impl BodyDecoder {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Close => Self::Close,
            Framing::Chunked => Self::Chunked(Chunk::Size(0, false)),
        }
    }

    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        match self {
            Self::Length(left) => {
                let take = (*left).min(bytes.len() as u64);
                *left -= take;
                Ok((take as usize, *left == 0))
            }
            Self::Close => Ok((bytes.len(), false)),
            Self::Chunked(state) => {
                let mut at = 0;
                while at < bytes.len() {
                    let byte = bytes[at];
                    *state = match *state {
                        Chunk::Data(left) => {
                            let take = left.min((bytes.len() - at) as u64);
                            at += take as usize;
                            if left == take {
                                Chunk::DataEnd
                            } else {
                                Chunk::Data(left - take)
                            }
                        }
                        Chunk::Size(size, some) => {
                            at += 1;
                            if let Some(digit) = char::from(byte).to_digit(16) {
                                if size >> 60 != 0 {
                                    return Err(Malformed);
                                }
                                Chunk::Size(size << 4 | u64::from(digit), true)
                            } else if !some {
                                return Err(Malformed);
                            } else if byte == b'\n' {
                                if size == 0 {
                                    Chunk::Trailer { empty: true }
                                } else {
                                    Chunk::Data(size)
                                }
                            } else if b"\r; \t".contains(&byte) {
                                Chunk::Extension(size)
                            } else {
                                return Err(Malformed);
                            }
                        }
                        Chunk::Extension(size) => {
                            at += 1;
                            if byte != b'\n' {
                                Chunk::Extension(size)
                            } else if size == 0 {
                                Chunk::Trailer { empty: true }
                            } else {
                                Chunk::Data(size)
                            }
                        }
                        Chunk::DataEnd => {
                            at += 1;
                            match byte {
                                b'\r' => Chunk::DataEnd,
                                b'\n' => Chunk::Size(0, false),
                                _ => return Err(Malformed),
                            }
                        }
                        Chunk::Trailer { empty } => {
                            at += 1;
                            match byte {
                                b'\n' if empty => return Ok((at, true)),
                                b'\n' => Chunk::Trailer { empty: true },
                                b'\r' => Chunk::Trailer { empty },
                                _ => Chunk::Trailer { empty: false },
                            }
                        }
                    };
                }
                Ok((at, false))
            }
        }
    }
}

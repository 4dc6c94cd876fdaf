//! The path of a request's target as segments of one form, whoever wrote it.

/// Segments that are looked at: what lies deeper is one.
pub(super) const MAX_SEGMENTS: usize = 16;

/// Scheme names are shorter than this.
const MAX_SCHEME: usize = 16;

/// The form of a target (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A path, alone or in an absolute URI.
    Path,
    /// `*`: the server itself.
    Asterisk,
    /// `host:port`, or what is no target.
    Authority,
}

/// A target's path. Made once and read into again and again.
///
/// Segments are in a normal form (RFC 3986 section 6.2.2): what may stand in a segment is not percent-encoded, and all else is;
/// so there is nothing in them but printable ASCII, and no brace. Dot segments are removed, empty ones and a trailing slash
/// left out, and parameters (`;jsessionid=...`), query and fragment cut off.
#[derive(Debug)]
pub(super) struct Path {
    /// The form that it was read from.
    pub form: Form,
    text: String,
    /// Where segments begin and end in the text.
    segments: Vec<(usize, usize)>,
    /// How many there are in the target.
    depth: usize,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            form: Form::Path,
            text: String::new(),
            segments: Vec::new(),
            depth: 0,
        }
    }
}

impl Path {
    /// Reads the path of a target.
    pub fn read(&mut self, target: &[u8]) {
        self.text.clear();
        self.segments.clear();
        self.depth = 0;
        self.form = Form::Path;
        let path = match path_of(target) {
            Ok(path) => path,
            Err(form) => {
                self.form = form;
                return;
            }
        };
        for raw in path.split(|byte| *byte == b'/') {
            self.push(raw);
        }
    }

    /// The first [`MAX_SEGMENTS`] segments.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(|(start, end)| &self.text[*start..*end])
    }

    /// One of them.
    pub fn segment(&self, at: usize) -> Option<&str> {
        let (start, end) = self.segments.get(at)?;
        Some(&self.text[*start..*end])
    }

    /// Whether there are more.
    pub fn is_deeper(&self) -> bool {
        self.depth > MAX_SEGMENTS
    }

    fn push(&mut self, raw: &[u8]) {
        let raw = memchr::memchr(b';', raw).map_or(raw, |end| &raw[..end]);
        let start = self.text.len();
        normalize(raw, &mut self.text);
        match &self.text[start..] {
            "" => {}
            "." => self.text.truncate(start),
            ".." => {
                self.text.truncate(start);
                self.depth = self.depth.saturating_sub(1);
                if self.depth < self.segments.len()
                    && let Some((start, _)) = self.segments.pop()
                {
                    self.text.truncate(start);
                }
            }
            _ => {
                if self.depth < MAX_SEGMENTS {
                    self.segments.push((start, self.text.len()));
                } else {
                    self.text.truncate(start);
                }
                self.depth += 1;
            }
        }
    }
}

/// The path in a target, without query and fragment.
fn path_of(target: &[u8]) -> Result<&[u8], Form> {
    let path = if target.starts_with(b"/") {
        target
    } else if target == b"*" {
        return Err(Form::Asterisk);
    } else {
        let start = &target[..target.len().min(MAX_SCHEME + 3)];
        let colon = memchr::memmem::find(start, b"://").ok_or(Form::Authority)?;
        let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        if colon == 0 || !target[..colon].iter().all(is_scheme) {
            return Err(Form::Authority);
        }
        let rest = &target[colon + 3..];
        let authority = rest.iter().position(|byte| b"/?#".contains(byte));
        &rest[authority.unwrap_or(rest.len())..]
    };
    let end = memchr::memchr2(b'?', b'#', path);
    Ok(&path[..end.unwrap_or(path.len())])
}

/// Appends a segment in its normal form.
pub(super) fn normalize(raw: &[u8], text: &mut String) {
    let mut rest = raw;
    loop {
        let plain = rest
            .iter()
            .position(|byte| !STANDS_FOR_ITSELF[usize::from(*byte)]);
        let (plain, odd) = rest.split_at(plain.unwrap_or(rest.len()));
        text.push_str(std::str::from_utf8(plain).unwrap_or_default()); // ASCII it is.
        let Some((&(mut byte), after)) = odd.split_first() else {
            return;
        };
        rest = after;
        if byte == b'%'
            && let [high, low, ..] = after
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            byte = high << 4 | low;
            rest = &after[2..];
        }
        if STANDS_FOR_ITSELF[usize::from(byte)] {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
            text.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        }
    }
}

/// Bytes that may stand in a segment, but for what begins its parameters.
const STANDS_FOR_ITSELF: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@";
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

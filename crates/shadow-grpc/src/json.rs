//! Writes JSON text, as much of it as is ever read: so many values, and so deep.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Deepest messages within messages that are looked into: a list of each makes two levels of JSON, of which 128 are read.
pub(crate) const MAX_DEPTH: usize = 60;
/// Most values of the messages of one side: as many as are read of JSON.
pub(crate) const MAX_VALUES: usize = 1 << 17;

/// There are more values than are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// The text so far.
#[derive(Debug)]
pub(crate) struct Writer {
    text: String,
    /// Values that may still be written.
    left: usize,
}

impl Writer {
    pub fn new() -> Self {
        Self {
            text: String::new(),
            left: MAX_VALUES,
        }
    }

    pub fn done(self) -> String {
        self.text
    }

    /// Takes a value off what may still be written.
    fn count(&mut self) -> Result<(), TooMany> {
        self.left = self.left.checked_sub(1).ok_or(TooMany)?;
        Ok(())
    }

    pub fn open(&mut self, bracket: char) -> Result<(), TooMany> {
        self.count()?;
        self.text.push(bracket);
        Ok(())
    }

    pub fn close(&mut self, bracket: char) {
        self.text.push(bracket);
    }

    /// The separator of two members or elements; nothing in front of the first.
    pub fn comma(&mut self) {
        if !self.text.ends_with(['{', '[', ':']) && !self.text.is_empty() {
            self.text.push(',');
        }
    }

    pub fn name(&mut self, name: &str) {
        self.comma();
        self.quoted(name);
        self.text.push(':');
    }

    /// A number, `true` or `false`, as it is written in JSON.
    pub fn plain(&mut self, value: impl std::fmt::Display) -> Result<(), TooMany> {
        self.count()?;
        // Writing to a string does not fail.
        let _ = write!(self.text, "{value}");
        Ok(())
    }

    pub fn string(&mut self, value: &str) -> Result<(), TooMany> {
        self.count()?;
        self.quoted(value);
        Ok(())
    }

    /// Bytes, as base64.
    pub fn bytes(&mut self, value: &[u8]) -> Result<(), TooMany> {
        self.count()?;
        self.text.push('"');
        STANDARD.encode_string(value, &mut self.text);
        self.text.push('"');
        Ok(())
    }

    /// A number of 64 bits; a string for what is none in JSON.
    pub fn double(&mut self, value: f64) -> Result<(), TooMany> {
        if value.is_finite() {
            self.count()?;
            let _ = write!(self.text, "{value:?}");
            return Ok(());
        }
        self.no_number(value)
    }

    /// A number of 32 bits.
    pub fn float(&mut self, value: f32) -> Result<(), TooMany> {
        if value.is_finite() {
            self.count()?;
            let _ = write!(self.text, "{value:?}");
            return Ok(());
        }
        self.no_number(f64::from(value))
    }

    fn no_number(&mut self, value: f64) -> Result<(), TooMany> {
        self.string(if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        })
    }

    fn quoted(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                c if c < ' ' => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(c));
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }
}

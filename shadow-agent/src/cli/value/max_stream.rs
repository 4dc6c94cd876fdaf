//! A bound of streams: a size, a duration, or both (`64mb,10m`); `off` for none at all.

use std::time::Duration;

use super::{positive_duration, positive_size};

/// Bounds of a stream, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxStream {
    /// Streams are not followed.
    Off,
    /// They are, within these bounds.
    Within {
        /// Most bytes of it in either direction.
        bytes: u64,
        /// How long it may last.
        time: Duration,
    },
}

/// The bounds where one of them is not said.
const BYTES: u64 = 64 << 20;
const TIME: Duration = Duration::from_mins(10);

/// Reads `SIZE`, `DURATION`, both with a comma between them in either order, or `off`.
///
/// # Errors
///
/// For a part that is neither, and for two of a kind.
pub fn max_stream(text: &str) -> Result<MaxStream, String> {
    if text == "off" {
        return Ok(MaxStream::Off);
    }
    let (mut bytes, mut time) = (None, None);
    for part in text.split(',').map(str::trim) {
        let twice = match (positive_duration(part), positive_size(part)) {
            // `10m` is ten minutes.
            (Ok(duration), _) => time.replace(duration).is_some(),
            (Err(_), Ok(size)) => bytes.replace(size as u64).is_some(),
            (Err(_), Err(_)) => {
                return Err(format!("{part:?} is neither a size (64mb) nor a duration (10m)"));
            }
        };
        if twice {
            return Err("has two sizes or two durations".to_owned());
        }
    }
    Ok(MaxStream::Within {
        bytes: bytes.unwrap_or(BYTES),
        time: time.unwrap_or(TIME),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn within(bytes: u64, seconds: u64) -> MaxStream {
        MaxStream::Within {
            bytes,
            time: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_bound_of_streams_is_a_size_a_duration_or_both() {
        for (text, expected) in [
            ("64mb,10m", within(64 << 20, 600)),
            ("1h, 1kb", within(1024, 3600)),
            ("1kb", within(1024, 600)),
            ("30s", within(64 << 20, 30)),
            ("1000", within(1000, 600)),
            ("off", MaxStream::Off),
        ] {
            assert_eq!(max_stream(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_words() {
        for text in [
            "",
            ",",
            "10m,",
            "1kb,2kb",
            "1s,2s",
            "0",
            "0s",
            "on",
            "1kb,1s,1s",
            "-1s",
        ] {
            assert!(max_stream(text).is_err(), "{text:?}");
        }
        assert_eq!(
            max_stream("ten").unwrap_err(),
            "\"ten\" is neither a size (64mb) nor a duration (10m)"
        );
    }
}

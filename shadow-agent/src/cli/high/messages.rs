//! The inputs of whole messages as meant.

use crate::cli::error::{Problem, UsageError};
use crate::cli::glob;
use crate::cli::low::Arguments;
use crate::recording::chunk_order;
use crate::settings::{FileInputSettings, MessageInput, Pace};

/// Room in a record for its first line, beside head and body.
const HEADER_LINE: usize = 64 * 1024;

/// Whether any is named.
pub fn any(arguments: &Arguments) -> bool {
    !arguments.messages.input_dummy.is_empty() || !arguments.input_file.input_file.is_empty()
}

/// All of them.
pub fn resolve(arguments: &Arguments) -> Result<Vec<MessageInput>, UsageError> {
    let dummies = &arguments.messages.input_dummy;
    let mut inputs: Vec<MessageInput> = dummies.iter().map(|_| MessageInput::Dummy).collect();
    for text in &arguments.input_file.input_file {
        let file = file(text, arguments).map_err(|problem| problem.of("--input-file", text))?;
        inputs.push(MessageInput::File(Box::new(file)));
    }
    Ok(inputs)
}

fn file(text: &str, arguments: &Arguments) -> Result<FileInputSettings, Problem> {
    let flags = &arguments.input_file;
    let (pattern, pace) = match text.rsplit_once('|') {
        Some((pattern, speed)) => (pattern, pace(speed)?),
        None => (text, Pace::Speed(1.0)),
    };
    if pattern.starts_with("s3://") {
        return Err(Problem::new(
            "files in S3 are not read",
            "copy them here first: aws s3 cp s3://BUCKET/PREFIX . --recursive",
        ));
    }
    let unreadable = |error: std::io::Error| {
        Problem::new(
            format!("it cannot be read ({error})"),
            "check its name and that this user may read it",
        )
    };
    let mut files = glob::expand(pattern).map_err(unreadable)?;
    if files.is_empty() {
        return Err(Problem::new(
            "there is no such file",
            "check its name; in a shell, put a pattern in quotes",
        ));
    }
    files.sort_by_cached_key(|file| chunk_order(file));
    // The working directory may change under a run.
    for file in &mut files {
        *file = std::path::absolute(&*file).map_err(unreadable)?;
    }
    Ok(FileInputSettings {
        pattern: pattern.to_owned(),
        files,
        pace,
        repeat: flags.input_file_loop,
        read_depth: flags.input_file_read_depth as usize,
        max_wait: flags.input_file_max_wait,
        max_record: arguments
            .limits
            .max_head
            .saturating_add(arguments.limits.max_body())
            .saturating_add(HEADER_LINE),
    })
}

/// What stands behind the `|`.
fn pace(text: &str) -> Result<Pace, Problem> {
    const MOST: f64 = 1e9;
    let number = |text: &str| -> Option<f64> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number: f64 = plain.then(|| text.parse().ok())??;
        (number > 0.0 && number <= MOST).then_some(number)
    };
    let pace = if text == "max" {
        Some(Pace::Max)
    } else if let Some(percent) = text.strip_suffix('%') {
        number(percent).map(|percent| Pace::Speed(percent / 100.0))
    } else if let Some(times) = text.strip_suffix('x') {
        number(times).map(Pace::Speed)
    } else {
        number(text).map(Pace::Rate)
    };
    pace.ok_or_else(|| {
        Problem::new(
            "this is no speed",
            "write |200%, |2x or |0.5x (as many times as fast), |100 (requests a second) or |max",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_factor_a_rate_or_as_fast_as_possible() {
        for (text, expected) in [
            ("200%", Some(Pace::Speed(2.0))),
            ("12.5%", Some(Pace::Speed(0.125))),
            ("0.5x", Some(Pace::Speed(0.5))),
            ("100", Some(Pace::Rate(100.0))),
            ("max", Some(Pace::Max)),
            ("", None),
            ("0", None),
            ("-1", None),
            ("inf", None),
            ("1e3", None),
            ("x", None),
            ("99999999999", None),
        ] {
            assert_eq!(pace(text).ok(), expected, "{text}");
        }
    }
}

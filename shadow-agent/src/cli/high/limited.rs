//! Addresses with a limit behind them, as meant.

use crate::cli::error::Problem;
use crate::cli::value::{limit, split_limit};
use crate::settings::Limit;

/// The address, and the limit behind it.
pub fn limited(typed: &str) -> Result<(&str, Option<Limit>), Problem> {
    let (address, text) = split_limit(typed);
    let limit = text.map(limit).transpose().map_err(|error| {
        Problem::new(
            format!("the limit after | is {error}"),
            "remove it to send every request",
        )
    })?;
    Ok((address, limit))
}

/// The same for what sends no copies: a limit of at most everything.
pub fn at_most_all(typed: &str) -> Result<(&str, Option<Limit>), Problem> {
    let (address, limit) = limited(typed)?;
    match limit {
        Some(Limit::Share { whole, part }) if whole > 1 || (whole == 1 && !part.is_nothing()) => {
            Err(Problem::new(
                "an input has each request once, so at most 100%",
                "write it after an --output-http, which sends copies",
            ))
        }
        // Everything is no limit.
        Some(Limit::Share { whole: 1, .. }) => Ok((address, None)),
        limit => Ok((address, limit)),
    }
}

//! The comparison as meant.

use std::sync::Arc;

use super::outputs;
use crate::cli::error::UsageError;
use crate::cli::low::Arguments;
use crate::cli::low::compare::RepeatShare;
use crate::cli::upstream::{Upstream, without_userinfo};
use crate::compare::Judging;
use crate::mirror::Share;
use crate::settings::CompareSettings;

/// How the answers of HTTP outputs are compared, if they are.
pub fn resolve(arguments: &Arguments) -> Result<Option<CompareSettings>, UsageError> {
    let flags = &arguments.compare;
    if !flags.compare {
        return Ok(None);
    }
    let control = match &flags.compare_control {
        None => None,
        Some(typed) => {
            let upstream = Upstream::parse(typed)
                .map_err(|problem| problem.of("--compare-control", without_userinfo(typed)))?;
            Some(Box::new(outputs::http(upstream, arguments, None)))
        }
    };
    Ok(Some(CompareSettings {
        control,
        repeat: match flags.compare_repeat {
            RepeatShare(None) => Share::NOTHING,
            RepeatShare(Some(share)) => share.of_2_32.map_or(Share::ALL, Share::of_2_32),
        },
        wait: flags.compare_wait,
        max_answer: arguments.limits.max_body(),
        judging: Arc::new(Judging::default()),
    }))
}

//! The way out where the kernel has no room for as many shards as were asked for: half as many.

use tracing::warn;

use super::error::CaptureError;
use super::settings::CaptureSettings;

/// Starts with the shards of `settings`, and with half as many for as long as the kernel refuses for want of room; the
/// last refusal where one shard is too many.
pub fn with_fewer_shards<T>(
    settings: &CaptureSettings,
    mut start: impl FnMut(&CaptureSettings) -> Result<T, CaptureError>,
) -> Result<T, CaptureError> {
    let mut settings = settings.clone();
    loop {
        match start(&settings) {
            Err(error) if settings.shards > 1 && is_for_want_of_room(&error) => {
                let fewer = settings.shards / 2;
                warn!(%error, shards = settings.shards, "the kernel refuses so many shards: trying {fewer}");
                settings.shards = fewer;
            }
            result => return result,
        }
    }
}

/// Whether fewer rings may be what the kernel can do: they take memory, and the verifier has a limit of size. What it
/// finds wrong with a program it finds wrong with any number of rings.
fn is_for_want_of_room(error: &CaptureError) -> bool {
    match error {
        CaptureError::RingTooLarge { .. } | CaptureError::LockedMemory { .. } => true,
        CaptureError::Verifier { source, .. } => [libc::E2BIG, libc::ENOMEM, libc::ENOSPC]
            .into_iter()
            .any(|errno| source.raw_os_error() == Some(errno)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn settings(shards: usize) -> CaptureSettings {
        CaptureSettings {
            shards,
            ..CaptureSettings::default()
        }
    }

    fn refused(errno: i32) -> CaptureError {
        CaptureError::Verifier {
            program: "shadow_l2_in",
            source: io::Error::from_raw_os_error(errno),
            log: String::new(),
        }
    }

    /// The numbers of shards that are tried where the kernel takes `most`, and whether it started.
    fn tried(most: usize, error: impl Fn(&CaptureSettings) -> CaptureError) -> (Vec<usize>, bool) {
        let mut tried = Vec::new();
        let started = with_fewer_shards(&settings(16), |settings| {
            tried.push(settings.shards);
            if settings.shards > most {
                Err(error(settings))
            } else {
                Ok(())
            }
        });
        (tried, started.is_ok())
    }

    #[test]
    fn half_as_many_shards_are_tried_where_the_kernel_has_no_room() {
        let too_large = |settings: &CaptureSettings| CaptureError::RingTooLarge {
            bytes: 1 << 23,
            shards: settings.shards,
            source: io::Error::from_raw_os_error(libc::ENOMEM),
        };
        assert_eq!(tried(4, too_large), (vec![16, 8, 4], true));
        assert_eq!(tried(2, |_| refused(libc::E2BIG)), (vec![16, 8, 4, 2], true));
        assert_eq!(tried(0, |_| refused(libc::E2BIG)), (vec![16, 8, 4, 2, 1], false));
    }

    #[test]
    fn a_program_that_is_wrong_is_not_tried_again() {
        assert_eq!(tried(1, |_| refused(libc::EACCES)), (vec![16], false));
        assert_eq!(tried(1, |_| CaptureError::NoInput), (vec![16], false));
    }
}

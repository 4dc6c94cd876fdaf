//! The agent's HTTP port, the term and the CPU budget, resolved.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::super::error::{Problem, UsageError};
use super::super::low::admin::Admin;
use crate::settings::{AdminSettings, OperationSettings, Secret};

/// Longest token file, in bytes: a token that is longer is some other file.
const MAX_TOKEN: u64 = 4096;

pub(super) fn resolve(flags: &Admin) -> Result<OperationSettings, UsageError> {
    if flags.http_listen.is_none()
        && let Some(path) = &flags.http_token_file
    {
        return Err(Problem::new(
            "there is no HTTP port to use it",
            "add --http-listen 127.0.0.1:9400, or leave this out",
        )
        .of("--http-token-file", path.display().to_string()));
    }
    let token = flags.http_token_file.as_deref().map(token).transpose()?;
    Ok(OperationSettings {
        admin: flags.http_listen.map(|listen| AdminSettings { listen, token }),
        expire_after: flags.expire_after,
        // GoReplay's default is 0, and means never.
        exit_after: flags.exit_after.filter(|after| !after.is_zero()),
        max_cpu_millis: flags.max_cpu,
        hand_over: flags.hand_over.clone(),
    })
}

/// Only of what the kernel captures do two agents see the same.
pub(super) fn check_hand_over(flags: &Admin, from_kernel: bool) -> Result<(), UsageError> {
    match &flags.hand_over {
        Some(path) if !from_kernel => Err(Problem::new(
            "nothing is captured live, and only live capture can be handed over",
            "add --input-raw with ports, addresses or pods, or leave this out",
        )
        .of("--hand-over", path.display().to_string())),
        _ => Ok(()),
    }
}

fn token(path: &Path) -> Result<Secret, UsageError> {
    read_token(path).map_err(|problem| problem.of("--http-token-file", path.display().to_string()))
}

fn read_token(path: &Path) -> Result<Secret, Problem> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_TOKEN + 1).read_to_string(&mut text))
        .map_err(|error| {
            Problem::new(
                format!("cannot read the token ({error})"),
                "name a text file that this user may read",
            )
        })?;
    if text.len() as u64 > MAX_TOKEN {
        return Err(Problem::new(
            format!("this is longer than {MAX_TOKEN} bytes"),
            "name a file that contains only a token",
        ));
    }
    let token = text.trim();
    // A token68 of RFC 9110 section 11.2, or what people use for one: anything visible.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::new(
            "this is not a token: it must be one word of visible ASCII characters",
            "make one with 'openssl rand -hex 32'",
        ));
    }
    Ok(Secret(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(content: &[u8]) -> Result<Secret, Problem> {
        use std::io::Write;
        let mut file = nix::sys::memfd::memfd_create("token", nix::sys::memfd::MFdFlags::empty())
            .map(File::from)
            .unwrap();
        file.write_all(content).unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        read_token(Path::new(&path))
    }

    #[test]
    fn white_space_around_the_token_does_not_count() {
        assert_eq!(with_file(b" s3cret\n").unwrap(), Secret("s3cret".to_owned()));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let not_a_token = |content: &[u8]| with_file(content).unwrap_err().problem;
        for content in [b"".as_slice(), b"\n", b"two words", "gehe\u{ef}m".as_bytes()] {
            assert!(not_a_token(content).contains("not a token"), "{content:?}");
        }
        assert!(not_a_token(&[b'x'; 5000]).contains("longer than 4096"));
        assert!(not_a_token(b"\xff").contains("cannot read"));
    }

    #[test]
    fn only_what_is_captured_live_can_be_handed_over() {
        let mut flags = Admin::default();
        assert!(check_hand_over(&flags, false).is_ok());
        flags.hand_over = Some("/run/x".into());
        assert!(check_hand_over(&flags, true).is_ok());
        let text = check_hand_over(&flags, false).unwrap_err().to_string();
        assert!(
            text.starts_with("--hand-over '/run/x': nothing is captured live"),
            "{text}"
        );
    }

    #[test]
    fn a_token_without_a_port_is_refused() {
        let flags = Admin {
            http_listen: None,
            http_token_file: Some("/tmp/token".into()),
            expire_after: None,
            exit_after: None,
            max_cpu: None,
            hand_over: None,
        };
        let text = resolve(&flags).unwrap_err().to_string();
        assert!(text.starts_with("--http-token-file '/tmp/token': "), "{text}");
        assert!(text.contains("add --http-listen"), "{text}");
    }
}

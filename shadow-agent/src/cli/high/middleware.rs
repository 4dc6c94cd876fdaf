//! The middleware as meant.

use crate::cli::error::{Problem, UsageError};
use crate::cli::low::middleware::{MiddlewareFlags, OnExitName};
use crate::settings::{MiddlewareSettings, OnExit};

/// The program, its words told apart.
pub fn resolve(flags: &MiddlewareFlags) -> Result<Option<MiddlewareSettings>, UsageError> {
    let Some(typed) = &flags.middleware else {
        return Ok(None);
    };
    let problem = |problem: &str, hint: &str| Problem::new(problem, hint).of("--middleware", typed.clone());
    let command = shlex::split(typed).ok_or_else(|| {
        problem(
            "a quote or a backslash at its end is left open",
            "close the quote, or put a backslash before it",
        )
    })?;
    if command.is_empty() {
        return Err(problem(
            "there is no program in it",
            "name one, such as ./middleware.py",
        ));
    }
    Ok(Some(MiddlewareSettings {
        command,
        on_exit: match flags.middleware_on_exit {
            OnExitName::Stop => OnExit::Stop,
            OnExitName::Bypass => OnExit::Bypass,
        },
        timeout: flags.middleware_timeout,
        queue_bytes: flags.middleware_queue_size,
    }))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::low::Arguments;

    fn resolved(flags: &[&str]) -> Result<Option<MiddlewareSettings>, UsageError> {
        let all = [&["shadow-agent", "--input-raw=:1"], flags].concat();
        resolve(&Arguments::try_parse_from(all).unwrap().middleware)
    }

    #[test]
    fn a_command_line_is_split_as_a_shell_does() {
        let words = |typed: &str| resolved(&["--middleware", typed]).unwrap().unwrap().command;
        assert_eq!(words("./echo.sh"), ["./echo.sh"]);
        assert_eq!(
            words("node  a\\ b.js 'c d' \"e\""),
            ["node", "a b.js", "c d", "e"]
        );
        assert_eq!(resolved(&[]).unwrap(), None);
    }

    #[test]
    fn an_open_quote_and_no_program_are_refused() {
        assert!(resolved(&["--middleware", "sh 'x"]).is_err());
        assert!(resolved(&["--middleware", "  "]).is_err());
    }

    #[test]
    fn it_stops_the_run_unless_told_otherwise() {
        let on_exit = |flags: &[&str]| resolved(flags).unwrap().unwrap().on_exit;
        assert_eq!(on_exit(&["--middleware=x"]), OnExit::Stop);
        assert_eq!(
            on_exit(&["--middleware=x", "--middleware-on-exit=bypass"]),
            OnExit::Bypass
        );
    }
}

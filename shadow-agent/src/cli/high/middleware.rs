//! The middleware as meant.

use nix::unistd::{Uid, User};

use crate::cli::error::{Problem, UsageError};
use crate::cli::low::middleware::{MiddlewareFlags, OnExitName};
use crate::settings::{MiddlewareSettings, OnExit, RunAs};

/// The program, its words told apart.
pub fn resolve(flags: &MiddlewareFlags) -> Result<Option<MiddlewareSettings>, UsageError> {
    let Some(typed) = &flags.middleware else {
        return Ok(None);
    };
    let problem = |problem: &str, hint: &str| Problem::new(problem, hint).of("--middleware", typed.clone());
    let command = shlex::split(typed).ok_or_else(|| {
        problem(
            "it ends inside a quote or after a backslash",
            "close the quote, or put a backslash before it",
        )
    })?;
    if command.is_empty() {
        return Err(problem(
            "it contains no program",
            "name one, such as ./middleware.py",
        ));
    }
    Ok(Some(MiddlewareSettings {
        command,
        user: flags.middleware_user.as_deref().map(user).transpose()?,
        on_exit: match flags.middleware_on_exit {
            OnExitName::Stop => OnExit::Stop,
            OnExitName::Bypass => OnExit::Bypass,
        },
        timeout: flags.middleware_timeout,
        queue_bytes: flags.middleware_queue_size,
    }))
}

/// A user by name, by number, or by numbers of user and group.
fn user(typed: &str) -> Result<RunAs, UsageError> {
    let problem = |problem: &str| {
        Problem::new(problem, "name a user of this machine, or give UID:GID").of("--middleware-user", typed)
    };
    let named = |uid, gid| RunAs {
        name: typed.to_owned(),
        uid,
        gid,
    };
    // (uid_t) -1 means "as before" (setreuid(2)).
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number != u32::MAX);
    if let Some((uid, gid)) = typed.split_once(':') {
        let numbers = number(uid).zip(number(gid));
        return numbers
            .map(|(uid, gid)| named(uid, gid))
            .ok_or_else(|| problem("these are not two numbers"));
    }
    let found = match number(typed) {
        Some(uid) => User::from_uid(Uid::from_raw(uid)),
        None => User::from_name(typed),
    };
    match found {
        Ok(Some(user)) => Ok(named(user.uid.as_raw(), user.gid.as_raw())),
        Ok(None) => Err(problem("there is no such user")),
        Err(error) => Err(problem(&format!("cannot look up users: {error}"))),
    }
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
    fn the_user_is_known_by_name_and_by_number() {
        let user = |typed: &str| {
            let resolved = resolved(&["--middleware=x", "--middleware-user", typed]);
            resolved.map(|middleware| middleware.unwrap().user.map(|user| (user.uid, user.gid)))
        };
        assert_eq!(user("root").unwrap(), Some((0, 0)));
        assert_eq!(user("0").unwrap(), Some((0, 0)));
        assert_eq!(user("1234:5678").unwrap(), Some((1234, 5678)));
        for typed in [
            "",
            "no such user",
            "1:",
            ":1",
            "1:x",
            "4294967295:1",
            "4294967295",
        ] {
            assert!(user(typed).is_err(), "{typed}");
        }
        let unsaid = resolved(&["--middleware=x"]).unwrap().unwrap();
        assert_eq!(unsaid.user, None);
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

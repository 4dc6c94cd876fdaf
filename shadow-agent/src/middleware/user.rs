//! As whom the program runs: not as root, where the agent may choose. Also without any capability, uid 0 owns what is
//! root's: it could write `/etc/cron.d`, or say in `/proc/sys` what the kernel starts.

use anyhow::ensure;
use caps::Capability;
use nix::unistd::{User, getegid, geteuid};

use super::settings::RunAs;
use crate::privileges;

/// Capabilities needed to start a program as another user.
pub(super) const TO_SWITCH: &[Capability] = &[Capability::CAP_SETGID, Capability::CAP_SETUID];
/// Capabilities needed to end it.
pub(super) const TO_END: &[Capability] = &[Capability::CAP_KILL];

/// Uid and gid of who owns nothing, where no user is named so (`OVERFLOWUID` of linux/highuid.h).
const NOBODY: u32 = 65_534;

/// The user that the program is to be started as; `None` for the agent's own.
pub(super) fn chosen(asked: Option<&RunAs>) -> anyhow::Result<Option<RunAs>> {
    let missing = privileges::missing(&[TO_SWITCH, TO_END].concat());
    match asked {
        Some(user) if user.uid == geteuid().as_raw() && user.gid == getegid().as_raw() => Ok(None),
        Some(user) => {
            let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
            ensure!(
                missing.is_empty(),
                "--middleware-user {}: missing {}: run as root, or leave it out",
                user.name,
                names.join(", ")
            );
            Ok(Some(user.clone()))
        }
        // Who is not root has nothing of root's, and a container may not let it choose.
        None if !geteuid().is_root() || !missing.is_empty() => Ok(None),
        None => Ok(Some(
            caller(|name| std::env::var(name).ok()).unwrap_or_else(nobody),
        )),
    }
}

/// Who called sudo, and is not root: their files are what a program of theirs needs.
fn caller(variable: impl Fn(&str) -> Option<String>) -> Option<RunAs> {
    let number = |name| variable(name)?.parse::<u32>().ok();
    let (uid, gid) = (number("SUDO_UID")?, number("SUDO_GID")?);
    let name = variable("SUDO_USER").unwrap_or_else(|| uid.to_string());
    (uid != 0).then_some(RunAs { name, uid, gid })
}

fn nobody() -> RunAs {
    let known = User::from_name("nobody").ok().flatten();
    let known = known.filter(|user| !user.uid.is_root());
    RunAs {
        name: "nobody".to_owned(),
        uid: known.as_ref().map_or(NOBODY, |user| user.uid.as_raw()),
        gid: known.map_or(NOBODY, |user| user.gid.as_raw()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_called_sudo_is_chosen_unless_that_is_root() {
        let of = |uid: &'static str| {
            caller(move |name| match name {
                "SUDO_USER" => Some("ann".to_owned()),
                "SUDO_UID" => Some(uid.to_owned()),
                "SUDO_GID" => Some("1001".to_owned()),
                _ => None,
            })
        };
        let ann = RunAs {
            name: "ann".to_owned(),
            uid: 1000,
            gid: 1001,
        };
        assert_eq!(of("1000"), Some(ann));
        assert_eq!(of("0"), None);
        assert_eq!(of("-1"), None);
        assert_eq!(caller(|_| None), None);
        assert_ne!(nobody().uid, 0);
    }

    #[test]
    fn the_agents_own_user_needs_nothing() {
        let own = RunAs {
            name: "own".to_owned(),
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
        };
        assert_eq!(chosen(Some(&own)).unwrap(), None);
    }
}

//! Two agents on one node during a rollout: which of them mirrors a request (`--hand-over`).
//!
//! Both capture and follow every connection. The one that holds the lock of their file mirrors; the other waits, and
//! passes over what it sees. The first lets go of the lock when it is told to end. For a moment both mirror then, and
//! who claims a request first has it; so none is mirrored twice, and none that begins in between is left to neither:
//!
//! ```text
//!          lets go   the other has taken over   + OVERLAP
//! first    ───────────── claims ─────────────────┤ finishes what it has claimed, and ends
//! second   passes over ──┤ claims ──────────────────────────────────────────────────────▶
//! ```
//!
//! What the second has passed over was captured before it took over, and the first claims all that was captured until
//! [`OVERLAP`] later, however far behind it is with reading. An agent that is killed loses the lock with its life.

mod claims;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use shadow_core::time::{Timestamp, monotonic_now};
use shadow_tcp::FlowKey;

use self::claims::Claims;

/// For how long both agents claim: far longer than the kernel takes from the program of one to the program of the other.
pub const OVERLAP: Duration = Duration::from_millis(250);

/// Where and when a request began: the same for every agent that sees the connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestStart {
    /// Sequence number of the first byte of the piece in which it began.
    pub sequence: u32,
    /// How many began in that piece before it.
    pub before: u32,
    /// When that piece was captured.
    pub time: Timestamp,
}

/// One agent's part. Shared by the run and its shards.
#[derive(Debug)]
pub struct HandOver {
    claims: Claims,
    file: File,
    /// Whether this agent mirrors.
    mirrors: AtomicBool,
    /// Requests captured from then on are left to the other.
    until: AtomicU64,
}

impl HandOver {
    /// Opens the file that the agents of a node share, and makes it where it is not there.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened or mapped, or is not such a file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let named = || format!("--hand-over '{}'", path.display());
        let file = claims::open(path).with_context(named)?;
        let claims = Claims::map(&file).with_context(named)?;
        Ok(Self {
            claims,
            file,
            mirrors: AtomicBool::new(false),
            until: AtomicU64::new(u64::MAX),
        })
    }

    /// Whether this agent has a request that began there. If it has, no other agent has it.
    pub fn takes(&self, flow: &FlowKey, start: RequestStart) -> bool {
        self.mirrors.load(Relaxed)
            && start.time.0 < self.until.load(Relaxed)
            && self.claims.claim(flow, start, monotonic_now())
    }

    /// Takes over if no other agent mirrors; whether this one does now.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses the lock for another reason than that it is taken.
    pub fn try_take_over(&self) -> std::io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => {
                self.mirrors.store(true, Relaxed);
                self.claims.count_owner();
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Lets another agent take over, while this one goes on. How many have taken over so far.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses to let go of the lock.
    pub fn release(&self) -> std::io::Result<u64> {
        let owners = self.claims.owners();
        self.file.unlock()?;
        Ok(owners)
    }

    /// How many agents have taken over since the file was made.
    pub fn owners(&self) -> u64 {
        self.claims.owners()
    }

    /// Leaves to the other what is captured from [`OVERLAP`] on.
    pub fn leave(&self) {
        self.until.store(monotonic_now().after(OVERLAP).0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("shadow-agent-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn agent(&self) -> HandOver {
            HandOver::open(&self.0.join("claims")).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn flow(port: u16) -> FlowKey {
        FlowKey {
            client: std::net::SocketAddr::from(([10, 0, 0, 9], port)).into(),
            server: std::net::SocketAddr::from(([10, 0, 0, 1], 80)).into(),
            scope: 7,
        }
    }

    fn start(sequence: u32) -> RequestStart {
        RequestStart {
            sequence,
            before: 0,
            time: monotonic_now(),
        }
    }

    #[test]
    fn one_agent_mirrors_and_the_other_waits_until_it_ends() {
        let folder = Folder::new("waits");
        let (first, second) = (folder.agent(), folder.agent());
        assert!(first.try_take_over().unwrap());
        assert!(!second.try_take_over().unwrap());
        assert!(first.takes(&flow(1), start(1)));
        assert!(!second.takes(&flow(1), start(2)), "it waits");
        drop(first);
        assert!(second.try_take_over().unwrap());
        assert!(second.takes(&flow(1), start(3)));
    }

    #[test]
    fn while_both_mirror_each_request_is_had_by_one() {
        let folder = Folder::new("both");
        let (first, second) = (folder.agent(), folder.agent());
        first.try_take_over().unwrap();
        let before = first.release().unwrap();
        assert_eq!(second.owners(), before);
        assert!(second.try_take_over().unwrap());
        assert_eq!(first.owners(), before + 1);
        let seen: Vec<_> = (0..2000_u32).map(|n| (flow((n % 50) as u16), start(n))).collect();
        let had = |agent: &HandOver| {
            let had = seen.iter().map(|(flow, start)| agent.takes(flow, *start));
            had.collect::<Vec<_>>()
        };
        let (of_first, of_second) = std::thread::scope(|scope| {
            let one = scope.spawn(|| had(&first));
            let two = scope.spawn(|| had(&second));
            (one.join().unwrap(), two.join().unwrap())
        });
        let by_one = of_first.iter().zip(&of_second).filter(|(one, two)| one != two);
        assert_eq!(by_one.count(), 2000);
    }

    #[test]
    fn who_leaves_has_what_was_captured_before_however_late_it_is_read() {
        let folder = Folder::new("leaves");
        let agent = folder.agent();
        agent.try_take_over().unwrap();
        let (before, mut after) = (start(1), start(2));
        agent.leave();
        after.time = monotonic_now().after(OVERLAP);
        assert!(!agent.takes(&flow(1), after));
        assert!(agent.takes(&flow(1), before));
    }

    #[test]
    fn what_cannot_be_shared_is_refused() {
        let folder = Folder::new("refused");
        let error = HandOver::open(&folder.0).unwrap_err();
        assert!(format!("{error:#}").starts_with("--hand-over '"), "{error:#}");
        let other = folder.0.join("other");
        std::fs::write(&other, b"something of somebody's").unwrap();
        let error = HandOver::open(&other).unwrap_err();
        assert!(
            format!("{error:#}").ends_with("this is not a hand-over file: name another"),
            "{error:#}"
        );
        assert_eq!(std::fs::read(&other).unwrap(), b"something of somebody's");
    }
}

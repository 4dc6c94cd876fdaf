//! Privileges of threads: everything that root may is given up, for good, before anything that strangers send is read.
//!
//! Capabilities, the bounding set, the securebits and `no_new_privs` belong to threads (capabilities(7)), and a thread
//! starts with those of the one that starts it. So the thread that opens files and attaches programs gives them up
//! ([`give_up`]) before it starts others; one that must be there earlier is started by [`thread`], which gives up its
//! own first.
#![allow(
    unsafe_code,
    reason = "no safe wrapper for PR_SET_SECUREBITS and close_range is among the dependencies"
)]

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use caps::{CapSet, Capability, CapsHashSet};
use tracing::debug;

/// Neither uid 0 nor a change of uid gives a capability again, nor are any kept for a program that is run; and none of
/// that can be undone (capabilities(7), "The securebits flags").
const SECUREBITS: libc::c_int = libc::SECBIT_NOROOT
    | libc::SECBIT_NOROOT_LOCKED
    | libc::SECBIT_NO_SETUID_FIXUP
    | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
    | libc::SECBIT_KEEP_CAPS_LOCKED
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

/// Reading or changing the capabilities of a thread failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the capabilities of this process: {source}")]
pub struct PrivilegeError {
    /// Attempted action.
    action: &'static str,
    /// The failure.
    source: caps::errors::CapsError,
}

/// Keeps this process's memory from other processes, also those of the same user, and from core dumps: it holds what
/// production's users sent (`PR_SET_DUMPABLE`, prctl(2)). Who has `CAP_SYS_PTRACE` can look all the same.
pub fn hide_memory() {
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        debug!(%error, "cannot hide memory from other processes");
    }
}

/// Leaves everything out of dumps of this process that are made all the same, by a debugger that may: it will hold secrets
/// (`coredump_filter`, core(5)). The whole of it, as nobody knows where a library leaves copies; programs that it runs
/// inherit that. To be called before [`hide_memory`], behind which only root may.
pub fn leave_out_of_dumps() {
    if let Err(error) = std::fs::write("/proc/self/coredump_filter", "0") {
        debug!(%error, "cannot keep memory out of dumps by debuggers");
    }
}

/// Sees to it that a program which is run from now on gets no file that whoever started the agent has left open: it has
/// its standard input, output and error. Before Linux 5.11 it gets them.
pub fn keep_files() {
    // SAFETY: a flag is set on descriptors, which all of this program's have already.
    let kept = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if kept != 0 {
        debug!(error = %io::Error::last_os_error(), "cannot mark open files close-on-exec: child processes \
            inherit them");
    }
}

/// Gives up all but `keep` of what this thread may do, for good, also for threads and programs that it starts; `keep`
/// stays effective.
///
/// # Errors
///
/// Where the kernel refuses a step, which [`PrivilegeError`] names; those before it stay done.
pub fn give_up(keep: &[Capability]) -> Result<(), PrivilegeError> {
    let keep = keep.iter().copied().collect();
    limit_to(&keep)?;
    let held = read(CapSet::Permitted)?;
    set(CapSet::Effective, &held)
}

/// The same, but for these capabilities, which are kept out of the effective set until [`with`] raises them.
///
/// # Errors
///
/// As [`give_up`].
pub fn keep_in_reserve(capabilities: &[Capability]) -> Result<(), PrivilegeError> {
    limit_to(&capabilities.iter().copied().collect())
}

/// Runs `f` with these capabilities, which must be in reserve, effective.
///
/// # Errors
///
/// Where the kernel does not let them be raised: they are not in reserve.
pub fn with<R>(capabilities: &[Capability], f: impl FnOnce() -> R) -> Result<R, PrivilegeError> {
    set(CapSet::Effective, &capabilities.iter().copied().collect())?;
    let result = f();
    set(CapSet::Effective, &CapsHashSet::new())?;
    Ok(result)
}

/// Those of `capabilities` that this thread cannot use.
pub fn missing(capabilities: &[Capability]) -> Vec<Capability> {
    let held = read(CapSet::Effective).unwrap_or_default();
    let missing = capabilities.iter().copied();
    missing.filter(|capability| !held.contains(capability)).collect()
}

/// Starts a thread that gives up all but `reserve` before it runs `f`; it has done so when this returns.
///
/// # Errors
///
/// Where no thread can be started.
pub fn thread<T: Send + 'static>(
    name: &str,
    reserve: &'static [Capability],
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<Option<T>>> {
    let (told, given_up) = sync_channel(1);
    let thread = Builder::new().name(name.to_owned()).spawn(move || {
        let kept = keep_in_reserve(reserve);
        let may_run = kept.is_ok();
        // Who starts it waits for this.
        let _ = told.send(kept);
        may_run.then(f)
    })?;
    match given_up.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Takes everything but `keep` out of the permitted set, and everything out of the others.
fn limit_to(keep: &CapsHashSet) -> Result<(), PrivilegeError> {
    // These two need CAP_SETPCAP, which a program with file capabilities may not have: then the bounding set stays, and
    // means nothing, because no_new_privs (below) keeps any program from gaining what is in it.
    if let Err(error) = lock_securebits() {
        debug!(%error, "cannot set securebits");
    }
    for capability in read(CapSet::Bounding)? {
        if let Err(error) = caps::drop(None, CapSet::Bounding, capability) {
            debug!(%capability, %error, "cannot drop a capability from the bounding set");
            break;
        }
    }
    if let Err(error) = nix::sys::prctl::set_no_new_privs() {
        debug!(%error, "cannot set no_new_privs");
    }
    // Kernels without ambient capabilities (before 4.3) are too old anyway.
    clear(CapSet::Ambient)?;
    clear(CapSet::Inheritable)?;
    clear(CapSet::Effective)?;
    let permitted = read(CapSet::Permitted)?;
    set(
        CapSet::Permitted,
        &permitted.intersection(keep).copied().collect(),
    )
}

fn lock_securebits() -> io::Result<()> {
    // SAFETY: PR_SET_SECUREBITS takes a number and changes flags of the calling thread.
    match unsafe { libc::prctl(libc::PR_SET_SECUREBITS, SECUREBITS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn read(set: CapSet) -> Result<CapsHashSet, PrivilegeError> {
    caps::read(None, set).map_err(|source| PrivilegeError {
        action: "read",
        source,
    })
}

fn clear(set: CapSet) -> Result<(), PrivilegeError> {
    caps::clear(None, set).map_err(|source| PrivilegeError {
        action: "give up",
        source,
    })
}

fn set(which: CapSet, value: &CapsHashSet) -> Result<(), PrivilegeError> {
    caps::set(None, which, value).map_err(|source| PrivilegeError {
        action: "set",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of capabilities of this thread in all sets, and whether it can gain any.
    fn held() -> (usize, bool) {
        let sets = [
            CapSet::Effective,
            CapSet::Permitted,
            CapSet::Inheritable,
            CapSet::Ambient,
        ];
        let held = sets.map(|set| caps::read(None, set).unwrap().len());
        (held.iter().sum(), nix::sys::prctl::get_no_new_privs().unwrap())
    }

    #[test]
    fn a_thread_has_nothing_when_it_is_started_nor_what_it_starts() {
        let thread = thread("test", &[], || {
            let child = std::thread::spawn(held);
            (held(), child.join().unwrap())
        });
        let held = thread.unwrap().join().unwrap();
        assert_eq!(held, Some(((0, true), (0, true))));
    }

    #[test]
    fn what_is_in_reserve_is_effective_only_while_it_is_used() {
        const RESERVE: &[Capability] = &[Capability::CAP_NET_ADMIN];
        if !missing(RESERVE).is_empty() {
            return;
        }
        let thread = thread("test", RESERVE, || {
            let during = with(RESERVE, || missing(RESERVE).len()).unwrap();
            (missing(RESERVE).len(), during, missing(RESERVE).len())
        });
        assert_eq!(thread.unwrap().join().unwrap(), Some((1, 0, 1)));
    }

    #[test]
    fn who_may_set_securebits_cannot_get_anything_back() {
        if !missing(&[Capability::CAP_SETPCAP]).is_empty() {
            return;
        }
        let thread = std::thread::spawn(|| {
            give_up(&[]).unwrap();
            // SAFETY: PR_GET_SECUREBITS takes nothing and gives a number.
            let bits = unsafe { libc::prctl(libc::PR_GET_SECUREBITS) };
            (bits, caps::read(None, CapSet::Bounding).unwrap().len())
        });
        assert_eq!(thread.join().unwrap(), (0b1110_1111, 0));
    }
}

//! Why a file has no hook, in words for the line at start and for `doctor`.

use std::io;

use crate::Refusal;

/// Why no TLS secret can be taken from the processes that run a file.
#[derive(Debug, thiserror::Error)]
pub enum NoHook {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is no executable or library in the ELF format.
    #[error("no executable or library")]
    NotElf,
    /// It is for a machine other than amd64 or arm64 (`e_machine` of the ELF header).
    #[error("for a machine of which no functions are known (ELF machine {0})")]
    Machine(u16),
    /// To look through it takes more reading than [`crate::MAX_READ_BYTES`].
    #[error("too large to be looked through ({0} bytes)")]
    TooLarge(u64),
    /// Its headers or tables contradict themselves.
    #[error("damaged: {0}")]
    Damaged(&'static str),
    /// No TLS library was recognised in it.
    #[error("no TLS library that is known")]
    NoTls,
    /// It uses a library whose own file is to be hooked instead.
    #[error("its secrets are derived in {0}")]
    Elsewhere(&'static str),
    /// Its TLS stack has no place to take secrets at, but writes a key log if it is asked to.
    #[error("{library} has no place to take secrets at: give a key log")]
    GiveKeyLog {
        /// The stack.
        library: String,
    },
    /// Its TLS stack has a place, and this build hides it.
    #[error("{library}: {why}; give a key log if it can write one")]
    Hidden {
        /// The stack.
        library: String,
        /// The missing part.
        why: &'static str,
    },
    /// The function was found, and a probe on it would be single-stepped: twenty times the cost. [`crate::Options::insist`]
    /// takes it.
    #[error("{library}: a probe on {symbol} would be slow: {why}")]
    WouldBeStepped {
        /// The stack.
        library: String,
        /// The function.
        symbol: String,
        /// The obstacle.
        why: Refusal,
    },
}

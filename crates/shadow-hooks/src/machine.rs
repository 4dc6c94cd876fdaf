//! The machines that executables are for.

/// A machine whose functions can be hooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    Amd64,
    Arm64,
}

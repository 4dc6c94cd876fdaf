//! How pairs are judged, as settled from the flags.

/// See the module's description.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judging {}

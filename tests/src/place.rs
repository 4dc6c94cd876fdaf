//! Where a program runs: in a network namespace, or in a container of a pod.

use std::process::Command;

use crate::Netns;

/// A place that programs are started in.
pub trait Place {
    /// A command that runs `program` there from its first instruction on.
    fn command(&self, program: &str) -> Command;

    /// The network there.
    fn netns(&self) -> &Netns;
}

impl Place for Netns {
    fn command(&self, program: &str) -> Command {
        Netns::command(self, program)
    }

    fn netns(&self) -> &Netns {
        self
    }
}

//! What is shipped beside the agent, checked without a cluster and without installing it: manifests and units.

mod daemon_set;
mod helm;
mod permissions;
mod removal;
mod schema;
mod systemd;

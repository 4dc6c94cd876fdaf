//! Manifests and units that are shipped beside the agent, checked without a cluster and without installing it.

mod daemon_set;
mod helm;
mod permissions;
mod removal;
mod schema;
mod systemd;

//! What a cluster says shall be mirrored, and where.

pub mod leader;
pub mod routes;

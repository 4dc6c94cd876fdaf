//! Messages as records, without IO: as files keep them ([`recording`]), and as agents send them to each other ([`relay`]).
#![forbid(unsafe_code)]

pub mod recording;
pub mod relay;

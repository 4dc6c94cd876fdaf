//! HTTP/2 end to end: clients and servers that nobody here wrote, and the agent that reads what they say.
//!
//! A binary of its own, so that its parts can be run alone.

mod between;
mod clients;
mod grpc;
mod grpc_identifiers;
mod grpc_streams;
mod reading;
mod scene;
mod servers;
mod shadows;
mod upgrade;

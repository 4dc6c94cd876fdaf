//! gRPC without IO: the body of a call or of its answer in, messages and the status out, and messages as JSON text, so that
//! whatever compares, filters or shows JSON does the same with them.
//!
//! Read are gRPC over HTTP/2 and gRPC-Web, binary and text (the protocols of `grpc/doc/PROTOCOL-HTTP2.md` and
//! `PROTOCOL-WEB.md`), from the text form that HTTP/2 has here: DATA as chunks, trailers in the trailer section. Protocol Buffers
//! are read by descriptors where these are there, and by guesses where they are not. All of it is hostile input: sizes, counts
//! and depths are bounded, and what cannot be read says so.
#![forbid(unsafe_code)]

mod begun;
mod descriptors;
mod frames;
mod guess;
mod json;
mod named;
mod reflection;
mod replaced;
mod reply;
mod status;
#[cfg(test)]
mod tests;
mod texts;
mod values;
mod web;
mod well_known;
mod wire;

pub use prost_reflect::MessageDescriptor;

pub use begun::Begun;
pub use descriptors::{BadDescriptors, Descriptors, MAX_DESCRIPTORS, Method};
pub use frames::{Frame, FrameError, FrameReader};
pub use named::Fault;
pub use reflection::{REFLECTION_PATHS, Reflection, ReflectionError};
pub use replaced::{Leaf, Other, replaced};
pub use reply::{Codec, Format, Reply, Unreadable, format};
pub use status::{Code, Status, decoded_message};
pub use texts::{Side, Texts, guessed, shown_as, texts};
pub use values::{values, with_values};

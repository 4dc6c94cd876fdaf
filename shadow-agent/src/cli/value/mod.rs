//! Values as users write them on the command line: sizes, durations, shares, addresses, header names.
//!
//! Each is one pure function from text to a value; the flag's name and the text are put around its error by
//! the argument parser.

mod cpus;
mod duration;
mod header_name;
mod integer;
mod limit;
mod listen;
mod max_stream;
mod number;
mod share;
mod size;

pub use cpus::cpus;
pub use duration::{duration, format_duration, positive_duration};
pub use header_name::{client_header, host_suffix, marker_name};
pub use integer::integer;
pub use limit::{limit, split_limit};
pub use listen::{listen, listen_or_localhost, vxlan_listen};
pub use max_stream::{MaxStream, max_stream};
pub use number::positive_number;
pub use share::{Share, share};
pub use size::{format_size, positive_size, size};

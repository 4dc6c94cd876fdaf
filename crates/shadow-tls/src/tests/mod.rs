//! Whole connections: the traces of RFC 8448, and real ones between rustls' client and server in memory.

mod connections;
mod crafted;
mod listener;
mod loss;
mod peers;
mod rfc8448;
mod secrets;

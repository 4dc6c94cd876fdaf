//! Connections that another implementation wrote.

//! Properties of any connection, any cuts, any losses and any bytes.

//! Data plane: listeners, authentication, pipeline, upstream clients.

pub mod address;
pub mod permit;
pub mod upstream;

//! Data plane: listeners, authentication, pipeline, upstream clients.

//! The proof that a message may leave: made by the pipeline and by nobody else. Never here: how the message travels.

/// The right to send one message to a server.
#[derive(Debug)]
pub struct Permit {
    _sealed: (),
}

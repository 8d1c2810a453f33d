//! `Permit`: the proof that a message may leave for its server. Its field is private and its
//! constructors are visible to the pipeline alone, so that forwarding without a decision does not
//! compile. Nothing here sends anything.

/// One message's permission to leave. Neither `Clone` nor `Default`: one permit, one message.
#[derive(Debug)]
pub struct Permit {
    basis: Basis,
}

/// Why the message may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// Policy allowed the call, its limits are charged and its audit record is open.
    Decision,
    /// The method passes without a decision of policy (GATEWAY.md section 4, first row), or is a
    /// list whose answer is filtered.
    Passage,
    /// The gateway itself asks: it lists tools, opens a session again or refuses a request of the
    /// server.
    Housekeeping,
}

impl Permit {
    pub(super) const fn new(basis: Basis) -> Self {
        Self { basis }
    }

    /// Why the message may leave.
    pub(crate) const fn basis(&self) -> Basis {
        self.basis
    }
}

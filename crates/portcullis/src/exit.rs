//! Exit codes (GATEWAY section 10), and nothing else.

use std::process::ExitCode;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or allowed.
    Good,
    /// It did not work.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// An invalid policy or failing tests.
    Policy,
    /// The call would be held.
    Held,
    /// The call would be denied.
    Denied,
    /// The call would be over a limit.
    Limited,
    /// Nobody answers there.
    Unreachable,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Policy => 3,
            Self::Held => 10,
            Self::Denied => 11,
            Self::Limited => 13,
            Self::Unreachable => 20,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

//! The six workloads: what is asked, what is answered, and how many tools there are. Sends nothing.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// One of the workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Workload {
    /// tools/call of about 200 B, answered as JSON
    #[value(name = "W1")]
    W1,
    /// The same, answered as an event stream
    #[value(name = "W2")]
    W2,
    /// tools/call with 64 KiB in and 64 KiB out
    #[value(name = "W3")]
    W3,
    /// tools/list of 200 tools of 1 KiB
    #[value(name = "W4")]
    W4,
    /// Idle sessions, each with an open GET stream
    #[value(name = "W5")]
    W5,
    /// As W1, with a policy of 500 tools of five conditions each
    #[value(name = "W6")]
    W6,
}

/// What is asked of the server, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// One call of [`CALLED`].
    Call,
    /// The list of tools.
    List,
}

/// How the server frames an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// One JSON body of a stated length.
    Json,
    /// One event of a stream without a stated length.
    Sse,
}

/// The sizes of a workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// One line for people.
    pub(crate) about: &'static str,
    /// What is asked.
    pub(crate) method: Method,
    /// How it is answered.
    pub(crate) framing: Framing,
    /// Bytes of the longest argument.
    pub(crate) argument_bytes: usize,
    /// Bytes of the answer's text.
    pub(crate) text_bytes: usize,
    /// How many tools the server has.
    pub(crate) tools: usize,
    /// Bytes of one definition, about.
    pub(crate) tool_bytes: usize,
    /// Connections unless the command line says otherwise.
    pub(crate) connections: usize,
}

/// The tool that is called; in every policy.
pub(crate) const CALLED: &str = "tool_005";
/// Of how many tools of a long list one is hidden: `tool_199` for the second hundred.
pub(crate) const HIDDEN_GLOB: &str = "tool_*9";

const SMALL: Shape = Shape {
    about: "tools/call of 200 B, answered as JSON",
    method: Method::Call,
    framing: Framing::Json,
    argument_bytes: 36,
    text_bytes: 64,
    tools: 10,
    tool_bytes: 256,
    connections: 32,
};

impl Workload {
    /// All, in order.
    pub(crate) const ALL: [Self; 6] = [Self::W1, Self::W2, Self::W3, Self::W4, Self::W5, Self::W6];

    /// Its sizes.
    pub(crate) fn shape(self) -> Shape {
        const LARGE_BYTES: usize = 64 * 1024;
        match self {
            Self::W1 => SMALL,
            Self::W2 => Shape {
                about: "tools/call of 200 B, answered as an event stream",
                framing: Framing::Sse,
                ..SMALL
            },
            Self::W3 => Shape {
                about: "tools/call, 64 KiB in and out",
                argument_bytes: LARGE_BYTES,
                text_bytes: LARGE_BYTES,
                connections: 16,
                ..SMALL
            },
            Self::W4 => Shape {
                about: "tools/list of 200 tools of 1 KiB",
                method: Method::List,
                tools: 200,
                tool_bytes: 1024,
                connections: 16,
                ..SMALL
            },
            Self::W5 => Shape { about: "idle sessions with an open GET stream", ..SMALL },
            Self::W6 => Shape {
                about: "as W1; the server has 500 tools, and the policy of portcullis-500 too",
                tools: 500,
                ..SMALL
            },
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::W4 => "W4",
            Self::W5 => "W5",
            Self::W6 => "W6",
        }
    }
}

/// The name of the n-th tool.
pub(crate) fn tool_name(number: usize) -> String {
    format!("tool_{number:03}")
}

/// Whether [`HIDDEN_GLOB`] matches the n-th tool.
pub(crate) fn is_hidden(number: usize) -> bool {
    number % 10 == 9
}

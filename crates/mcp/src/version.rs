//! Protocol revisions and the two eras they fall into. Never holds what a revision's messages look like: that is `method` and `decode`.

use core::fmt;

/// How a message travels: with a handshake and sessions, or on its own.
///
/// The same HTTP event can mean opposite things in the two (a client that hangs up cancels in [`Era::Modern`] and does not
/// in [`Era::Legacy`]), so every message carries its era.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2024-11-05 to 2025-11-25: `initialize`, `Mcp-Session-Id`, GET streams, requests from the server.
    Legacy,
    /// 2026-07-28: stateless, `_meta` with each request, mirrored headers.
    Modern,
}

/// A published revision of the Model Context Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// 2024-11-05.
    V2024_11_05,
    /// 2025-03-26: the only revision with JSON-RPC batches.
    V2025_03_26,
    /// 2025-06-18: the first with the `MCP-Protocol-Version` header.
    V2025_06_18,
    /// 2025-11-25: tasks in the core, elicitation by URL.
    V2025_11_25,
    /// 2026-07-28: the stateless revision.
    V2026_07_28,
}

impl ProtocolVersion {
    /// Every revision, the newest first.
    pub const ALL: [Self; 5] = [
        Self::V2026_07_28,
        Self::V2025_11_25,
        Self::V2025_06_18,
        Self::V2025_03_26,
        Self::V2024_11_05,
    ];
    /// The newest revision of the handshake era.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;
    /// The newest revision of the stateless era.
    pub const NEWEST_MODERN: Self = Self::V2026_07_28;

    /// Reads a revision's date as it stands in headers and bodies. Exact: no surrounding space, no other spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// The date that names the revision on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era that the revision belongs to.
    pub const fn era(self) -> Era {
        match self {
            Self::V2024_11_05 | Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => {
                Era::Legacy
            }
            Self::V2026_07_28 => Era::Modern,
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! The address of what stands under one selector.

use serde::{Deserialize, Serialize};

/// Which block of rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "section", content = "selector", rename_all = "snake_case")]
pub enum Block {
    /// `all_tools`
    AllTools,
    /// An entry of `tools`.
    Tools(String),
    /// An entry of `resources`.
    Resources(String),
    /// An entry of `prompts`.
    Prompts(String),
}

impl Block {
    /// The key of the document.
    pub fn section(&self) -> &'static str {
        match self {
            Self::AllTools => "all_tools",
            Self::Tools(_) => "tools",
            Self::Resources(_) => "resources",
            Self::Prompts(_) => "prompts",
        }
    }

    /// The key in the section; `all_tools` has none.
    pub fn selector(&self) -> Option<&str> {
        match self {
            Self::AllTools => None,
            Self::Tools(selector) | Self::Resources(selector) | Self::Prompts(selector) => {
                Some(selector)
            }
        }
    }

    /// The JSON Pointer.
    pub fn pointer(&self) -> String {
        match self.selector() {
            None => format!("/{}", self.section()),
            Some(selector) => {
                format!("/{}/{}", self.section(), crate::parse::escape(selector))
            }
        }
    }
}

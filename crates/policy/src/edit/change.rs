//! The edits that a form can ask for: a closed list.

use serde::{Deserialize, Serialize};

use super::{Action, ApprovalForm, Block, ConditionForm, LimitForm, Mode, RateForm, RuleForm};
use crate::DefaultAction;

/// Which list of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// Every rule must hold.
    Require,
    /// No rule may match.
    DenyIf,
}

impl List {
    /// The key in an entry.
    pub fn key(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::DenyIf => "deny_if",
        }
    }
}

/// An entry that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewEntry {
    /// Its block.
    pub block: Block,
    /// What is said there, a JSON object.
    pub rules: String,
}

/// One change of a form. Indices count from 0 in the order of the text. Edits of several blocks make those
/// that are not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Sets `default`.
    SetDefault(DefaultAction),
    /// Sets or removes `description`.
    SetDescription(Option<String>),
    /// Sets what blocks come to; their rules and limits stay.
    SetAction {
        /// The blocks; `all_tools` has no action.
        blocks: Vec<Block>,
        /// The action. `Allow` is not written where none stands.
        action: Action,
    },
    /// Sets or removes the message that goes with the action.
    SetReason {
        /// The blocks.
        blocks: Vec<Block>,
        /// The message.
        reason: Option<String>,
    },
    /// Sets or removes `validate`.
    SetValidate {
        /// The blocks, of `tools` and `all_tools`.
        blocks: Vec<Block>,
        /// The word.
        mode: Option<Mode>,
    },
    /// Sets or removes `rate_limit`.
    SetRateLimit {
        /// The blocks.
        blocks: Vec<Block>,
        /// The rate.
        rate: Option<RateForm>,
    },
    /// Adds a rule at the end of a list.
    AddRule {
        /// The blocks.
        blocks: Vec<Block>,
        /// The list.
        list: List,
        /// The rule, all of whose conditions are comparisons.
        rule: RuleForm,
    },
    /// Removes a rule that the form shows in full.
    RemoveRule {
        /// The block.
        block: Block,
        /// The list.
        list: List,
        /// Its index.
        rule: usize,
    },
    /// Sets or removes a rule's `id`.
    SetRuleId {
        /// The block.
        block: Block,
        /// The list.
        list: List,
        /// The rule's index.
        rule: usize,
        /// The name.
        id: Option<String>,
    },
    /// Sets or removes a rule's `on_deny`.
    SetRuleMessage {
        /// The block.
        block: Block,
        /// The list.
        list: List,
        /// The rule's index.
        rule: usize,
        /// The message.
        on_deny: Option<String>,
    },
    /// Sets or removes a rule's `approval`.
    SetRuleApproval {
        /// The block.
        block: Block,
        /// The list.
        list: List,
        /// The rule's index.
        rule: usize,
        /// How a person may waive it.
        approval: Option<ApprovalForm>,
    },
    /// Adds a condition at the end of a rule.
    AddCondition {
        /// The block.
        block: Block,
        /// The list.
        list: List,
        /// The rule's index.
        rule: usize,
        /// A comparison.
        condition: ConditionForm,
    },
    /// Replaces a comparison by another.
    ReplaceCondition {
        /// The block.
        block: Block,
        /// The list.
        list: List,
        /// The rule's index.
        rule: usize,
        /// The condition's index.
        index: usize,
        /// A comparison.
        condition: ConditionForm,
    },
    /// Removes a comparison.
    RemoveCondition {
        /// The block.
        block: Block,
        /// The list.
        list: List,
        /// The rule's index.
        rule: usize,
        /// The condition's index.
        index: usize,
    },
    /// Adds a limit at the end of `limits`.
    AddLimit {
        /// The blocks.
        blocks: Vec<Block>,
        /// The limit.
        limit: LimitForm,
    },
    /// Replaces a limit by another.
    ReplaceLimit {
        /// The block.
        block: Block,
        /// The limit's index.
        index: usize,
        /// The new one.
        limit: LimitForm,
    },
    /// Removes a limit.
    RemoveLimit {
        /// The block.
        block: Block,
        /// The limit's index.
        index: usize,
    },
    /// Removes blocks that the form shows in full, with all that is said in them.
    RemoveBlocks {
        /// The blocks.
        blocks: Vec<Block>,
    },
    /// Gives a block another selector.
    Rename {
        /// The block, not `all_tools`.
        block: Block,
        /// The new selector.
        to: String,
    },
    /// Adds selectors to `hide`, but those that stand there.
    Hide(Vec<String>),
    /// Takes selectors out of `hide`.
    Unhide(Vec<String>),
    /// Adds entries that are not there.
    AddEntries(Vec<NewEntry>),
    /// Several edits as one, in this order; no batch inside a batch.
    Batch(Vec<Edit>),
}

impl Edit {
    /// The blocks of an edit that wants them written already; an action makes those that are not.
    pub fn written_blocks(&mut self) -> Option<&mut Vec<Block>> {
        match self {
            Self::SetReason { blocks, .. }
            | Self::SetValidate { blocks, .. }
            | Self::SetRateLimit { blocks, .. }
            | Self::AddRule { blocks, .. }
            | Self::AddLimit { blocks, .. }
            | Self::RemoveBlocks { blocks } => Some(blocks),
            Self::SetDefault(_)
            | Self::SetDescription(_)
            | Self::SetAction { .. }
            | Self::RemoveRule { .. }
            | Self::SetRuleId { .. }
            | Self::SetRuleMessage { .. }
            | Self::SetRuleApproval { .. }
            | Self::AddCondition { .. }
            | Self::ReplaceCondition { .. }
            | Self::RemoveCondition { .. }
            | Self::ReplaceLimit { .. }
            | Self::RemoveLimit { .. }
            | Self::Rename { .. }
            | Self::Hide(_)
            | Self::Unhide(_)
            | Self::AddEntries(_)
            | Self::Batch(_) => None,
        }
    }
}

//! What a form shows of a policy. Two forms are equal when they say the same, wherever it stands in the text.

use serde::{Deserialize, Serialize};

use super::{Action, Block, List};
use crate::DefaultAction;

/// Something read off the text that says nothing of its own: a place, or a sentence made from what it stands
/// beside. Any two are equal, so that forms compare by what they say.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Seen<T>(pub T);

impl<T> PartialEq for Seen<T> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl<T> Eq for Seen<T> {}

/// Whatever is sent in its place is passed over: a form that comes back says nothing of places.
impl<'de, T: Default> Deserialize<'de> for Seen<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(from).map(|_ignored| Self::default())
    }
}

/// Where a part stands in the text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// JSON Pointer.
    pub pointer: String,
    /// Line, from 1.
    pub line: u32,
    /// Where it begins, in UTF-16 code units, as text fields of browsers count.
    pub start: usize,
    /// Where it ends, likewise.
    pub end: usize,
}

/// A policy as a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Form {
    /// `description`
    pub description: Option<String>,
    /// `default`
    pub default: DefaultAction,
    /// `hide`: selectors as they are written.
    pub hide: Vec<String>,
    /// `all_tools`
    pub all_tools: Option<Entry>,
    /// `tools`, in the order of the text.
    pub tools: Vec<Entry>,
    /// `resources`
    pub resources: Vec<Entry>,
    /// `prompts`
    pub prompts: Vec<Entry>,
    /// Members of the document that the form does not show: `$schema` and `tests`.
    pub opaque: Vec<Opaque>,
}

/// A part of the text that the form carries along and does not show in fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opaque {
    /// Where it stands.
    #[serde(default)]
    pub place: Seen<Place>,
    /// The bytes of the text, comments included.
    pub text: String,
    /// What it says, where it is a condition.
    #[serde(default)]
    pub sentence: Seen<String>,
}

/// What is said under one selector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The selector as it is written; empty for `all_tools`.
    pub selector: String,
    /// Where the entry stands.
    pub place: Seen<Place>,
    /// `action`, where it is written.
    pub action: Option<Action>,
    /// `reason`
    pub reason: Option<String>,
    /// `require`
    pub require: Vec<RuleForm>,
    /// `deny_if`
    pub deny_if: Vec<RuleForm>,
    /// `limits`
    pub limits: Vec<LimitForm>,
    /// `rate_limit`
    pub rate_limit: Option<RateForm>,
    /// `validate`, where it is written.
    pub validate: Option<Mode>,
    /// What the entry comes to, before its rules and limits, in plain words.
    pub sentence: Seen<String>,
}

/// What an entry comes to, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Allowed, and nothing else is said.
    Allow,
    /// `action: "deny"`
    Deny,
    /// `action: "hide"`
    Hide,
    /// `action: "approve"`
    Approve,
    /// Allowed under rules, limits or `validate`.
    Custom,
}

/// The words of `validate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Arguments are not compared with the schema.
    Off,
    /// They must satisfy the pinned schema.
    Schema,
    /// The same, and nothing that it does not name.
    Strict,
}

/// One rule of `require` or `deny_if`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleForm {
    /// Where it stands.
    #[serde(default)]
    pub place: Seen<Place>,
    /// `id`
    #[serde(default)]
    pub id: Option<String>,
    /// `conditions`, all of which must be true.
    #[serde(default)]
    pub conditions: Vec<ConditionForm>,
    /// `on_deny`
    #[serde(default)]
    pub on_deny: Option<String>,
    /// `approval`
    #[serde(default)]
    pub approval: Option<ApprovalForm>,
    /// The rule in plain words.
    #[serde(default)]
    pub sentence: Seen<String>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionForm {
    /// A comparison.
    Test(TestForm),
    /// `any` or `not`.
    Opaque(Opaque),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestForm {
    /// `path`
    pub path: String,
    /// `op`
    pub op: String,
    /// `value` as JSON on one line, numbers as they are written.
    pub value: String,
    /// Whether `if_missing` is `"match"`.
    #[serde(default)]
    pub if_missing: bool,
}

/// `approval` of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalForm {
    /// `true` or `false`.
    Switch(bool),
    /// An object.
    Terms(TermsForm),
}

/// How a person is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsForm {
    /// `wait_seconds`
    #[serde(default)]
    pub wait_seconds: Option<u32>,
    /// `expires_seconds`
    #[serde(default)]
    pub expires_seconds: Option<u32>,
    /// `approvers`; empty where nobody is named.
    #[serde(default)]
    pub approvers: Vec<String>,
}

/// One limit. Numbers are JSON as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitForm {
    /// Where it stands.
    #[serde(default)]
    pub place: Seen<Place>,
    /// `counter`
    #[serde(default)]
    pub counter: Option<String>,
    /// `window`: its word, or whole seconds as a number.
    pub window: String,
    /// `max`
    pub max: String,
    /// `scope`
    #[serde(default)]
    pub scope: Option<String>,
    /// `increment`
    #[serde(default)]
    pub increment: Option<String>,
    /// `increment_from`
    #[serde(default)]
    pub increment_from: Option<String>,
    /// `algorithm`
    #[serde(default)]
    pub algorithm: Option<String>,
    /// `on_deny`
    #[serde(default)]
    pub on_deny: Option<String>,
    /// The limit in plain words.
    #[serde(default)]
    pub sentence: Seen<String>,
}

/// `rate_limit`, in either spelling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateForm {
    /// The number of calls, as it is written.
    pub max: String,
    /// The window: its word, or whole seconds as a number.
    pub window: String,
}

impl Form {
    /// The blocks that are written.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        let all = self.all_tools.iter().map(|_entry| Block::AllTools);
        let tools = self.tools.iter().map(|entry| Block::Tools(entry.selector.clone()));
        let resources = self.resources.iter().map(|entry| Block::Resources(entry.selector.clone()));
        let prompts = self.prompts.iter().map(|entry| Block::Prompts(entry.selector.clone()));
        all.chain(tools).chain(resources).chain(prompts)
    }

    /// The entry of a block.
    pub fn entry(&self, block: &Block) -> Option<&Entry> {
        let (entries, selector) = match block {
            Block::AllTools => return self.all_tools.as_ref(),
            Block::Tools(selector) => (&self.tools, selector),
            Block::Resources(selector) => (&self.resources, selector),
            Block::Prompts(selector) => (&self.prompts, selector),
        };
        entries.iter().find(|entry| entry.selector == *selector)
    }
}

impl Entry {
    /// An entry that says nothing: everything is allowed.
    pub(super) fn plain(selector: &str) -> Self {
        Self {
            selector: selector.to_owned(),
            place: Seen::default(),
            action: None,
            reason: None,
            require: Vec::new(),
            deny_if: Vec::new(),
            limits: Vec::new(),
            rate_limit: None,
            validate: None,
            sentence: Seen::default(),
        }
    }

    /// What the entry comes to.
    pub fn verdict(&self) -> Verdict {
        match self.action {
            Some(Action::Deny) => Verdict::Deny,
            Some(Action::Hide) => Verdict::Hide,
            Some(Action::Approve) => Verdict::Approve,
            Some(Action::Allow) | None => {
                let plain = self.require.is_empty()
                    && self.deny_if.is_empty()
                    && self.limits.is_empty()
                    && self.rate_limit.is_none()
                    && matches!(self.validate, None | Some(Mode::Off));
                if plain { Verdict::Allow } else { Verdict::Custom }
            }
        }
    }

    /// One of its lists of rules.
    pub fn rules(&self, list: List) -> &[RuleForm] {
        match list {
            List::Require => &self.require,
            List::DenyIf => &self.deny_if,
        }
    }

    /// The first part of the entry that the form does not show in full.
    pub(super) fn opaque(&self) -> Option<&Opaque> {
        self.require.iter().chain(&self.deny_if).find_map(RuleForm::opaque)
    }
}

impl RuleForm {
    /// The first condition that the form does not show in full.
    pub(super) fn opaque(&self) -> Option<&Opaque> {
        self.conditions.iter().find_map(ConditionForm::opaque)
    }
}

impl ConditionForm {
    pub(super) fn opaque(&self) -> Option<&Opaque> {
        match self {
            Self::Test(_) => None,
            Self::Opaque(opaque) => Some(opaque),
        }
    }
}

impl Mode {
    /// The word in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Schema => "schema",
            Self::Strict => "strict",
        }
    }
}

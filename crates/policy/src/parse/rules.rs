//! What stands under a selector (POLICY section 3): actions, rules, approvals, `validate`.

use std::sync::Arc;

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged;

use super::{Fields, Place, Reader, span, text_of};
use crate::document::{Action, Limit, Rule, Rules, Terms, Waiver};
use crate::{Approver, SchemaMode, Section, Value, canonical_json, sha256};

/// Longest time that a held call waits for a person, in seconds.
const WAIT_SECONDS_MAX: u64 = 600;
/// Shortest and longest life of a request, in seconds.
const EXPIRES_SECONDS: std::ops::RangeInclusive<u64> = 60..=604_800;

/// Where rules stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Under<'t> {
    pub section: Section,
    /// `None` for `all_tools`.
    pub selector: Option<&'t str>,
}

impl Under<'_> {
    /// The selector, or the name of the section that has none, as default counters are named after it.
    pub(crate) fn name(&self) -> &str {
        self.selector.unwrap_or("all_tools")
    }

    fn section_name(&self) -> &'static str {
        match (self.selector, self.section) {
            (None, _) => "all_tools",
            (Some(_), Section::Tools) => "tools",
            (Some(_), Section::Resources) => "resources",
            (Some(_), Section::Prompts) => "prompts",
        }
    }

    fn known_keys(&self) -> &'static [&'static str] {
        match (self.selector, self.section) {
            (None, _) => &["reason", "require", "deny_if", "limits", "rate_limit", "validate"],
            (Some(_), Section::Tools) => {
                &["action", "reason", "require", "deny_if", "limits", "rate_limit", "validate"]
            }
            (Some(_), Section::Resources | Section::Prompts) => {
                &["action", "reason", "require", "deny_if", "limits", "rate_limit"]
            }
        }
    }
}

/// Which list of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Require,
    DenyIf,
}

impl List {
    fn key(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::DenyIf => "deny_if",
        }
    }
}

impl Reader {
    /// All that stands under one selector; `None` only where it is no object.
    pub(super) fn rules(
        &mut self,
        place: &Place<'_>,
        value: &Ast<'_>,
        under: &Under<'_>,
    ) -> Option<Rules> {
        let fields = self.fields(place, value, under.known_keys())?;
        let action = match self.word(&fields, "action", Some(&["allow", "deny", "hide", "approve"]))
        {
            Some("deny") => Action::Deny,
            Some("hide") => Action::Hide,
            Some("approve") => Action::Approve,
            _ => Action::Allow,
        };
        let reason = self.word(&fields, "reason", None);
        let action_rule = action_rule(&fields, reason, under);
        let require = self.list(&fields, List::Require, under);
        let deny_if = self.list(&fields, List::DenyIf, under);
        let mut limits: Vec<Arc<Limit>> = self.limits(&fields, under);
        limits.extend(self.rate_limit(&fields, under).map(Arc::new));
        let validate = match self.word(&fields, "validate", Some(&["off", "schema", "strict"])) {
            Some("schema") => Some(SchemaMode::Schema),
            Some("strict") => Some(SchemaMode::Strict),
            _ => None,
        };
        let validate_name = place.key("validate").to_string().into();
        Some(Rules {
            action,
            action_rule: Arc::new(action_rule),
            validate,
            validate_name,
            require,
            deny_if,
            limits,
        })
    }

    fn list(&mut self, fields: &Fields<'_, '_>, list: List, under: &Under<'_>) -> Vec<Arc<Rule>> {
        let Some(elements) = self.array(fields, list.key()) else { return Vec::new() };
        let place = fields.place.key(list.key());
        let mut rules = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            rules.extend(self.rule(&place.index(index), element, list, under).map(Arc::new));
        }
        rules
    }

    fn rule(
        &mut self,
        place: &Place<'_>,
        value: &Ast<'_>,
        list: List,
        under: &Under<'_>,
    ) -> Option<Rule> {
        let fields = self.fields(place, value, &["id", "conditions", "on_deny", "approval"])?;
        let pointer: Arc<str> = place.to_string().into();
        let id = self.name(&fields, "id");
        if let (Some(id), Some(value)) = (id, fields.get("id")) {
            self.id(&place.key("id"), value.start(), id);
        }
        self.require_member(&fields, "conditions");
        let at_conditions = place.key("conditions");
        let elements = self.array(&fields, "conditions");
        if list == List::Require && elements.is_some_and(<[_]>::is_empty) {
            let span = fields.get("conditions").map_or(0..0, span);
            let message = "a requirement needs at least one condition".to_owned();
            self.report(&at_conditions, span, message);
        }
        let conditions = self.conditions(&at_conditions, elements.unwrap_or(&[]), under.section);
        let message = self.word(&fields, "on_deny", None).map(Arc::from);
        // A `deny_if` without conditions is how a policy says "only with a person's consent".
        let default = if list == List::DenyIf && elements.is_some_and(<[_]>::is_empty) {
            Waiver::Asks(Terms::default())
        } else {
            Waiver::Final
        };
        let waiver = self.approval(&fields).unwrap_or(default);
        Some(Rule {
            name: id.map_or_else(|| Arc::clone(&pointer), Arc::from),
            pointer,
            at: value.start(),
            conditions: conditions?,
            message,
            waiver,
            digest: digest(under, list.key(), Some(value)),
            conditions_json: fields.get("conditions").map(canonical_of).unwrap_or_default(),
        })
    }

    fn approval(&mut self, fields: &Fields<'_, '_>) -> Option<Waiver> {
        let value = fields.get("approval")?;
        let place = fields.place.key("approval");
        if let Ast::BooleanLit(literal) = value {
            let asks = Waiver::Asks(Terms::default());
            return Some(if literal.value { asks } else { Waiver::Final });
        }
        if let Ast::Object(_) = value {
            return self.terms(&place, value).map(Waiver::Asks);
        }
        self.wrong_type(&place, value, "true, false or an object");
        None
    }

    fn terms(&mut self, place: &Place<'_>, value: &Ast<'_>) -> Option<Terms> {
        let fields =
            self.fields(place, value, &["wait_seconds", "expires_seconds", "approvers"])?;
        let wait = self.integer(&fields, "wait_seconds", 0..=WAIT_SECONDS_MAX);
        let expires = self.integer(&fields, "expires_seconds", EXPIRES_SECONDS);
        let list = self.array(&fields, "approvers");
        let at_list = place.key("approvers");
        if list.is_some_and(<[_]>::is_empty) {
            let span = fields.get("approvers").map_or(0..0, span);
            self.report(&at_list, span, "`approvers` names at least one".to_owned());
        }
        let mut approvers = Vec::new();
        for (index, element) in list.unwrap_or(&[]).iter().enumerate() {
            if let Some(approver) = text_of(element).and_then(approver) {
                approvers.push(approver);
            } else {
                let message = "expected \"role:…\" with a role's name, or \"user:…\"".to_owned();
                self.report(&at_list.index(index), span(element), message);
            }
        }
        let expires = expires.and_then(|seconds| u32::try_from(seconds).ok());
        Some(Terms {
            wait_seconds: wait.and_then(|seconds| u32::try_from(seconds).ok()),
            expires_seconds: expires.unwrap_or(Terms::EXPIRES_SECONDS_DEFAULT),
            approvers,
        })
    }
}

/// The roles that the organisation knows; any other could never be met.
const ROLES: [&str; 4] = ["viewer", "policy_manager", "approver", "admin"];

fn approver(text: &str) -> Option<Approver> {
    let approver = Approver::parse(text)?;
    match &approver {
        Approver::Role(role) if !ROLES.contains(&role.as_str()) => None,
        Approver::Role(_) | Approver::User(_) => Some(approver),
    }
}

/// The action in the place of a rule, so that `approve` is waived, named and remembered like one.
fn action_rule(fields: &Fields<'_, '_>, reason: Option<&str>, under: &Under<'_>) -> Rule {
    let pointer: Arc<str> = fields.place.key("action").to_string().into();
    Rule {
        name: Arc::clone(&pointer),
        pointer,
        at: fields.get("action").map_or(fields.at, Ranged::start),
        conditions: Vec::new(),
        message: reason.map(Arc::from),
        waiver: Waiver::Asks(Terms::default()),
        digest: digest(under, "action", fields.get("reason")),
        conditions_json: String::new(),
    }
}

/// The digest of {section, selector, list, rule} in canonical JSON (POLICY section 7). For `action: "approve"`
/// the rule is its `reason`: an approver who was shown another sentence was shown another rule.
fn digest(under: &Under<'_>, list: &str, rule: Option<&Ast<'_>>) -> crate::Sha256Digest {
    let mut builder = Value::builder();
    builder.begin_object();
    for (key, text) in [
        ("section", under.section_name()),
        ("selector", under.selector.unwrap_or("")),
        ("list", list),
    ] {
        builder.key(key);
        builder.string(text);
    }
    builder.key("rule");
    match rule {
        Some(rule) => crate::canonical::build(&mut builder, rule),
        None => builder.null(),
    }
    builder.end_object();
    // A value that cannot be built holds a duplicate key, which is reported where it stands.
    let text = builder.finish().map(|value| canonical_json(value.root())).unwrap_or_default();
    sha256(text.as_bytes())
}

fn canonical_of(value: &Ast<'_>) -> String {
    let mut builder = Value::builder();
    crate::canonical::build(&mut builder, value);
    builder.finish().map(|value| canonical_json(value.root())).unwrap_or_default()
}

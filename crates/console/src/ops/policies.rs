//! Policies: reading, checking, saving, and asking what one would decide.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::{Document, Policy, ToolDefinition, UnixMillis};
use store::{
    NewPolicy, PolicyDraft, PolicyMode, PolicyName, PolicyRecord, PolicyVersion, ServerSlug,
};

use super::{Actor, OpError, Permission, not_found};
use crate::Console;

/// All policies in their newest version.
pub async fn list(console: &Console, actor: &Actor) -> Result<Vec<PolicyRecord>, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.policies().await?)
}

/// One policy, in its newest version or the one asked for.
pub async fn get(
    console: &Console,
    actor: &Actor,
    name: &PolicyName,
    version: Option<u32>,
) -> Result<PolicyRecord, OpError> {
    actor.may(Permission::Read)?;
    let found = console.store.policy(name, version).await?;
    found.ok_or_else(|| not_found("policy", name.as_str()))
}

/// A policy's history, newest first.
pub async fn versions(
    console: &Console,
    actor: &Actor,
    name: &PolicyName,
) -> Result<Vec<PolicyVersion>, OpError> {
    get(console, actor, name, None).await?;
    Ok(console.store.policy_versions(name).await?)
}

/// What a policy is checked against: the tools of its server as they are pinned.
pub async fn definitions(
    console: &Console,
    server: Option<&ServerSlug>,
) -> Result<Arc<Vec<ToolDefinition>>, OpError> {
    match server {
        Some(server) => console.pinned.definitions(&console.store, server).await,
        None => Ok(Arc::default()),
    }
}

/// Seconds that a policy's own tests may take here.
pub const TESTS_SECONDS_MAX: i64 = 10;

/// A policy that parsed and whose own tests pass; only such a one can be saved.
#[derive(Debug)]
pub struct Checked {
    /// The document.
    pub document: Document,
    /// What a reader should know before saving.
    pub lints: Vec<policy::Lint>,
}

/// Parses a policy, runs its tests for at most [`TESTS_SECONDS_MAX`], and lints it against the server's tools.
pub async fn check(
    console: &Console,
    actor: &Actor,
    text: &str,
    server: Option<&ServerSlug>,
) -> Result<Checked, OpError> {
    actor.may(Permission::Read)?;
    let tools = definitions(console, server).await?;
    let (text, clock) = (text.to_owned(), Arc::clone(&console.clock));
    let pinned = server.is_some();
    let work = move || {
        let document = Document::parse(&text).map_err(OpError::Policy)?;
        // Also a clock that goes back ends it.
        let time = clock().0..clock().0.saturating_add(TESTS_SECONDS_MAX.saturating_mul(1000));
        let going = || time.contains(&clock().0);
        let failures = policy::run_document_tests_while(&document, &tools, &going)
            .ok_or(OpError::TooLong(TESTS_SECONDS_MAX))?;
        if !failures.is_empty() {
            return Err(OpError::Tests(failures.iter().map(ToString::to_string).collect()));
        }
        let lints = policy::lint(&document, pinned.then_some(tools.as_slice()));
        Ok(Checked { document, lints })
    };
    console.long_work.check(work).await?
}

/// What somebody wants to save.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The policy's name.
    pub name: PolicyName,
    /// The server that it is written for.
    pub server: Option<ServerSlug>,
    /// The author's text.
    pub text: &'a str,
    /// What the version is to do.
    pub mode: PolicyMode,
    /// Why, if the author said.
    pub note: Option<String>,
}

/// Saves the next version of a policy; `expected` is the version that the author started from.
pub async fn save(
    console: &Console,
    actor: &Actor,
    draft: Draft<'_>,
    expected: Option<u32>,
) -> Result<(u32, Checked), OpError> {
    actor.may(Permission::EditPolicies)?;
    let checked = check(console, actor, draft.text, draft.server.as_ref()).await?;
    let policy = NewPolicy {
        name: draft.name,
        server: draft.server,
        text: draft.text.to_owned(),
        canonical: checked.document.canonical().to_owned(),
        mode: draft.mode,
        actor: actor.name.clone(),
        note: draft.note,
    };
    let version = actor.store(console).save_policy(policy, expected, (console.clock)()).await?;
    Ok((version, checked))
}

/// How an old version is restored.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The version whose text is restored.
    pub version: u32,
    /// What the new version is to do.
    pub mode: PolicyMode,
    /// Why; without it the note names the version.
    pub note: Option<String>,
}

/// Saves the text of an old version as the next one; history is never rewritten. The text is checked as
/// any other that is saved, against the tools as they are now.
pub async fn restore(
    console: &Console,
    actor: &Actor,
    name: &PolicyName,
    wanted: Restore,
    expected: Option<u32>,
) -> Result<(u32, Checked), OpError> {
    actor.may(Permission::EditPolicies)?;
    let newest = get(console, actor, name, None).await?;
    let old = console.store.policy(name, Some(wanted.version)).await?;
    let old = old.ok_or_else(|| {
        not_found("version", &format!("{} of policy {}", wanted.version, name.as_str()))
    })?;
    let note = wanted.note.unwrap_or_else(|| format!("restores version {}", old.version));
    let draft = Draft {
        name: name.clone(),
        server: newest.server,
        text: &old.text,
        mode: wanted.mode,
        note: Some(note),
    };
    save(console, actor, draft, expected).await
}

/// Keeps what somebody has written of a policy and not saved, so that nothing is lost between two
/// pages. The text need not parse.
pub async fn keep_draft(
    console: &Console,
    actor: &Actor,
    name: &PolicyName,
    (server, text, base): (Option<ServerSlug>, String, u32),
) -> Result<(), OpError> {
    actor.may(Permission::EditPolicies)?;
    let kept_at = (console.clock)();
    let draft = PolicyDraft { name: name.clone(), server, text, base, kept_at };
    console.store.keep_policy_draft(&actor.name, draft).await?;
    Ok(())
}

/// What somebody has written of a policy and not saved.
pub async fn draft(
    console: &Console,
    actor: &Actor,
    name: &PolicyName,
) -> Result<Option<PolicyDraft>, OpError> {
    actor.may(Permission::EditPolicies)?;
    Ok(console.store.policy_draft(&actor.name, name).await?)
}

/// Forgets what somebody has written of a policy and not saved.
pub async fn drop_draft(
    console: &Console,
    actor: &Actor,
    name: &PolicyName,
) -> Result<(), OpError> {
    actor.may(Permission::EditPolicies)?;
    console.store.drop_policy_draft(&actor.name, name).await?;
    Ok(())
}

/// Removes a policy that no grant uses.
pub async fn remove(console: &Console, actor: &Actor, name: &PolicyName) -> Result<(), OpError> {
    actor.may(Permission::EditPolicies)?;
    actor.store(console).remove_policy(name).await?;
    Ok(())
}

/// A call to explain.
#[derive(Debug)]
pub struct Question {
    /// The tool's name.
    pub tool: String,
    /// The arguments, one JSON object.
    pub args: String,
    /// The grant's label as conditions see it.
    pub grant: String,
    /// The grant's tags.
    pub tags: BTreeMap<String, String>,
    /// The instant; `None` is now.
    pub at: Option<UnixMillis>,
}

/// What a stored policy would decide, with its trace. Counters are not asked, so a limit that is
/// used up does not show.
pub async fn explain(
    console: &Console,
    actor: &Actor,
    name: &PolicyName,
    question: Question,
) -> Result<Explained, OpError> {
    let record = get(console, actor, name, None).await?;
    let tools = definitions(console, record.server.as_ref()).await?;
    let now = question.at.unwrap_or_else(|| (console.clock)());
    console.long_work.check(move || judge(&record, &tools, &question, now)).await?
}

fn judge(
    record: &PolicyRecord,
    tools: &[ToolDefinition],
    question: &Question,
    now: UnixMillis,
) -> Result<Explained, OpError> {
    let document = Document::parse(&record.text).map_err(OpError::Policy)?;
    let compiled = Policy::compile(&document);
    let known = tools.iter().find(|t| t.name == question.tool);
    let unknown = ToolDefinition::new(question.tool.clone(), None, None, None);
    let args = policy::Value::parse(&question.args);
    let args = args.map_err(|e| OpError::Invalid(format!("`args`: {e}")))?;
    let call = policy::Call {
        target: policy::Target::Tool(known.unwrap_or(&unknown).facts()),
        args: &args,
        grant: policy::GrantFacts { label: &question.grant, tags: &question.tags },
        client: policy::ClientFacts { name: None, version: None },
        now,
    };
    Ok(shown(&policy::decide(&compiled, &call)))
}

/// A judgement for people and programs: the words of a refusal, and the whole trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// `allow`, `hold` or `deny`.
    pub verdict: &'static str,
    /// Of a refusal: the reason, the rule, and what the agent is told.
    pub refusal: Option<Refused>,
    /// Of an allowed call: the rules of the limits that it takes of.
    pub limits: Vec<String>,
    /// Every rule that was looked at, in order.
    pub trace: serde_json::Value,
}

/// The words of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason word.
    pub reason: &'static str,
    /// The rule that decided.
    pub rule: String,
    /// What the agent is told.
    pub message: String,
    /// What it may try instead.
    pub hint: Option<String>,
}

fn shown(judgement: &policy::Judgement) -> Explained {
    let trace = serde_json::from_str(&judgement.trace.to_json()).unwrap_or_default();
    let (verdict, refusal, limits) = match &judgement.verdict {
        policy::Verdict::Allow(obligations) => {
            let limits = obligations.charges.iter().map(|charge| charge.rule.to_string());
            ("allow", None, limits.collect())
        }
        policy::Verdict::Hold(ask, _) => {
            let refusal = Refused {
                reason: policy::Reason::ApprovalRequired.as_str(),
                rule: ask.rule.to_string(),
                message: ask.message.clone(),
                hint: ask.hint.clone(),
            };
            ("hold", Some(refusal), Vec::new())
        }
        policy::Verdict::Deny(denial) => {
            let refusal = Refused {
                reason: denial.reason.as_str(),
                rule: denial.rule.to_string(),
                message: denial.message.clone(),
                hint: denial.hint.clone(),
            };
            ("deny", Some(refusal), Vec::new())
        }
    };
    Explained { verdict, refusal, limits, trace }
}

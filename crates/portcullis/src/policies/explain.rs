//! `policy explain`: one call against one policy, with empty counters and no approval.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use policy::{
    Buckets, Call, Charge, Class, ClientFacts, Denial, GrantFacts, JsonKind, Judgement, Policy,
    Risk, ScopeIds, Target, ToolDefinition, ToolFacts, Trace, UnixMillis, Value, Verdict, decide,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{document_of, tools_of};
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};

/// What `explain` takes.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("target").required(true))]
pub(crate) struct ExplainArgs {
    /// The policy
    #[arg(value_name = "POLICY")]
    file: PathBuf,
    /// The tool that is called
    #[arg(long, value_name = "NAME", group = "target")]
    tool: Option<String>,
    /// The resource that is read
    #[arg(long, value_name = "URI", group = "target", conflicts_with = "args")]
    resource: Option<String>,
    /// The prompt that is asked for
    #[arg(long, value_name = "NAME", group = "target")]
    prompt: Option<String>,
    /// The arguments, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    args: String,
    /// The server's tools (a tools/list answer), for classes and schemas
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    /// The tool's class: read, write, execute, destructive, financial
    #[arg(long, value_name = "CLASS", requires = "tool")]
    class: Option<Class>,
    /// The tool's risk: low, medium, high, critical
    #[arg(long, value_name = "RISK", requires = "tool")]
    risk: Option<Risk>,
    /// The grant's label
    #[arg(long, value_name = "LABEL", default_value = "test")]
    grant: String,
    /// A tag of the grant; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// What the client calls itself
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// The version that the client gives
    #[arg(long, value_name = "VERSION", requires = "client")]
    client_version: Option<String>,
    /// When the call comes (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<UnixMillis>,
    #[command(flatten)]
    json: JsonSwitch,
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("a tag is KEY=VALUE".to_owned()),
    }
}

fn instant(text: &str) -> Result<UnixMillis, String> {
    match text.parse::<jiff::Timestamp>() {
        Ok(instant) => Ok(UnixMillis(instant.as_millisecond())),
        Err(error) => Err(error.to_string()),
    }
}

/// The answer, as `--json` writes it.
#[derive(Serialize)]
struct Answer<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    charges: Vec<ChargeView<'a>>,
    trace: Box<RawValue>,
}

#[derive(Serialize)]
struct ChargeView<'a> {
    rule: &'a str,
    counter: &'a str,
    window: String,
    amount: String,
    max: String,
}

/// `policy explain`.
pub(super) fn run(args: &ExplainArgs) -> Result<Exit, Failure> {
    let document = document_of(&args.file)?;
    let tools = tools_of(args.tools.as_ref())?;
    let tool = tool(args, tools.as_deref());
    let text = match &args.resource {
        Some(uri) => serde_json::json!({ "uri": uri }).to_string(),
        None => args.args.clone(),
    };
    let now = args.at.unwrap_or_else(clock::now);
    let verdict = match arguments(&text)? {
        None => (Came::Denied(Denial::malformed()), Trace::empty()),
        Some(value) => {
            let tags: BTreeMap<String, String> = args.tags.iter().cloned().collect();
            let call = Call {
                target: target(args, tool.as_ref()),
                args: &value,
                grant: GrantFacts { label: &args.grant, tags: &tags },
                client: ClientFacts {
                    name: args.client.as_deref(),
                    version: args.client_version.as_deref(),
                },
                now,
            };
            judge(decide(&Policy::compile(&document), &call), &args.grant, now)
        }
    };
    Ok(show(&verdict.0, &verdict.1, args.json.form()))
}

/// The tool as the file of tools and the switches describe it.
fn tool(args: &ExplainArgs, tools: Option<&[ToolDefinition]>) -> Option<ToolDefinition> {
    let name = args.tool.as_deref()?;
    let known = tools.and_then(|tools| tools.iter().find(|tool| tool.name == name));
    if tools.is_some() && known.is_none() {
        output::note(format!(
            "note: the server does not list `{name}`; the gateway would not forward it, \
             whatever the policy says"
        ));
    }
    Some(ToolDefinition::new(
        name.to_owned(),
        known.and_then(|tool| tool.input_schema.clone()),
        args.class.or_else(|| known.and_then(|tool| tool.class)),
        args.risk.or_else(|| known.and_then(|tool| tool.risk)),
    ))
}

fn target<'a>(args: &'a ExplainArgs, tool: Option<&'a ToolDefinition>) -> Target<'a> {
    match (tool, &args.resource, &args.prompt) {
        (Some(tool), _, _) => Target::Tool(tool.facts()),
        (None, Some(uri), _) => Target::Resource { uri },
        (None, None, Some(name)) => Target::Prompt { name },
        // The grammar asks for one of the three; no name is listed by no selector.
        (None, None, None) => {
            Target::Tool(ToolFacts { name: "", class: None, risk: None, schema: None })
        }
    }
}

/// The arguments; `None` when they are JSON, but not what the gateway accepts as arguments.
fn arguments(text: &str) -> Result<Option<Value<'_>>, Failure> {
    match Value::parse(text) {
        Ok(value) if value.root().kind() == JsonKind::Object => Ok(Some(value)),
        Ok(_) => Err(Failure::new(Exit::Usage, "--args must be a JSON object")),
        Err(_) if serde_json::from_str::<&RawValue>(text).is_ok() => Ok(None),
        Err(error) => Err(Failure::because(Exit::Usage, "--args is no JSON", &error)),
    }
}

/// What became of the call.
enum Came {
    Allowed(Vec<Charge>),
    Held(policy::Ask, Vec<Charge>),
    Denied(Denial),
}

/// The rest of the way: a limit whose maximum is below the call's amount denies also when nothing
/// was charged before, and before a person is asked.
fn judge(judgement: Judgement, grant: &str, now: UnixMillis) -> (Came, Trace) {
    let ids = ScopeIds { grant, session: None, server: "explain", organisation: "explain" };
    let full = |charges: &[Charge]| {
        let exceeded = Buckets::new().check(charges, &ids, now).err()?;
        let charge = charges.get(exceeded.index)?;
        Some(Denial::limit_exceeded(charge, exceeded.retry_after_ms))
    };
    let came = match judgement.verdict {
        Verdict::Deny(denial) => Came::Denied(denial),
        Verdict::Allow(owed) => match full(&owed.charges) {
            Some(denial) => Came::Denied(denial),
            None => Came::Allowed(owed.charges.to_vec()),
        },
        Verdict::Hold(ask, owed) => match full(&owed.charges) {
            Some(denial) => Came::Denied(denial),
            None => Came::Held(ask, owed.charges.to_vec()),
        },
    };
    (came, judgement.trace)
}

fn answer<'a>(came: &'a Came, trace: &Trace) -> Answer<'a> {
    let trace = RawValue::from_string(trace.to_json()).unwrap_or_default();
    let empty = Answer {
        verdict: "allow",
        reason: None,
        rule: None,
        message: None,
        hint: None,
        retry_after_ms: None,
        charges: Vec::new(),
        trace,
    };
    match came {
        Came::Allowed(charges) => Answer { charges: charges.iter().map(charge).collect(), ..empty },
        Came::Held(ask, charges) => Answer {
            verdict: "hold",
            reason: Some(policy::Reason::ApprovalRequired.as_str()),
            rule: Some(&ask.rule),
            message: Some(&ask.message),
            hint: ask.hint.as_deref(),
            charges: charges.iter().map(charge).collect(),
            ..empty
        },
        Came::Denied(denial) => Answer {
            verdict: "deny",
            reason: Some(denial.reason.as_str()),
            rule: Some(&*denial.rule).filter(|rule| !rule.is_empty()),
            message: Some(&denial.message),
            hint: denial.hint.as_deref(),
            retry_after_ms: denial.retry_after_ms,
            ..empty
        },
    }
}

fn charge(charge: &Charge) -> ChargeView<'_> {
    ChargeView {
        rule: &charge.rule,
        counter: &charge.counter,
        window: charge.window.to_string(),
        amount: charge.amount.to_string(),
        max: charge.max.to_string(),
    }
}

fn show(came: &Came, trace: &Trace, form: Form) -> Exit {
    let answer = answer(came, trace);
    match form {
        Form::Json => output::json(&answer),
        Form::Text => {
            output::line(format!("verdict  {}", answer.verdict));
            let lines = [
                ("reason ", answer.reason),
                ("rule   ", answer.rule),
                ("message", answer.message),
                ("hint   ", answer.hint),
            ];
            for (name, text) in lines {
                if let Some(text) = text {
                    output::line(format!("{name}  {text}"));
                }
            }
            for charge in &answer.charges {
                output::line(format!(
                    "charges  {} of {} per {} to {} ({})",
                    charge.amount, charge.max, charge.window, charge.counter, charge.rule
                ));
            }
            output::line("trace");
            for line in trace.to_string().lines() {
                output::line(format!("  {line}"));
            }
        }
    }
    match came {
        Came::Allowed(_) => Exit::Good,
        Came::Held(..) => Exit::Held,
        Came::Denied(denial) if denial.reason == policy::Reason::LimitExceeded => Exit::Limited,
        Came::Denied(_) => Exit::Denied,
    }
}

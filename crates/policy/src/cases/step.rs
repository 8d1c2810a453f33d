//! Steps of case files as they are written (POLICY section 11). Runs nothing.

use jsonc_parser::ast::Value as Ast;

use super::{CallText, Expect, Instant, PolicyTest};
use crate::Kind;
use crate::parse::{
    CallDialect, Fields, Place, Reader, number_of, parse_part, read_call, read_expect, read_times,
    span, text_of,
};

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Call(Box<CallStep>),
    Finish { number: usize, ending: Ending, at: Option<Instant> },
    Decide { number: usize, decision: Decision, at: Option<Instant> },
    List { kind: Kind, expect: Vec<String> },
}

/// A call with what a case adds to it.
#[derive(Debug, Clone)]
pub(super) struct CallStep {
    pub call: CallText,
    /// Raw text in the place of arguments.
    pub args_text: Option<String>,
    pub session: Option<String>,
    pub store: StoreState,
    /// `None`: still running.
    pub ending: Option<Ending>,
    pub times: u64,
    pub expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreState {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Approve,
    Reject,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Answered, also with `isError`, or timed out: it may have run.
    MayHaveRun,
    /// It never left.
    NotSent,
    /// A JSON-RPC error of the server.
    Code(i64),
}

impl CallStep {
    pub(super) fn from_test(test: &PolicyTest) -> Self {
        Self {
            call: test.call.clone(),
            args_text: None,
            session: None,
            store: StoreState::Up,
            ending: Some(Ending::MayHaveRun),
            times: test.times,
            expect: test.expect.clone(),
        }
    }
}

/// Reads one step; the error lists every problem.
pub(super) fn parse(text: &str) -> Result<Step, String> {
    let tree = parse_part(text).map_err(|fault| fault.message)?;
    let mut reader = Reader::default();
    let step = read(&mut reader, &tree);
    let problems = reader.into_problems(text);
    match step {
        Some(step) if problems.is_empty() => Ok(step),
        _ => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(lines.join("; "))
        }
    }
}

/// Which kind of step it is is read from its first key that names one.
fn read(reader: &mut Reader, tree: &Ast<'_>) -> Option<Step> {
    let place = Place::Root;
    let Ast::Object(object) = tree else {
        reader.wrong_type(&place, tree, "an object");
        return None;
    };
    let has = |key: &str| object.properties.iter().any(|member| member.name.as_str() == key);
    let kind = ["finish", "approve", "reject", "list"].into_iter().find(|key| has(key));
    match kind {
        Some("finish") => {
            let fields = reader.fields(&place, tree, &["finish", "outcome", "at"])?;
            let Some(ending) = read_ending(reader, &fields) else {
                let message = "a finished call is not open".to_owned();
                reader.report(&place.key("outcome"), 0..0, message);
                return None;
            };
            let number = read_number(reader, &fields, "finish")?;
            Some(Step::Finish { number, ending, at: read_at(reader, &fields) })
        }
        Some("list") => read_list(reader, &place, tree),
        Some(key) => {
            let fields = reader.fields(&place, tree, &[key, "at"])?;
            let decision = if key == "approve" { Decision::Approve } else { Decision::Reject };
            let number = read_number(reader, &fields, key)?;
            Some(Step::Decide { number, decision, at: read_at(reader, &fields) })
        }
        None => read_call_step(reader, &place, tree).map(|step| Step::Call(Box::new(step))),
    }
}

fn read_call_step(reader: &mut Reader, place: &Place<'_>, tree: &Ast<'_>) -> Option<CallStep> {
    let fields = reader.fields(place, tree, &["call", "times", "expect"])?;
    reader.require_member(&fields, "call");
    reader.require_member(&fields, "expect");
    let times = read_times(reader, &fields);
    let call_value = fields.get("call")?;
    let at_call = place.key("call");
    let call = read_call(reader, &at_call, call_value, CallDialect::Step);
    let expect = read_expect(reader, &place.key("expect"), fields.get("expect")?);
    // The keys that only steps have; unknown ones were reported above.
    let Ast::Object(object) = call_value else { return None };
    let extra = Fields::all(&at_call, object);
    let args_text = reader.word(&extra, "args_text", None).map(str::to_owned);
    if let (Some(_), Some(value)) = (&args_text, extra.get("args")) {
        let message = "`args` and `args_text` exclude each other".to_owned();
        reader.report(&at_call.key("args"), span(value), message);
    }
    let session = reader.word(&extra, "session", None).map(str::to_owned);
    let store = match reader.word(&extra, "store", Some(&["down"])) {
        Some(_) => StoreState::Down,
        None => StoreState::Up,
    };
    let ending = read_ending(reader, &extra);
    Some(CallStep { call: call?, args_text, session, store, ending, times, expect: expect? })
}

/// The `outcome`; `None` is `"open"`.
fn read_ending(reader: &mut Reader, fields: &Fields<'_, '_>) -> Option<Ending> {
    let place = fields.place.key("outcome");
    match fields.get("outcome") {
        None => Some(Ending::MayHaveRun),
        Some(value @ Ast::Object(_)) => {
            let code = reader.fields(&place, value, &["code"]).and_then(|fields| {
                reader.require_member(&fields, "code");
                number_of(fields.get("code")?)?.parse().ok()
            });
            if code.is_none() {
                let message = "`code` is a whole number".to_owned();
                reader.report(&place.key("code"), span(value), message);
            }
            code.map(Ending::Code).or(Some(Ending::MayHaveRun))
        }
        Some(_) => {
            let words = ["ok", "is_error", "not_sent", "timeout", "open"];
            match reader.word(fields, "outcome", Some(&words)) {
                Some("open") => None,
                Some("not_sent") => Some(Ending::NotSent),
                _ => Some(Ending::MayHaveRun),
            }
        }
    }
}

fn read_number(reader: &mut Reader, fields: &Fields<'_, '_>, key: &str) -> Option<usize> {
    let number = reader.integer(fields, key, 1..=u64::from(u32::MAX))?;
    usize::try_from(number).ok()
}

fn read_at(reader: &mut Reader, fields: &Fields<'_, '_>) -> Option<Instant> {
    let text = reader.word(fields, "at", None)?;
    let instant = Instant::parse(text);
    if instant.is_none() {
        let message = "expected an instant of RFC 3339".to_owned();
        reader.report(&fields.place.key("at"), 0..0, message);
    }
    instant
}

fn read_list(reader: &mut Reader, place: &Place<'_>, tree: &Ast<'_>) -> Option<Step> {
    let fields = reader.fields(place, tree, &["list", "grant", "expect"])?;
    let kind = match reader.word(&fields, "list", Some(&["tools", "resources", "prompts"]))? {
        "tools" => Kind::Tool,
        "resources" => Kind::Resource,
        _ => Kind::Prompt,
    };
    crate::parse::read_grant(reader, &fields);
    reader.require_member(&fields, "expect");
    let mut expect = Vec::new();
    let at_list = place.key("expect");
    for (index, element) in reader.array(&fields, "expect")?.iter().enumerate() {
        match text_of(element) {
            Some(name) => expect.push(name.to_owned()),
            None => reader.wrong_type(&at_list.index(index), element, "a name"),
        }
    }
    Some(Step::List { kind, expect })
}

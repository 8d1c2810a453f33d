//! Tests as they are written, in a document (POLICY section 10) and as steps of case files (section 11).

use std::collections::BTreeMap;

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged as _;

use super::{Fields, Place, Reader, span, text_of};
use crate::Reason;
use crate::cases::{
    CallText, ClientText, Expect, ExpectedVerdict, GrantText, Instant, PolicyTest, RetryAfter,
    TargetText,
};

/// Most repetitions of one test.
pub(crate) const TIMES_MAX: u64 = 100_000;
/// Most repetitions of all tests of a document together, so that saving a policy ends.
pub(crate) const TIMES_TOTAL_MAX: u64 = 1_000_000;

/// Which keys a call may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallDialect {
    /// A test in a document.
    Document,
    /// A step of a case file: also `session`, `args_text`, `store` and `outcome`, which the caller reads.
    Step,
}

impl Reader {
    pub(super) fn tests(&mut self, fields: &Fields<'_, '_>) -> Vec<PolicyTest> {
        let Some(list) = self.array(fields, "tests") else { return Vec::new() };
        let place = fields.place.key("tests");
        let mut tests = Vec::with_capacity(list.len());
        let mut total = 0_u64;
        for (index, element) in list.iter().enumerate() {
            let place = place.index(index);
            let Some(test) = self.test_of_policy(&place, element) else { continue };
            total = total.saturating_add(test.times);
            if total > TIMES_TOTAL_MAX {
                let message = format!("more than {TIMES_TOTAL_MAX} calls in all tests together");
                self.report(&place.key("times"), span(element), message);
                break;
            }
            tests.push(test);
        }
        tests
    }

    fn test_of_policy(&mut self, place: &Place<'_>, value: &Ast<'_>) -> Option<PolicyTest> {
        let fields = self.fields(place, value, &["name", "call", "times", "expect"])?;
        let name = self.name(&fields, "name").map(str::to_owned);
        self.require_member(&fields, "call");
        self.require_member(&fields, "expect");
        let times = read_times(self, &fields);
        let call = fields
            .get("call")
            .and_then(|call| read_call(self, &place.key("call"), call, CallDialect::Document));
        let expect =
            fields.get("expect").and_then(|expect| read_expect(self, &place.key("expect"), expect));
        Some(PolicyTest {
            name,
            pointer: place.to_string(),
            at: value.start(),
            times,
            call: call?,
            expect: expect?,
        })
    }
}

/// `times`, 1 if it is not given.
pub(crate) fn read_times(reader: &mut Reader, fields: &Fields<'_, '_>) -> u64 {
    reader.integer(fields, "times", 1..=TIMES_MAX).unwrap_or(1)
}

/// The `call` of a test. What it calls is read from `tool`, then `resource`, then `prompt`; a second one is an
/// unknown key, and a resource has no arguments.
pub(crate) fn read_call(
    reader: &mut Reader,
    place: &Place<'_>,
    value: &Ast<'_>,
    dialect: CallDialect,
) -> Option<CallText> {
    let Ast::Object(object) = value else {
        reader.wrong_type(place, value, "an object");
        return None;
    };
    let has = |key: &str| object.properties.iter().any(|member| member.name.as_str() == key);
    let target = if has("tool") || !(has("resource") || has("prompt")) {
        "tool"
    } else if has("resource") {
        "resource"
    } else {
        "prompt"
    };
    let mut known = vec![target, "grant", "client", "at"];
    if target != "resource" {
        known.push("args");
    }
    if dialect == CallDialect::Step {
        known.extend(["session", "store", "outcome"]);
        if target != "resource" {
            known.push("args_text");
        }
    }
    let fields = reader.fields(place, value, &known)?;
    reader.require_member(&fields, target);
    let name = reader.word(&fields, target, None).map(str::to_owned);
    let args = read_args(reader, &fields);
    let grant = read_grant(reader, &fields);
    let client = read_client(reader, &fields);
    let at = reader.word(&fields, "at", None).and_then(|text| {
        let instant = Instant::parse(text);
        if instant.is_none() {
            let span = fields.get("at").map_or(0..0, span);
            let message =
                "expected an instant of RFC 3339, such as 2026-01-31T12:00:00Z".to_owned();
            reader.report(&place.key("at"), span, message);
        }
        instant
    });
    let name = name?;
    let target = match target {
        "tool" => TargetText::Tool(name),
        "resource" => TargetText::Resource(name),
        _ => TargetText::Prompt(name),
    };
    Some(CallText { target, args, grant, client, at })
}

/// The arguments as JSON text, numbers as they are written.
fn read_args(reader: &mut Reader, fields: &Fields<'_, '_>) -> Option<String> {
    let value = fields.get("args")?;
    let place = fields.place.key("args");
    if !matches!(value, Ast::Object(_)) {
        reader.wrong_type(&place, value, "an object");
        return None;
    }
    reader.check_free_form(&place, value);
    Some(crate::canonical::print(value))
}

/// The `grant` of a call or list: a label, or an object with label and tags.
pub(crate) fn read_grant(reader: &mut Reader, fields: &Fields<'_, '_>) -> GrantText {
    let mut grant = GrantText { label: "test".to_owned(), tags: BTreeMap::new() };
    let place = fields.place.key("grant");
    match fields.get("grant") {
        None => {}
        Some(Ast::StringLit(label)) => grant.label = label.value.clone().into_owned(),
        Some(value @ Ast::Object(_)) => {
            let Some(fields) = reader.fields(&place, value, &["label", "tags"]) else {
                return grant;
            };
            reader.require_member(&fields, "label");
            if let Some(label) = reader.word(&fields, "label", None) {
                label.clone_into(&mut grant.label);
            }
            grant.tags = read_tags(reader, &fields);
        }
        Some(value) => reader.wrong_type(&place, value, "a label, or an object with `label`"),
    }
    grant
}

fn read_tags(reader: &mut Reader, fields: &Fields<'_, '_>) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let Some(value) = fields.get("tags") else { return tags };
    let place = fields.place.key("tags");
    let Ast::Object(object) = value else {
        reader.wrong_type(&place, value, "an object of strings");
        return tags;
    };
    for (key, _, value) in reader.unique_members(&place, object) {
        match text_of(value) {
            Some(text) => drop(tags.insert(key.to_owned(), text.to_owned())),
            None => reader.wrong_type(&place.key(key), value, "a string"),
        }
    }
    tags
}

fn read_client(reader: &mut Reader, fields: &Fields<'_, '_>) -> ClientText {
    let mut client = ClientText::default();
    let place = fields.place.key("client");
    match fields.get("client") {
        None => {}
        Some(Ast::StringLit(name)) => client.name = Some(name.value.clone().into_owned()),
        Some(value @ Ast::Object(_)) => {
            let Some(fields) = reader.fields(&place, value, &["name", "version"]) else {
                return client;
            };
            reader.require_member(&fields, "name");
            client.name = reader.word(&fields, "name", None).map(str::to_owned);
            client.version = reader.word(&fields, "version", None).map(str::to_owned);
        }
        Some(value) => reader.wrong_type(&place, value, "a name, or an object with `name`"),
    }
    client
}

/// The `expect` of a test. An allow expects only its verdict, so more is an unknown key beside it.
pub(crate) fn read_expect(
    reader: &mut Reader,
    place: &Place<'_>,
    value: &Ast<'_>,
) -> Option<Expect> {
    let members = if let Ast::Object(object) = value { &*object.properties } else { &[] };
    let verdict = members.iter().find(|member| member.name.as_str() == "verdict");
    let allows = verdict.is_some_and(|member| text_of(&member.value) == Some("allow"));
    let all = ["verdict", "rule", "reason", "message", "retry_after_ms"];
    let known: &[&str] = if allows { &["verdict"] } else { &all };
    let fields = reader.fields(place, value, known)?;
    reader.require_member(&fields, "verdict");
    let verdict = match reader.word(&fields, "verdict", Some(&["allow", "deny", "hold"])) {
        Some("allow") => Some(ExpectedVerdict::Allow),
        Some("deny") => Some(ExpectedVerdict::Deny),
        Some("hold") => Some(ExpectedVerdict::Hold),
        _ => None,
    };
    let rule = reader.word(&fields, "rule", None).map(str::to_owned);
    let reasons = Reason::ALL.map(Reason::as_str);
    let reason = reader.word(&fields, "reason", Some(&reasons)).and_then(|text| text.parse().ok());
    let message = reader.word(&fields, "message", None).map(str::to_owned);
    let retry_after = match fields.get("retry_after_ms") {
        None => RetryAfter::Any,
        Some(Ast::NullKeyword(_)) => RetryAfter::Absent,
        Some(_) => match reader.integer(&fields, "retry_after_ms", 0..=u64::MAX) {
            Some(milliseconds) => RetryAfter::Milliseconds(milliseconds),
            None => RetryAfter::Any,
        },
    };
    Some(Expect { verdict: verdict?, rule, reason, message, retry_after })
}
